"""The data pane's comparison of recordings with their texts: who judges, how far it is, what is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from workbench.errors import Cancelled
from workbench.tui.format import bar, duration
from workbench.tui.messages import JobEnded, Progressed
from workbench.tui.panes.deciding import Deciding
from workbench.tui.panes.scan import ScanIndex
from workbench.tui.screens.dialogs import PickScreen
from workbench.tui.services import Comparison, Judge, ScanResult

COMPARE = "compare"
COMPARE_JOB = "texts and recordings"
NOBODY = "nobody can compare texts and recordings yet: no phone recogniser is installed, and no run has a checkpoint"


class Comparing(Deciding):
    """The part of the data pane that lets models listen, beside everything else."""

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.comparison = Comparison()
        self.compared = ScanIndex()
        """Its findings, by rule and row."""
        self._judge: Judge | None = None
        """Who is at work."""
        self._judge_began = 0.0
        self._judge_progress = ""

    def show_comparison(self) -> None:
        """Draw what is known; the pane does."""

    def scan_again(self) -> None:
        """Show what was found, after another scan where rows were decided about since the last; the pane does."""

    @property
    def comparing(self) -> bool:
        """Whether somebody is at work."""
        return self._judge is not None

    def action_compare(self) -> None:
        """Ask who shall compare recordings and texts, and begin."""
        if self._judge is not None:
            self.say(f"{self._judge.name} is at work already; x cancels it", "warn")
        else:
            self.workbench.in_thread(self.services.judges, self._ask_who)

    def _ask_who(self, judges: Sequence[Judge]) -> None:
        usable = [judge for judge in judges if not judge.unavailable]
        if not usable:
            reasons = [judge.unavailable for judge in judges]
            self.say(
                "; ".join([*reasons, "or train first: then a checkpoint can be asked"]) if reasons else NOBODY, "warn"
            )
            return
        labels = {_label(judge): judge for judge in [*usable, *(judge for judge in judges if judge.unavailable)]}

        def picked(label: str | None) -> None:
            if label is None:
                return
            if labels[label].unavailable:
                self.say(labels[label].unavailable, "warn")
            else:
                self._begin_comparison(labels[label])

        self.app.push_screen(PickScreen("do recordings say their texts? who compares:", [*labels], ""), picked)

    def _begin_comparison(self, judge: Judge) -> None:
        self._judge, self._judge_began, self._judge_progress = judge, self.services.now(), "starting …"
        work = lambda progress: self.services.compare_texts(judge, progress)  # noqa: E731 - as a name, it fits the line
        self.workbench.start_job(self, COMPARE, COMPARE_JOB, work)
        self.show_judge()

    def comparison_progressed(self, event: Progressed) -> None:
        """Somebody got further."""
        self._judge_progress = event.what
        if event.total:
            share = event.done / event.total
            elapsed = self.services.now() - self._judge_began
            # Who hears says what time is left: it knows how long the recordings are.
            known = f"{duration(elapsed * (1 - share) / share)} left" if share else "no estimate yet"
            what = event.what.rpartition("; ")[2] if " left" in event.what else known
            self._judge_progress = f"{bar(share, 8):<8} {100 * share:.0f} %  {what}"
        self.show_judge()

    @property
    def judge_line(self) -> str:
        """Who is at work, and how far; empty when nobody is."""
        return f" {self._judge.name}  {self._judge_progress}   x cancels" if self._judge is not None else ""

    def show_judge(self) -> None:
        """Draw that line; the pane does."""

    def comparison_ended(self, event: JobEnded) -> None:
        """Somebody is done, or gave up."""
        self._judge = None
        self.show_judge()
        if isinstance(event.error, Cancelled):
            self.say("the comparison was cancelled; what was judged is kept, m goes on from there", "warn")
        elif event.error is not None:
            self.say(self.workbench.explain("the comparison", event.error), "bad")
        else:
            told = str(event.result)
            self.say(told.removeprefix("✓ "), "good" if told.startswith("✓") else "warn")
            self.scan_again()

    def look_at_comparison(self, scan: ScanResult) -> None:
        """Read what is kept; another program may have compared meanwhile."""
        self.workbench.in_thread(lambda: self.services.compared(scan), self._show_comparison)

    def _show_comparison(self, comparison: Comparison) -> None:
        if comparison != self.comparison:
            self.comparison, self.compared = comparison, ScanIndex(comparison.findings)
            self.show_comparison()

    def fit_of(self, item: Mapping[str, Any]) -> float | None:
        """How far a row's recording is from its text; None where nobody knows."""
        return self.comparison.suspicion.get(int(item.get("row", -1)))


def _label(judge: Judge) -> str:
    return f"{judge.name}   {judge.how}" if not judge.unavailable else f"{judge.name}   ✗ {judge.unavailable}"
