"""Pane 1: is the dataset fit for training, and which row is not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.timer import Timer
from textual.widgets import Input

from workbench.errors import Cancelled, WorkbenchError
from workbench.tui.format import MISSING, age, bar, count, duration
from workbench.tui.keys import bindings
from workbench.tui.messages import JobEnded, Progressed, ScanPart
from workbench.tui.panes import scan as scans
from workbench.tui.panes import utterances
from workbench.tui.panes.deciding import MEND, Deciding
from workbench.tui.screens.dialogs import PickScreen
from workbench.tui.screens.inspect import BANDS, COLUMNS, InspectScreen
from workbench.tui.services import Played, ScanResult
from workbench.tui.threads import SCAN_JOB
from workbench.tui.widgets.clip import ClipPicture, ClipView
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
NOT_SCANNED = "Every row and recording is looked at first; x cancels."


MOST_PICTURES = 200
FILL_SECONDS = 0.25
"""How often what a scan has found so far is shown, at most."""
LOOK_SECONDS = 0.15
"""How long the cursor must rest on an utterance before its recording is drawn."""


class DataPane(Deciding):
    """Counts, lengths, findings, utterances."""

    TITLE = "Data"
    SCOPES = ("data", "list")
    FOCUS = "#findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("data")]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._scan: ScanResult | None = None
        self._group: scans.Group | None = None
        self._words = ""
        self._started = 0.0
        self._scanned = 0.0
        self._progress = ""
        self._problem = ""
        self._playing = Path()
        self._order, self._falling = "line", False
        self._pictures: dict[str, ClipPicture | None] = {}
        self._resting: Timer | None = None
        self._coming: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]] | None = None
        """Findings and utterances of the first scan while it is under way."""
        self._next_fill = 0.0

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
        self._titles()
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
        if self._scan is not None:
            self.call_after_refresh(self._show_lengths)
            self.call_after_refresh(self._show_one)

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
        self._show_one()
        if isinstance(self.app.screen, InspectScreen):
            self.app.screen.reread()

    def action_rescan(self) -> None:
        """Look at the whole dataset in a worker."""
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return
        # A scan that is shown already is worth more than the beginning of the next one.
        self._coming = ([], []) if self._scan is None else None
        self._next_fill = 0.0
        self.begin("scan", lambda progress: self.services.scan(progress, self._part))

    def _part(self, part: ScanResult) -> None:
        self.post_message(ScanPart(part.findings, part.utterances))

    @on(ScanPart)
    def _came(self, event: ScanPart) -> None:
        """Show what the first scan has found so far."""
        event.stop()
        if self._coming is None:
            return
        findings, rows = self._coming
        findings += event.findings
        rows += event.utterances
        begun = monotonic()
        if begun < self._next_fill:
            return
        self._show_scan(ScanResult(findings=findings, utterances=rows))
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
        """Give up scan or playback."""
        if not self._job:
            self.say("nothing is under way here")
            return
        self.workbench.in_thread(lambda: self.services.cancel("audio"))

    def action_filter(self) -> None:
        """Type words; rows are filtered while you type."""
        line = self.query_one("#filter", Input)
        line.display = True
        line.focus()

    def action_inspect(self) -> None:
        """On a finding, show its rows; on an utterance, show all about it."""
        if self.query_one("#findings").has_focus:
            group: scans.Group | None = self.query_one("#findings", RowList).selected
            if group is None:
                return
            if not group.rows:
                self.say(str(group.findings[0].get("message", "")))
                return
            self._group = group
            self._refilter()
            self.utterances.focus()
        elif self.utterances.selected is not None:
            self.app.push_screen(
                InspectScreen(
                    self._tell,
                    self._look,
                    self.utterances.action_move,
                    self.action_play,
                    self.action_exclude,
                )
            )

    def action_sort(self) -> None:
        """Choose an order; the same one again turns it round."""

        def picked(order: str | None) -> None:
            if order is not None:
                self._falling = not self._falling if order == self._order else order != "line" and order != "file"
                self._order = order
                self._refilter()

        self.app.push_screen(PickScreen("sort by", [*utterances.ORDERS], self._order), picked)

    def action_back(self) -> None:
        """Take filters away, then go back to the findings."""
        line = self.query_one("#filter", Input)
        filtered = self._group is not None or self._words or line.display
        self._group, self._words = None, ""
        line.display = False
        line.value = ""
        self._refilter()
        if not filtered or line.has_focus:
            self.query_one("#findings").focus()

    @on(Input.Changed, "#filter")
    def _typed(self, event: Input.Changed) -> None:
        event.stop()
        if event.value != self._words:
            self._words = event.value
            self._refilter()

    @on(Input.Submitted, "#filter")
    def _kept(self, event: Input.Submitted) -> None:
        event.stop()
        self.query_one("#filter").display = bool(self._words)
        self.utterances.focus()

    @on(RowList.Moved)
    def _moved(self, event: RowList.Moved) -> None:
        event.stop()
        if event.rows.id == "utterances":
            self._show_one()

    def begin(self, job: str, work: Any) -> None:
        """Start a job in a worker."""
        self._job, self._started, self._progress = job, self.services.now(), ""
        label = {"scan": SCAN_JOB, "play": "playing", "report": "readiness report"}.get(job, job)
        self.workbench.start_job(self, job, label, work)
        self._show_facts()

    @on(Progressed)
    def _progressed(self, event: Progressed) -> None:
        event.stop()
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
        first, self._coming = self._coming, None
        if event.error is None and isinstance(event.result, ScanResult):
            self._scanned, self._problem = self.services.now(), ""
            self._pictures.clear()
            self.look_at_decisions()
            self._show_scan(event.result, keep=bool(first and first[1]))
            self._sum_up(event.result)
            return
        if first is not None:
            self._scan = None
        cancelled = isinstance(event.error, Cancelled)
        self._problem = "the scan was cancelled; r scans again" if cancelled else f"✗ {event.error}"
        self.say(self._problem.removeprefix("✗ "), "warn" if cancelled else "bad")
        if self._scan is None:
            self.query_one("#findings", RowList).show([], empty=f"{self._problem}\nr scans again.")
            self.utterances.show([], empty="No utterance to show.")
        self._show_facts()

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

    def _show_scan(self, scan: ScanResult, *, keep: bool = True) -> None:
        """Show a scan, or what one has found so far.

        Args:
            scan: to show.
            keep: whether cursors and the chosen finding stay where they are.
        """
        self._scan, self._by_row = scan, scans.rows_with(scan)
        found = scans.groups(scan)
        chosen = (self._group.rule, self._group.severity) if self._group is not None and keep else None
        self._group = next((group for group in found if (group.rule, group.severity) == chosen), None)
        under_way = f"Nothing so far.\n{NOT_SCANNED}"
        nothing = "✓ Nothing found: every row can be trained.\nPress t to train."
        self.query_one("#findings", RowList).show(
            found, cursor=None if keep else 0, empty=under_way if self._coming is not None else nothing
        )
        self._show_lengths()
        self._refilter(keep=keep)
        self._show_facts()

    def _sum_up(self, scan: ScanResult) -> None:
        blocks, drops = scans.severity_count(scan, "blocks"), scans.severity_count(scan, "drops")
        if blocks:
            self.say(f"{blocks} finding{'s' * (blocks > 1)} would stop a training: ↵ on one shows its rows", "bad")
        elif drops:
            rows = len(scans.unusable_rows(scan))
            what = "1 utterance" if rows == 1 else f"{rows} utterances"
            self.say(f"{what} will not be trained: ↵ on a finding shows which", "warn")

    def _refilter(self, *, keep: bool = False) -> None:
        if self._scan is None:
            return
        everything = self._group is None and not self._words
        rows = self._scan.utterances if everything else scans.chosen(self._scan, self._group, self._words)
        if self._order != "line" or self._falling:
            rows = utterances.in_order(rows, self._order, falling=self._falling)
        empty = (
            "No utterance matches. esc shows all." if not everything else "The metadata has no row that could be read."
        )
        self.utterances.show(rows, cursor=None if keep else 0, empty=empty)
        self._titles()

    def _titles(self) -> None:
        parts = ["utterances"]
        if self._group is not None:
            parts.append(f"rule: {self._group.rule}")
        if self._words:
            parts.append(f"filter: {self._words}")
        if self._order != "line" or self._falling:
            parts.append(f"{self._order} {'↓' if self._falling else '↑'}")
        entitle(self.utterances, " · ".join(parts))

    def _show_lengths(self) -> None:
        panel = self.query_one("#lengths", Panel)
        if self._scan is not None:
            panel.show(scans.histogram(self._scan, panel.size.width))
            beside = self.query_one("#coverage", Panel)
            if beside.display:
                beside.show(scans.coverage(self._scan, beside.size.width))

    def _show_facts(self) -> None:
        if self._job == "scan":
            elapsed = duration(self.services.now() - self._started)
            text = (
                f" scanning {self.services.project.metadata}  {elapsed}   x cancels\n {self._progress or 'starting …'}"
            )
        elif self._scan is None:
            text = f" {self._problem or 'No scan yet.'}\n r scans the dataset"
        else:
            ago = f"scanned {age(self.services.now() - self._scanned)} ago".replace("now ago", "now")
            text = scans.facts(self._scan, self.size.width, ago)
        self.query_one("#facts", Panel).show(text)

    def _show_one(self) -> None:
        """The utterance under the cursor beside the list; its recording is drawn when the cursor rests."""
        beside = self.query_one("#one")
        if not beside.display:
            return
        title, text = self._tell()
        self.query_one("#detail", Panel).show(f"{title}\n\n{text}" if title else "")
        item = self.utterances.selected
        known = self._pictures.get(str(item.get("path"))) if item is not None else None
        self.query_one("#picture", ClipView).show(known)
        if self._resting is not None:
            self._resting.stop()
        if item is not None and known is None and item.get("path"):
            self._resting = self.set_timer(LOOK_SECONDS, lambda: self._look(self.query_one("#picture", ClipView).show))

    def _tell(self) -> tuple[str, str]:
        """Title and text of the utterance under the cursor."""
        item = self.utterances.selected
        if item is None:
            return "", ""
        title = f"{item.get('file', '')}  (line {item.get('row', '')})"
        return title, utterances.detail(item, self.findings_of(item), self.why_excluded(item))

    def _look(self, show: Callable[[ClipPicture | None], object]) -> None:
        """Draw the recording under the cursor; another one may be under it when the picture is there."""
        item = self.utterances.selected
        path = str(item.get("path") or "") if item is not None else ""
        if not path:
            return
        if path in self._pictures:
            show(self._pictures[path])
            return

        def drawn(picture: ClipPicture | None) -> None:
            if len(self._pictures) >= MOST_PICTURES:
                self._pictures.clear()
            self._pictures[path] = picture
            now = self.utterances.selected
            if now is not None and str(now.get("path")) == path:
                show(picture)

        self.workbench.in_thread(lambda: self.services.picture(Path(path), COLUMNS, BANDS), drawn)
