"""Pane 1: is the dataset fit for training, and which row is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from workbench.errors import Cancelled, WorkbenchError
from workbench.tui.format import MISSING, age, bar, count, duration
from workbench.tui.keys import bindings
from workbench.tui.messages import JobEnded, Progressed
from workbench.tui.panes import scan as scans
from workbench.tui.panes.base import Pane
from workbench.tui.services import Played, ScanResult
from workbench.tui.threads import SCAN_JOB
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
UTTERANCE_COLUMNS = (
    Column("line", 5, right=True, narrowest=60),
    Column("", 1),
    Column("file", 16),
    Column("s", 5, right=True),
    Column("kHz", 5, right=True, narrowest=70),
    Column("peak", 5, right=True, narrowest=90),
    Column("cps", 5, right=True, narrowest=90),
    Column("text", 0),
)
DETAILS = (
    ("path", ""),
    ("seconds", " s"),
    ("sample_rate", " Hz"),
    ("channels", ""),
    ("peak", " of full scale"),
    ("chars_per_second", ""),
    ("speaker", ""),
    ("phonemes", ""),
)
"""Fields of an utterance in the order of the detail panel, and their units."""
NOT_SCANNED = "Every row and recording is looked at first; x cancels."


class DataPane(Pane):
    """Counts, lengths, findings, utterances."""

    TITLE = "Data"
    SCOPES = ("data", "list")
    FOCUS = "#findings"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("data")]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self._scan: ScanResult | None = None
        self._by_row: dict[int, list[Mapping[str, Any]]] = {}
        self._group: scans.Group | None = None
        self._words = ""
        self._job = ""
        self._started = 0.0
        self._scanned = 0.0
        self._progress = ""
        self._problem = ""
        self._playing = Path()

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
                yield RowList(UTTERANCE_COLUMNS, self._utterance_cells, id="utterances", empty=NOT_SCANNED)
            yield Panel(id="detail", title="utterance  ␣ plays")

    def on_mount(self) -> None:
        """Scan at once: a dataset that can't be trained is best known first."""
        entitle(self.query_one("#findings"), "findings  ↵ shows the rows")
        self.query_one("#filter").display = False
        self._titles()
        self.action_rescan()

    @property
    def utterances(self) -> RowList:
        """The lower list."""
        return self.query_one("#utterances", RowList)

    def looked(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        """Runs don't change the dataset."""
        self._show_facts()

    def ticked(self) -> None:
        """Elapsed time and age of the scan."""
        self._show_facts()

    def on_resize(self) -> None:
        """The histogram is as wide as its panel."""
        if self._scan is not None:
            self.call_after_refresh(self._show_lengths)

    def _finding_cells(self, group: scans.Group) -> Sequence[str]:
        rule = group.rule
        if len(group.findings) == 1 or not group.rows:
            rule = f"{rule}  {group.findings[0].get('message', '')}"
        return (group.glyph, rule, count(len(group.rows)) if group.rows else MISSING, group.word)

    def _utterance_cells(self, item: Mapping[str, Any]) -> Sequence[str]:
        found = self._by_row.get(int(item.get("row", -1)), [])
        worst = min(
            (scans.SEVERITIES.get(str(f.get("severity")), ("·", ""))[0] for f in found), key="✗▲·✓".find, default=""
        )
        seconds, rate = item.get("seconds"), item.get("sample_rate")
        return (
            str(item.get("row", "")),
            worst,
            str(item.get("file", "")),
            _decimals(seconds, 2),
            f"{int(rate) / 1000:g}" if rate else MISSING,
            _decimals(item.get("peak"), 2),
            _decimals(item.get("chars_per_second"), 1),
            f"«{item.get('text', '')}»",
        )

    def action_rescan(self) -> None:
        """Look at the whole dataset in a worker."""
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
            return
        self._begin("scan", lambda progress: self.services.scan(progress))

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
        self._begin("play", lambda _: self.services.play(Path(str(path))))

    def action_report(self) -> None:
        """Write the readiness report with the scan that is shown."""
        scan = self._scan
        if self._job:
            self.say(f"{self._job} is under way; x cancels it", "warn")
        elif scan is None:
            self.say("there is no scan to report on; r scans the dataset", "warn")
        else:
            self._begin("report", lambda _: self.services.write_report(scan))

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
        else:
            self._say_utterance()

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
            self.query_one("#detail", Panel).show(self._detail())

    def _begin(self, job: str, work: Any) -> None:
        self._job, self._started, self._progress = job, self.services.now(), ""
        label = {"scan": SCAN_JOB, "play": "playing"}.get(job, "readiness report")
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
        if event.job == "report":
            self._reported(event)
            return
        if event.error is None and isinstance(event.result, ScanResult):
            self._scan, self._scanned, self._problem = event.result, self.services.now(), ""
            self._by_row = scans.rows_with(event.result)
            self._group = None
            self._fill()
            return
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

    def _fill(self) -> None:
        scan = self._scan
        if scan is None:
            return
        found = scans.groups(scan)
        self.query_one("#findings", RowList).show(
            found, cursor=0, empty="✓ Nothing found: every row can be trained.\nPress t to train."
        )
        self._show_lengths()
        self._refilter()
        self._show_facts()
        blocks, drops = scans.severity_count(scan, "blocks"), scans.severity_count(scan, "drops")
        if blocks:
            self.say(f"{blocks} finding{'s' * (blocks > 1)} would stop a training: ↵ on one shows its rows", "bad")
        elif drops:
            rows = len(scans.unusable_rows(scan))
            what = "1 utterance" if rows == 1 else f"{rows} utterances"
            self.say(f"{what} will not be trained: ↵ on a finding shows which", "warn")

    def _refilter(self) -> None:
        if self._scan is None:
            return
        everything = self._group is None and not self._words
        rows = self._scan.utterances if everything else scans.chosen(self._scan, self._group, self._words)
        empty = (
            "No utterance matches. esc shows all." if not everything else "The metadata has no row that could be read."
        )
        self.utterances.show(rows, cursor=0, empty=empty)
        self._titles()

    def _titles(self) -> None:
        parts = ["utterances"]
        if self._group is not None:
            parts.append(f"rule: {self._group.rule}")
        if self._words:
            parts.append(f"filter: {self._words}")
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

    def _say_utterance(self) -> None:
        item = self.utterances.selected
        if item is not None:
            found = self._by_row.get(int(item.get("row", -1)), [])
            about = "; ".join(str(f.get("message", "")) for f in found) or "nothing found here"
            self.say(f"line {item.get('row')}: {about}", "bad" if found else "good")

    def _detail(self) -> str:
        item = self.utterances.selected
        if item is None:
            return ""
        lines = [f"{item.get('file', '')}  (line {item.get('row', '')})", "", f"«{item.get('text', '')}»", ""]
        for finding in self._by_row.get(int(item.get("row", -1)), []):
            glyph, word = scans.SEVERITIES.get(str(finding.get("severity")), ("·", ""))
            lines += [f"{glyph} {word} {finding.get('rule')}: {finding.get('message')}"]
            lines += [f"fix: {finding['fix']}", ""] if finding.get("fix") else [""]
        for name, unit in DETAILS:
            value = item.get(name)
            if value not in {None, ""}:
                lines.append(f"{name.replace('_', ' ').replace('chars per second', 'chars/s'):<12} {value}{unit}")
        return "\n".join(lines)


def _decimals(value: Any, digits: int) -> str:
    return MISSING if value is None else f"{float(value):.{digits}f}"
