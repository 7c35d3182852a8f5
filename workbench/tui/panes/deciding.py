"""Deciding about utterances in the data pane: exclude, correct, mend, undo. What it does to the dataset is in
`workbench.jobs.curation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.errors import Cancelled
from workbench.tui.messages import JobEnded
from workbench.tui.panes.base import Pane
from workbench.tui.panes.utterances import Utterance
from workbench.tui.screens.dialogs import AskScreen, PickScreen, PromptScreen
from workbench.tui.widgets.rows import RowList

if TYPE_CHECKING:
    from workbench.tui.services import Progress

MEND = "mending"
BY_EAR = "by ear"
WAYS: Mapping[str, tuple[tuple[str, ...], float]] = {
    "16-bit mono copy at the voice's rate": (("rate",), 0.0),
    "the first channel alone": (("left",), 0.0),
    "without constant offset": (("dc",), 0.0),
    "without silence at both ends": (("trim",), 0.0),
    "6 dB quieter": ((), -6.0),
    "6 dB louder": ((), 6.0),
}
"""Copies that are offered, and how they are made: ways and gain in dB."""


class Deciding(Pane):
    """The part of the data pane that changes what is trained."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._why: Mapping[str, str] = {}
        """Why rows are excluded, by file."""
        self._job = ""
        """What is under way."""
        self.decided_since = False
        """Whether something was decided that the scan does not know yet."""

    @property
    def utterances(self) -> RowList:
        """The list of utterances."""
        return self.query_one("#utterances", RowList)

    def findings_of(self, item: Utterance) -> Sequence[Mapping[str, Any]]:
        """What was found about one; the pane knows."""
        return ()

    def decided(self) -> None:
        """Draw what has changed; the pane does."""

    def begin(self, job: str, work: Any) -> None:
        """Start a job in a worker; the pane does."""

    def why_excluded(self, item: Utterance) -> str | None:
        """None when it is trained."""
        return self._why.get(str(item.get("file", "")))

    def look_at_decisions(self) -> None:
        """Read the decisions; another program may have made some."""
        self.workbench.in_thread(self.services.excluded, self._show_decisions)

    def _show_decisions(self, why: Mapping[str, str]) -> None:
        self._why = why
        self.decided()

    def action_exclude(self) -> None:
        """Exclude the selected utterance, or include it again."""
        item = self.utterances.selected
        if item is None:
            self.say("no utterance is selected", "warn")
            return
        if self.why_excluded(item) is not None:
            self._decide(lambda: self.services.include([str(item["file"])]))
        else:
            self._decide(lambda: self.services.exclude([item], self._reason(item)))

    def _reason(self, item: Utterance) -> str:
        rules = dict.fromkeys(str(finding.get("rule")) for finding in self.findings_of(item))
        return ", ".join(rules) or BY_EAR

    def action_exclude_all(self) -> None:
        """Exclude all that are shown, after a question."""
        items = [item for item in self.utterances.items if self.why_excluded(item) is None]
        if not items:
            self.say("nothing is shown that is not excluded already", "warn")
            return
        seconds = sum(float(item.get("seconds") or 0.0) for item in items)
        facts = (
            f"{len(items)} utterances, {seconds / 60:.1f} minutes, are not trained any more.\n"
            "They stay where they are; u undoes it."
        )
        screen = AskScreen("exclude all that are shown?", facts, (("yes", "yes"), ("no", "no")), first="no")

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._decide(lambda: self.services.exclude(items, self._common_reason(items)))

        self.app.push_screen(screen, answered)

    def _common_reason(self, items: Sequence[Utterance]) -> str:
        reasons = {self._reason(item) for item in items}
        return reasons.pop() if len(reasons) == 1 else "excluded together"

    def action_correct(self) -> None:
        """Edit the text of the selected utterance."""
        item = self.utterances.selected
        if item is None:
            self.say("no utterance is selected", "warn")
            return
        hint = "What is said in the recording. The table stays as it is. Enter takes it, esc leaves it."

        def answered(text: str | None) -> None:
            if text is not None and text != item.get("text"):
                self._decide(lambda: self.services.correct(item, text))

        self.app.push_screen(PromptScreen(f"text of {item.get('file')}", str(item.get("text", "")), hint), answered)

    def action_mend(self) -> None:
        """Make a mended copy of the selected recording; of a missing one, take the one that was probably meant."""
        item = self.utterances.selected
        if item is None:
            self.say("no utterance is selected", "warn")
        elif not item.get("path"):
            self._take_close(item)
        else:
            self._ask_how([str(item["file"])], f"mend {item.get('file')}")

    def _take_close(self, item: Utterance) -> None:
        """Offer the recording whose name is like that of a missing one."""
        evidence = (finding.get("evidence") or {} for finding in self.findings_of(item))
        close = next((str(found["close"]) for found in evidence if found.get("close")), "")
        if not close:
            self.say("there is no recording to mend, and none with a name like it", "warn")
            return
        file = str(item["file"])
        facts = f"The table says {file}, the folder has {close}.\nBoth stay as they are; u undoes it."

        def answered(answer: str | None) -> None:
            if answer == "yes":
                self._decide(lambda: self.services.take(file, close))

        screen = AskScreen("take the other recording?", facts, (("yes", "yes"), ("no", "no")), first="yes")
        self.app.push_screen(screen, answered)

    def action_mend_all(self) -> None:
        """Make mended copies of all recordings that are shown."""
        files = [str(item["file"]) for item in self.utterances.items if item.get("path")]
        if not files:
            self.say("there is no recording to mend", "warn")
            return
        self._ask_how(files, f"mend all {len(files)} that are shown")

    def _ask_how(self, files: Sequence[str], title: str) -> None:
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return

        def answered(name: str | None) -> None:
            if name is not None:
                ways, gain = WAYS[name]
                self.begin(MEND, lambda progress: self._mend(files, ways, gain, progress))

        self.app.push_screen(PickScreen(title, [*WAYS], ""), answered)

    def _mend(self, files: Sequence[str], ways: Sequence[str], gain: float, progress: Progress) -> str:
        return self.services.mend(files, ways, gain, progress)

    def mended(self, event: JobEnded) -> None:
        """The copies are made, or not."""
        if event.error is None:
            self.decided_since = True
            self.say(f"{event.result}; r looks again, u undoes it", "good")
        elif isinstance(event.error, Cancelled):
            self.say("mending was cancelled; nothing was changed", "warn")
        else:
            self.say(self.workbench.explain("mending", event.error), "bad")
        self.look_at_decisions()

    def action_undo(self) -> None:
        """Take the last decision back."""
        self._decide(self.services.undo_decision)

    def _decide(self, work: Any) -> None:
        def done(told: str) -> None:
            self.decided_since = True
            self.say(f"{told}; u undoes it" if not told.startswith("undone") else told, "good")
            self.look_at_decisions()

        self.workbench.in_thread(work, done)
