"""The key map: one table that bindings, footer and help are made from.

Every key here arrives through tmux and SSH under its own name (no alt, no ctrl+enter, no ctrl+minus, no flow-control or
multiplexer keys); function keys only double another key.
"""

from __future__ import annotations

from dataclasses import dataclass

from textual.binding import Binding


@dataclass(frozen=True, kw_only=True, slots=True)
class Key:
    """One line of the key map."""

    id: str
    """Stable name of the binding, for a key map of the user's own."""
    keys: str
    """Textual names, separated by commas."""
    shown: str
    """As footer and help write it."""
    action: str
    label: str
    """One or two words for the footer."""
    what: str
    """One sentence for the help page."""
    scope: str
    """`all`, `list`, `chart` or the name of a pane."""
    footer: bool = True


def _key(scope: str, name: str, keys: str, shown: str, action: str, label: str, what: str, footer: bool = True) -> Key:
    return Key(
        id=f"{scope}.{name}", keys=keys, shown=shown, action=action, label=label, what=what, scope=scope, footer=footer
    )


SCOPES = {
    "data": "1 Data",
    "train": "2 Train",
    "chart": "Chart of the Train pane",
    "checkpoints": "3 Checkpoints",
    "list": "Lists",
    "all": "Everywhere",
}

_BRACKETS = "left_square_bracket,right_square_bracket"

KEYS: tuple[Key, ...] = (
    _key("all", "help", "question_mark,f1", "?", "help", "help", "This page. F1 does the same."),
    _key("data", "filter", "slash", "/", "filter", "filter", "Filter the utterances by file, text or rule."),
    _key("data", "inspect", "enter", "↵", "inspect", "rows", "A finding's utterances, or one utterance in full."),
    _key("data", "back", "escape", "esc", "back", "all rows", "Take the filter away.", False),
    _key("data", "play", "space", "␣", "play", "play", "Play the recording of the selected utterance."),
    _key("data", "exclude", "e", "e", "exclude", "exclude", "Exclude the selected utterance, or include it again."),
    _key("data", "exclude_all", "E", "E", "exclude_all", "exclude all", "Exclude all that are shown; asks.", False),
    _key("data", "correct", "T", "T", "correct", "text", "Correct the text; the table stays as it is.", False),
    _key("data", "mend", "f", "f", "mend", "fix", "Take a mended copy of the recording; it stays as it is."),
    _key("data", "mend_all", "F", "F", "mend_all", "fix all", "Mended copies of all recordings that are shown.", False),
    _key("data", "undo", "u", "u", "undo", "undo", "Undo the last decision about a row.", False),
    _key("data", "compare", "m", "m", "compare", "mismatch", "Let a model tell which recordings don't say their text."),
    _key("data", "sort", "s", "s", "sort", "sort", "Sort the utterances; the same order again turns it round."),
    _key("data", "scan", "r", "r", "rescan", "rescan", "Scan the dataset again."),
    _key("data", "report", "w", "w", "report", "report", "Write the readiness report, with this scan.", False),
    _key("data", "cancel", "x", "x", "cancel", "cancel", "Cancel what is under way: scan, playback, mismatch.", False),
    _key("chart", "zoom", "plus,minus", "+ -", "", "zoom", "Zoom in and out."),
    _key("chart", "pan", "left,right", "← →", "", "pan", "Move the view, or the cursor while it is on."),
    _key("chart", "cursor", "c", "c", "cursor", "cursor", "Read values off the curve."),
    _key("chart", "metric", "m", "m", "metric", "metric", "Choose the metric to draw."),
    _key("chart", "log", "l", "l", "log_axis", "log", "Logarithmic or linear axis."),
    _key("chart", "band", "b", "b", "band", "band", "Lowest to highest value in each column, behind the mean."),
    _key("chart", "fit", "0", "0", "fit", "fit", "Show the whole run again."),
    _key("train", "run", _BRACKETS, "[ ]", "", "run", "Earlier and later run."),
    _key("train", "resume", "r", "r", "app.resume", "resume", "Resume the run that is shown where it ended."),
    _key("checkpoints", "export", "e", "e", "export", "export", "Export the selected checkpoint; compare the two."),
    _key("checkpoints", "speak", "space", "␣", "speak", "speak", "Speak the sentence with what is selected; play it."),
    _key("checkpoints", "sentence", "T", "T", "sentence", "sentence", "Edit the sentence that is spoken."),
    _key("checkpoints", "samples", "s", "s", "samples", "samples", "Samples of the training, or the voices again."),
    _key("checkpoints", "new_run", "n", "n", "new_run", "new run", "A new run from what is selected; asks first."),
    _key("checkpoints", "resume", "r", "r", "app.resume", "resume", "Resume the run that is shown where it ended."),
    _key("checkpoints", "speaker", "S", "S", "speaker", "speaker", "Choose who speaks it, of several speakers.", False),
    _key("checkpoints", "cancel", "x", "x", "cancel", "cancel", "Cancel what is under way."),
    _key("checkpoints", "run", _BRACKETS, "[ ]", "", "run", "Earlier and later run.", False),
    _key("all", "train", "t", "t", "start_training", "train", "Start a training; asks first, with facts."),
    _key("all", "stop", "X", "X", "stop_training", "stop…", "Stop the training with a checkpoint; asks first."),
    _key("all", "log", "o", "o", "trainer_log", "log", "What the trainer printed."),
    _key("all", "alerts", "exclamation_mark", "!", "alerts", "alerts", "Messages and errors so far."),
    _key("all", "palette", "colon,ctrl+p", ":", "command_palette", "command", "Command palette. ctrl+p does the same."),
    _key("all", "quit", "q", "q", "quit_viewer", "quit", "Leave the viewer. A training goes on."),
    _key("all", "data", "1", "1", "pane('data')", "Data", "Dataset health.", False),
    _key("all", "training", "2", "2", "pane('train')", "Train", "Live loss curves.", False),
    _key("all", "checkpoints", "3", "3", "pane('checkpoints')", "Checkpoints", "Checkpoints, export, speech.", False),
    _key("all", "plugins", "6,7,8,9", "6–9", "", "plugins", "Panes that plugins add.", False),
    _key("all", "focus", "tab,shift+tab", "tab", "", "next", "Next or previous part of the pane.", False),
    _key("list", "move", "up,k,down,j", "↑ ↓ j k", "", "move", "One row up or down.", False),
    _key("list", "page", "pageup,pagedown", "PgUp PgDn", "", "page", "One page up or down.", False),
    _key("list", "ends", "home,end", "home end", "", "ends", "First or last row.", False),
)  # fmt: skip

# Two keys of one line that do different things.
_PAIRED = {
    "chart.zoom": ("zoom(0.5)", "zoom(2.0)"),
    "chart.pan": ("pan(-1)", "pan(1)"),
    "train.run": ("app.other_run(-1)", "app.other_run(1)"),
    "checkpoints.run": ("app.other_run(-1)", "app.other_run(1)"),
    "all.plugins": ("pane('plugin6')", "pane('plugin7')", "pane('plugin8')", "pane('plugin9')"),
    "all.focus": ("app.focus_next", "app.focus_previous"),
    "list.move": ("move(-1)", "move(-1)", "move(1)", "move(1)"),
    "list.page": ("move_page(-1)", "move_page(1)"),
    "list.ends": ("move_to(0)", "move_to(-1)"),
}


def bindings(*scopes: str) -> list[Binding]:
    """Textual bindings of the scopes, each with an id; paired keys get ids that end in a number."""
    made = []
    for key in KEYS:
        if key.scope not in scopes:
            continue
        actions = _PAIRED.get(key.id)
        if actions is None:
            made.append(Binding(key.keys, key.action, key.label, show=False, id=key.id))
            continue
        for number, (name, action) in enumerate(zip(key.keys.split(","), actions, strict=True), start=1):
            made.append(Binding(name, action, key.label, show=False, id=f"{key.id}.{number}"))
    return made


def footer_keys(*scopes: str, live: bool) -> tuple[list[Key], list[Key]]:
    """Keys that the footer must show and those it shows if there is room.

    `? help` comes first, so that a narrow terminal never cuts it; starting or stopping a training and leaving are what
    nobody should have to look for.
    """
    must = ["all.help", "all.stop" if live else "all.train", "all.quit"]
    by_id = {key.id: key for key in KEYS}
    left_out = {*must, "all.stop", "all.train"}
    optional = [key for key in KEYS if key.footer and key.scope in {*scopes, "all"} and key.id not in left_out]
    # Keys of the pane before those of everywhere.
    optional.sort(key=lambda key: key.scope == "all")
    return [by_id[name] for name in must], optional


def help_keys(*scopes: str) -> list[tuple[str, list[Key]]]:
    """Title and keys of each scope, those of `scopes` first."""
    order = [*scopes, "all", *(scope for scope in SCOPES if scope not in {*scopes, "all"})]
    return [(SCOPES[scope], [key for key in KEYS if key.scope == scope]) for scope in order if scope in SCOPES]
