"""Pane 1: is the dataset fit for training, and which row is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from workbench.errors import Cancelled, WorkbenchError
from workbench.tui.format import MISSING, age, bar, count, duration
from workbench.tui.keys import bindings
from workbench.tui.memory import keep_out_of_collections, let_go
from workbench.tui.messages import JobEnded, Progressed, ScanPart
from workbench.tui.panes import scan as scans
from workbench.tui.panes import utterances
from workbench.tui.panes.choosing import NOT_SCANNED, Choosing
from workbench.tui.panes.comparing import COMPARE
from workbench.tui.panes.deciding import MEND
from workbench.tui.screens.inspect import InspectScreen
from workbench.tui.services import Played, Progress, ScanResult
from workbench.tui.threads import SCAN_JOB
from workbench.tui.widgets.clip import ClipView
from workbench.tui.widgets.panel import Panel, entitle
from workbench.tui.widgets.rows import Column, RowList

if TYPE_CHECKING:
    from workbench.tail.follower import RunFollower
    from workbench.tui.watch import Snapshot

FINDING_COLUMNS = (
    Column("", 1),
    Column("rule", 0),
    Column("rows", 6, right=True),
    Column("", 8),
)


FILL_SECONDS = 0.25
"""How often what a scan has found so far is shown, at most."""
KEEP_SECONDS = 0.5
"""How often it is taken out of the collections, at most."""
LET_GO_SECONDS = 3.0
"""After which nothing shows the scan before, however its rows are sorted."""


class DataPane(Choosing):
    """Counts, lengths, findings, utterances."""

    TITLE = "Data"
    SCOPES = ("data", "list")
    FOCUS = "#findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("data")]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._scan: ScanResult | None = None
        """The last one that was finished; None during the first."""
        self._started = 0.0
        self._scanned = 0.0
        self._progress = ""
        self._problem = ""
        self._playing = Path()
        self._next_fill = self._next_keep = 0.0

    def compose(self) -> ComposeResult:
        """Facts, histogram and findings, utterances and one utterance."""
        yield Panel(id="facts")
        with Horizontal(id="upper"):
            yield Panel(id="lengths", title="length (s)")
            yield RowList(FINDING_COLUMNS, self._finding_cells, id="findings", empty=NOT_SCANNED)
            yield Panel(id="coverage", title="phoneme coverage")
        filter_line = Input(placeholder="words of file or text; Enter keeps, esc clears", id="filter", compact=True)
        filter_line.cursor_blink = False
        yield filter_line
        with Horizontal(id="lower"):
            with Vertical(id="rows"):
                yield RowList(utterances.COLUMNS, self._utterance_cells, id="utterances", empty=NOT_SCANNED)
            with Vertical(id="one"):
                yield ClipView(id="picture")
                yield Panel(id="detail")

    def on_mount(self) -> None:
        """Scan at once: a dataset that can't be trained is best known first."""
        entitle(self.query_one("#findings"), "findings  ↵ shows the rows")
        self.query_one("#filter").display = False
        self.show_titles()
        entitle(self.query_one("#one"), "utterance  ␣ plays  e excludes")
        self.look_at_decisions()
        self.action_rescan()

    def looked(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        """Runs don't change the dataset."""
        self._show_facts()

    def ticked(self) -> None:
        """Elapsed time and age of the scan."""
        self._show_facts()

    def on_resize(self) -> None:
        """The histogram is as wide as its panel, and there may be room for the utterance now."""
        if self.index is not None:
            self.call_after_refresh(self._show_lengths)
            self.call_after_refresh(self.show_one)

    def _finding_cells(self, group: scans.Group) -> Sequence[str]:
        rule = group.rule
        if len(group.findings) == 1 or not group.rows:
            rule = f"{rule}  {group.findings[0].get('message', '')}"
        return (group.glyph, rule, count(len(group.rows)) if group.rows else MISSING, group.word)

    def _utterance_cells(self, item: Mapping[str, Any]) -> Sequence[str]:
        return utterances.cells(item, self.findings_of(item), excluded=self.why_excluded(item) is not None)

    def decided(self) -> None:
        """Draw what has changed."""
        if not self.query("#utterances"):  # the pane failed meanwhile
            return
        self.utterances.refresh()
        self.show_one()
        if isinstance(self.app.screen, InspectScreen):
            self.app.screen.reread()

    def action_rescan(self) -> None:
        """Look at the whole dataset in a worker."""
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return
        # A scan that is shown already is worth more than the beginning of the next one.
        self.decided_since = False
        self.coming = self._scan is None
        if self.coming:
            self.index = scans.ScanIndex()
        self._next_fill = 0.0
        self.begin("scan", self._scan_all)

    def _scan_all(self, progress: Progress) -> tuple[ScanResult, scans.ScanIndex]:
        """In a thread, in which what is found is put in order as well: a hundred thousand rows take a second."""
        found = self.services.scan(progress, self._part)
        index = scans.ScanIndex(found.findings, found.utterances, found.summary)
        keep_out_of_collections()
        return found, index

    def _part(self, part: ScanResult) -> None:
        """In the thread as well: what the event loop collects, keys wait for."""
        self.post_message(ScanPart(part.findings, part.utterances))
        if monotonic() >= self._next_keep:
            keep_out_of_collections()
            self._next_keep = monotonic() + KEEP_SECONDS

    @on(ScanPart)
    def _came(self, event: ScanPart) -> None:
        """Show what the first scan has found so far."""
        event.stop()
        if not self.coming or self.index is None:
            return
        self.index.add(event.findings, event.utterances)
        begun = monotonic()
        if begun < self._next_fill:
            return
        self._show_index()
        # However many rows there are, drawing takes a small part of the time.
        self._next_fill = monotonic() + max(FILL_SECONDS, 10 * (monotonic() - begun))

    def action_play(self) -> None:
        """Play the selected utterance."""
        item = self.utterances.selected
        if item is None:
            self.say("nothing to play: no utterance is selected", "warn")
            return
        path = item.get("path")
        if not path:
            self.say(f"line {item.get('row')}: there is no recording {item.get('file')}", "bad")
            return
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return
        self._playing = self.short(Path(str(path)))
        self.begin("play", lambda _: self.services.play(Path(str(path))))

    def action_report(self) -> None:
        """Write the readiness report with the scan that is shown."""
        scan = self._scan
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
        elif scan is None:
            self.say("there is no scan to report on; r scans the dataset", "warn")
        else:
            self.begin("report", lambda _: self.services.write_report(scan))

    def action_cancel(self) -> None:
        """Give up scan or playback, or else the comparison of texts."""
        if not self._job and not self.comparing:
            self.say("nothing is under way here")
            return
        pool = "audio" if self._job else "texts"
        self.workbench.in_thread(lambda: self.services.cancel(pool))

    def action_inspect(self) -> None:
        """On a finding, show its rows; on an utterance, show all about it."""
        if self.query_one("#findings").has_focus:
            group: scans.Group | None = self.query_one("#findings", RowList).selected
            if group is None:
                return
            if not group.rows:
                self.say(str(group.findings[0].get("message", "")))
                return
            self.group = group
            self.choose_rows()
            self.utterances.focus()
        elif self.utterances.selected is not None:
            self.app.push_screen(
                InspectScreen(
                    self.tell,
                    self.look,
                    self.utterances.action_move,
                    self.action_play,
                    self.action_exclude,
                )
            )

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        if event.rows.id == "utterances":
            self.show_one()

    def begin(self, job: str, work: Any) -> None:
        """Start a job in a worker."""
        self._job, self._started, self._progress = job, self.services.now(), ""
        label = {"scan": SCAN_JOB, "play": "playing", "report": "readiness report"}.get(job, job)
        self.workbench.start_job(self, job, label, work)
        self._show_facts()

    @on(Progressed)
    def _progressed(self, event: Progressed) -> None:
        event.stop()
        if event.job == COMPARE:
            self.comparison_progressed(event)
            return
        if event.total:
            elapsed = self.services.now() - self._started
            left = elapsed * (event.total - event.done) / event.done if event.done else None
            share = event.done / event.total
            self._progress = f"{bar(share, 24)} {100 * share:.0f} %  {event.done:g} of {event.total:g}  {event.what}"
            self._progress += f"   {duration(left)} left" if left is not None else ""
        else:
            self._progress = event.what
        self._show_facts()

    @on(JobEnded)
    def _ended(self, event: JobEnded) -> None:
        if event.job == COMPARE:
            self.comparison_ended(event)
            return
        self._job = ""
        if event.job == "play":
            self._played(event)
            return
        if event.job == MEND:
            self.mended(event)
            self._show_facts()
            return
        if event.job == "report":
            self._reported(event)
            return
        first, self.coming = self.coming, False
        if event.error is None and isinstance(event.result, tuple):
            had_rows = first and self.index is not None and bool(self.index.utterances)
            self._scanned, self._problem = self.services.now(), ""
            if self._scan is not None:
                self._let_go(self._scan, self.index)
            self._scan, self.index = event.result
            self.pictures.clear()
            self.look_at_decisions()
            self._show_index(keep=had_rows)
            self._sum_up(self.index)
            self.look_at_comparison(self._scan)
            return
        if first:
            self.index = None
        cancelled = isinstance(event.error, Cancelled)
        self._problem = "the scan was cancelled; r scans again" if cancelled else f"✗ {event.error}"
        self.say(self._problem.removeprefix("✗ "), "warn" if cancelled else "bad")
        if self.index is None:
            self.query_one("#findings", RowList).show([], empty=f"{self._problem}\nr scans again.")
            self.utterances.show([], empty="No utterance to show.")
        self._show_facts()

    def _let_go(self, scan: ScanResult, index: scans.ScanIndex | None) -> None:
        """Free a scan in a thread, once nothing shows it any more."""
        held: list[Sequence[object]] = [scan.utterances, scan.findings, [index]]
        self.set_timer(LET_GO_SECONDS, lambda: self.workbench.in_thread(lambda: let_go(held)))

    def _reported(self, event: JobEnded) -> None:
        if isinstance(event.result, Path):
            self.say(f"wrote {self.short(event.result)}", "good")
        elif event.error is not None:
            self.say(self.workbench.explain("the report", event.error), "bad")
        self._show_facts()

    def _played(self, event: JobEnded) -> None:
        if isinstance(event.result, Played):
            self.say(event.result.line(self._playing), "good" if event.result.played else "warn")
        elif isinstance(event.error, Cancelled):
            self.say("playback was cancelled")
        else:
            self.say(
                str(event.error) if isinstance(event.error, WorkbenchError) else f"playing failed: {event.error}", "bad"
            )
        self._show_facts()

    def _show_index(self, *, keep: bool = True) -> None:
        """Show a scan, or what one has found so far.

        Args:
            keep: whether cursors and the chosen finding stay where they are.
        """
        if self.index is None:
            return
        found = scans.in_order([*self.index.groups(), *self.compared.groups()])
        chosen = (self.group.rule, self.group.severity) if self.group is not None and keep else None
        self.group = next((group for group in found if (group.rule, group.severity) == chosen), None)
        under_way = f"Nothing so far.\n{NOT_SCANNED}"
        nothing = "✓ Nothing found: every row can be trained.\nPress t to train; m lets a model listen first: do the "
        nothing += "recordings say their texts?"
        self.query_one("#findings", RowList).show(
            found, cursor=None if keep else 0, empty=under_way if self.coming else nothing
        )
        self._show_lengths()
        self.choose_rows(keep=keep)
        self._show_facts()

    def show_comparison(self) -> None:
        """Findings of the comparison stand beside those of the rules."""
        self._show_index()

    def show_judge(self) -> None:
        """Who is at work stands in the place of the second line of counts."""
        self._show_facts()

    def scan_again(self) -> None:
        """Only after decisions: the comparison is of the texts as they are now. Nothing is measured twice."""
        if self.decided_since and not self._job:
            self.action_rescan()
        elif self._scan is not None:
            self.look_at_comparison(self._scan)

    def _sum_up(self, index: scans.ScanIndex) -> None:
        blocks, drops = index.severities["blocks"], index.severities["drops"]
        if blocks:
            self.say(f"{blocks} finding{'s' * (blocks > 1)} would stop a training: ↵ on one shows its rows", "bad")
        elif drops:
            rows = index.unusable
            what = "1 utterance" if rows == 1 else f"{rows} utterances"
            self.say(f"{what} will not be trained: ↵ on a finding shows which", "warn")

    def findings_of(self, item: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
        """By the scan's rules and by the comparison."""
        row = int(item.get("row", -1))
        return [*(self.index.findings_of(row) if self.index is not None else ()), *self.compared.findings_of(row)]

    def _show_lengths(self) -> None:
        panel = self.query_one("#lengths", Panel)
        if self.index is not None:
            panel.show(scans.histogram(self.index, panel.size.width))
            beside = self.query_one("#coverage", Panel)
            if beside.display:
                beside.show(scans.coverage(self.index, beside.size.width))

    def _show_facts(self) -> None:
        if self._job == "scan":
            elapsed = duration(self.services.now() - self._started)
            text = (
                f" scanning {self.services.project.metadata}  {elapsed}   x cancels\n {self._progress or 'starting …'}"
            )
        elif self.index is None:
            text = f" {self._problem or 'No scan yet.'}\n r scans the dataset"
        else:
            ago = f"scanned {age(self.services.now() - self._scanned)} ago".replace("now ago", "now")
            text = scans.facts(self.index, self.compared.severities["warns"], self.size.width, ago)
            if self.comparing:
                text = f"{text.splitlines()[0]}\n{self.judge_line}"
        self.query_one("#facts", Panel).show(text)
