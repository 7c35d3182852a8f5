"""The frame around every pane: header, tabs, message line, footer; one line each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.cells import cell_len, set_cell_size

from workbench.jobs.runs import PIPER, RUNNING
from workbench.tui.clean import clean
from workbench.tui.format import duration, number, size
from workbench.tui.keys import footer_keys
from workbench.tui.widgets.panel import Panel

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tui.services import Project
    from workbench.tui.watch import Snapshot

FINISHED = {"completed": "✓ completed", "stopped": "■ stopped", "failed": "✗ failed", "lost": "✗ lost"}
PHASES = {"starting": "starting", "prepare": "preparing data", "train": "training", "validate": "validating"}
PHASES |= {"checkpoint": "saving a checkpoint", "done": "ending"}


def run_state(run: RunView | None, *, stopping: bool = False) -> str:
    """Glyph and words for the state of a run."""
    if run is None:
        return "○ no run yet"
    status = run.status
    if run.kind == PIPER:
        return f"{'●' if run.state == RUNNING else '○'} Piper run {run.label}, read-only"
    if not run.live:
        ended = FINISHED.get(run.state, f"✗ {run.state}")
        return ended if run.state == "completed" or not status.step else f"{ended} {epoch_of(run)}"
    if stopping:
        return "● stopping at the next step"
    share = progress_share(run)
    if status.phase == "prepare" and share is not None:
        return f"● preparing data {100 * share:.0f} %"
    words = PHASES.get(status.phase, status.phase)
    return f"● {words}  {epoch_of(run)}" if status.epochs else f"● {words}"


def epoch_of(run: RunView) -> str:
    """The epoch that runs, counted from 1 as people do; checkpoints are named from 0."""
    status = run.status
    if not status.epochs and run.kind == PIPER:
        return f"epoch {status.epoch + 1}"
    return f"epoch {min(status.epoch + 1, status.epochs or status.epoch + 1)}/{status.epochs}"


def plain_block(why: str, project: Project, snapshot: Snapshot, height: int) -> str:
    """What a terminal that is too small shows: why, the run, its losses, and how to leave."""
    run = snapshot.live or snapshot.run
    lines = [why, f"{project.name}: {run_state(run, stopping=snapshot.stopping)}"]
    if run is not None:
        lines += [f"{name} {value:.4g}" for name, value in run.status.losses.items() if isinstance(value, float)]
    return "\n".join([*lines[: height - 1], "q leaves; a training goes on"])


def progress_share(run: RunView) -> float | None:
    """How much of the thing with an end is done, 0 to 1; None when the run says nothing that makes sense."""
    progress = run.status.progress or {}
    done, total = progress.get("done"), progress.get("total")
    if isinstance(done, int | float) and isinstance(total, int | float) and total > 0:
        return min(1.0, max(0.0, done / total))
    return None


def spread(left: str, right: str, width: int) -> str:
    """Both texts on one line; the left one is cut when they don't fit."""
    space = width - cell_len(right) - 1
    if cell_len(left) > space:
        left = set_cell_size(left, max(0, space - 1)) + "…"
    return left + " " * max(0, width - cell_len(left) - cell_len(right)) + right


class Header(Panel):
    """Project, run state, disk."""

    def fill(self, project: Project, snapshot: Snapshot, width: int) -> None:
        """Write the line for a terminal of `width` cells."""
        free = "" if snapshot.disk_free is None else f"disk {size(snapshot.disk_free)} free "
        live = snapshot.live or snapshot.run
        state = run_state(live, stopping=snapshot.stopping)
        left = f" Voice Workbench · {clean(project.name)}"
        if width >= 120:
            left += f" · {clean(project.language)} · {project.quality}"
        if width >= 120 and live is not None and live.live:
            status = live.status
            state += f" · {number(status.steps_per_second, 2)} steps/s" if status.steps_per_second else ""
            state += f" · done in {duration(status.eta_seconds)}" if status.eta_seconds is not None else ""
        self.show(spread(left, f"{state}   {free}", width))


class Tabs(Panel):
    """Numbered panes and what runs in the background."""

    def fill(self, tabs: Sequence[tuple[str, str, bool]], jobs: Sequence[str], width: int) -> None:
        """Write the line: key, title and whether it is shown, of each pane."""
        left = " " + " ".join(f"[{key} {title}]" if here else f" {key} {title} " for key, title, here in tabs)
        self.show(spread(left, " · ".join(jobs) + " " if jobs else "", width))


class MessageLine(Panel):
    """The last thing that was said."""

    GLYPHS: ClassVar[dict[str, str]] = {"info": " ", "good": "✓", "warn": "▲", "bad": "✗"}

    def say(self, text: str, level: str) -> None:
        """One line with its glyph."""
        self.show(f" {self.GLYPHS.get(level, ' ')} {text}")


class Footer(Panel):
    """Keys of the pane, `? help` first; what does not fit is left out, never cut in the middle."""

    def fill(self, scopes: Sequence[str], width: int, *, live: bool) -> None:
        """Write the keys that must be seen, and of the others as many as fit."""
        gap = "   " if width >= 120 else "  "
        must, optional = ([f"{key.shown} {key.label}" for key in keys] for keys in footer_keys(*scopes, live=live))
        chosen: list[str] = []
        for item in optional:
            if cell_len(" " + gap.join([must[0], *chosen, item, *must[1:]])) <= width:
                chosen.append(item)
        self.show(" " + gap.join([must[0], *chosen, *must[1:]]))
