"""Pane 2: is it alive, when is it done, is it getting better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical

from workbench.jobs.piper_runs import PiperRun
from workbench.jobs.runs import PIPER, RUNNING, val_mel_text
from workbench.tail.downsample import columns
from workbench.tui.format import MISSING, age, bar, count, duration, number, trend
from workbench.tui.keys import bindings
from workbench.tui.panes.base import Pane
from workbench.tui.screens.dialogs import PickScreen
from workbench.tui.widgets.chart import Curves, LossChart
from workbench.tui.widgets.frame import epoch_of, progress_share, run_state
from workbench.tui.widgets.panel import Panel, entitle

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tail.follower import RunFollower
    from workbench.tail.series import Points
    from workbench.tui.watch import Snapshot

LOSSES = ("mel", "kl", "duration", "feature", "generator", "discriminator")
ORDER = (*LOSSES, "loss_g", "loss_d")
SMALL = ("mos", "loss_g", "loss_d", "kl", "duration", "feature")
"""Metrics of the small charts, best first; the one in the large chart is left out."""
NARROW = 100
"""Cells below which the state line is short of room."""
SILENT_SECONDS = 30.0
"""A live run that wrote nothing for so long is pointed at."""

EMPTY = """
 No training yet.

 Press t to train: it prepares the recordings and then trains, in processes
 of its own. Closing this window does not stop them; opening the workbench
 again shows them here.
"""


class TrainPane(Pane, can_focus=True):
    """State of the run, curves, last log lines."""

    TITLE = "Train"
    SCOPES = ("chart", "train")
    NEEDS_CURVES = True
    NEEDS_LOG = True
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("train", "chart")]

    def __init__(self, *, id: str) -> None:  # noqa: A002 - Textual's name for it
        super().__init__(id=id)
        self.metric = "mel"
        """What was chosen for the large chart; a run that has no such curve shows another one."""
        self._run: RunView | None = None
        self._curves: RunFollower | None = None

    def compose(self) -> ComposeResult:
        """State, a large chart, small charts (wide terminals), losses, log."""
        yield Panel(id="now")
        yield Panel(EMPTY, id="empty")
        yield Panel(id="progress")
        with Horizontal(id="middle"):
            yield Panel(id="runs", title="runs  [ ] other")
            with Vertical(id="charts"):
                yield LossChart(id="chart")
                with Horizontal(id="smalls"):
                    for place in range(3):
                        yield LossChart(id=f"small{place}", small=True)
        yield Panel(id="losses")
        yield Panel(id="log", title="log  o all")

    @property
    def chart(self) -> LossChart:
        """The large chart."""
        return self.query_one("#chart", LossChart)

    def looked(self, snapshot: Snapshot, curves: RunFollower | None, curves_changed: bool) -> None:
        """Draw the state; draw curves only when they changed."""
        run = snapshot.run
        other = (run is None) != (self._run is None) or (run and self._run and run.folder != self._run.folder)
        if other:
            self.chart.view = type(self.chart.view)()
        new_checkpoint = run is not None and self._run is not None and run.checkpoints != self._run.checkpoints
        self._run, self._curves = run, curves
        preparing = run is not None and run.live and run.status.phase in {"starting", "prepare"}
        has_curves = curves is not None and bool(curves.tags())
        self.set_class(run is None, "-no-run")
        self.set_class(run is not None and not has_curves, "-no-curves")
        if run is None:
            self.query_one("#now", Panel).show(" ○ no run yet")
            return
        self.ticked()
        self.query_one("#progress", Panel).show(_progress(run, self.size.width) if preparing else _waiting(run))
        self.query_one("#runs", Panel).show(_runs(snapshot))
        self._show_log(snapshot)
        if curves is not None and has_curves and (curves_changed or other or new_checkpoint):
            self.draw_curves()

    def _show_log(self, snapshot: Snapshot) -> None:
        """The last lines of a log; of a run of Piper's, which has none, what comes first to say of it."""
        panel, height = self.query_one("#log", Panel), self._log_height()
        run = snapshot.run
        piper = run is not None and run.kind == PIPER
        # The list of runs needs a wide terminal; which run this is must be seen in any.
        entitle(panel, "versions  o all, with settings" if piper else f"log of {run.id if run else ''}  o all")
        lines = snapshot.log[:height] if piper else snapshot.log[-height:]
        panel.show("\n".join(lines) or "nothing printed yet")

    def ticked(self) -> None:
        """Times go on although no file changed."""
        if self._run is not None:
            stopping = self.workbench.snapshot.stopping
            self.query_one("#now", Panel).show(_now(self._run, self.services.now(), stopping, self.size.width))

    def on_resize(self) -> None:
        """More or fewer log lines and columns fit."""
        if self.is_mounted and self._run is not None:
            self.call_after_refresh(lambda: self.looked(self.workbench.snapshot, self.workbench.curves, True))

    def draw_curves(self) -> None:
        """Every chart that is on the screen."""
        curves = self._curves
        if curves is None:
            return
        metrics = self.metrics()
        large = self.metric if self.metric in metrics else next(iter(metrics), self.metric)
        self.chart.show(self._curves_of(large))
        self.query_one("#losses", Panel).show(_losses(curves, self.size.width))
        smalls = self.query_one("#smalls")
        names = [name for name in SMALL if name != large and name in metrics][:3]
        smalls.set_class(not names, "-empty")
        if smalls.display:
            for place in range(3):
                chart = self.query_one(f"#small{place}", LossChart)
                chart.display = place < len(names)
                if chart.display:
                    chart.show(self._curves_of(names[place]))

    def metrics(self) -> list[str]:
        """What can be drawn: losses by their bare name, everything else by its tag."""
        tags = self._curves.tags() if self._curves is not None else []
        bare = {tag.partition("/")[2] for tag in tags if tag.startswith(("train/", "val/"))}
        others = [tag for tag in tags if not tag.startswith(("train/", "val/")) and tag != "epoch"]
        return [*(name for name in ORDER if name in bare), *sorted(bare - {*ORDER}), *others]

    def _curves_of(self, metric: str) -> Curves:
        curves, run = self._curves, self._run
        if curves is None or run is None:
            return Curves(metric=metric)
        tags = {*curves.tags()}
        train = f"train/{metric}" if f"train/{metric}" in tags else metric
        return Curves(
            metric=metric,
            train=curves.series(train),
            validation=curves.series(f"val/{metric}"),
            old=curves.superseded(train),
            checkpoints=[
                batch
                for checkpoint in run.checkpoints
                if (batch := curves.checkpoint_batch(checkpoint.epoch, checkpoint.step)) >= 0
            ],
            epochs=curves.series("epoch"),
        )

    def _log_height(self) -> int:
        return max(1, self.query_one("#log").size.height)

    def action_zoom(self, factor: float) -> None:
        """Zoom by a factor."""
        self.chart.zoom(factor)

    def action_pan(self, direction: int) -> None:
        """Move the view or the cursor."""
        self.chart.pan(direction)

    def action_cursor(self) -> None:
        """Cursor on or off."""
        self.chart.toggle_cursor()

    def action_log_axis(self) -> None:
        """Logarithmic or linear."""
        self.chart.toggle_log()

    def action_band(self) -> None:
        """Band on or off."""
        self.chart.toggle_band()

    def action_fit(self) -> None:
        """The whole run."""
        self.chart.fit()

    def action_metric(self) -> None:
        """Choose the metric of the large chart."""
        names = self.metrics()
        if not names:
            self.say("no curve has a point yet: a moment after the first steps there is one", "warn")
            return

        def chosen(name: str | None) -> None:
            if name is not None:
                self.metric = name
                self.draw_curves()

        self.app.push_screen(PickScreen("metric", names, self.metric), chosen)


def _now(run: RunView, now: float, stopping: bool, width: int) -> str:
    """Two lines: where the run is, and when it will be done."""
    status = run.status
    first = [run_state(run, stopping=stopping)]
    if run.kind == PIPER and status.step:
        first.append(epoch_of(run))
    if status.step:
        first.append(f"batch {count(status.step)}")
    of_epoch = f"{status.batch}/{status.batches_per_epoch} of the epoch"
    memory = _memory(status.memory or {}, width)
    if memory and width < NARROW:
        # What is cut off where numbers are long is the least needed.
        first.append(memory)
        of_epoch = of_epoch.removesuffix(" of the epoch")
    if status.batches_per_epoch and run.live:
        first.append(of_epoch)
    if memory and width >= NARROW:
        first.append(memory)
    second = []
    if run.live:
        if status.steps_per_second:
            speed = f"{number(status.steps_per_second, 2)} steps/s" + (f" on {status.device}" if status.device else "")
            second += [speed, f"data wait {100 * status.data_wait:.0f} %"]
        second.append("no estimate yet" if status.eta_seconds is None else f"done in {duration(status.eta_seconds)}")
        silent = now - status.updated if status.updated else 0.0
        if silent > SILENT_SECONDS:
            second.append(f"▲ no news for {duration(silent)}")
    elif run.kind == PIPER and status.updated:
        ago = f"{age(now - status.updated)} ago".removesuffix("now ago") or "now"
        second.append(f"active: written {ago}" if run.state == RUNNING else f"ended {ago}")
    elif run.state in {"stopped", "failed", "lost"}:
        second.append("r resumes it where it ended" if run.checkpoints else "it left no checkpoint; t starts anew")
    if status.val_mel is not None:
        second.append(val_mel_text(status, number(status.val_mel)))
    if isinstance(run, PiperRun):
        count_of = len(run.problems)
        second += [f"▲ {count_of} problem{'s' if count_of > 1 else ''} with its files: o tells"] if count_of else []
    elif run.message:
        second.append(run.message)
    return f" {'   '.join(first)}\n {'   '.join(second)}"


def _memory(found: Mapping[str, Any], width: int) -> str:
    """What the largest batch takes of what there is, and whether it had to be divided; empty where nobody knows."""
    needed, available, parts = (found.get(name) for name in ("needed_bytes", "available_bytes", "parts"))
    if not isinstance(needed, int | float) or not isinstance(available, int | float):
        return ""
    about = "" if found.get("measured") else "~"
    divided = f"  ▲ {parts} parts" if isinstance(parts, int) and parts > 1 else ""
    if width < NARROW:
        return f"memory {about}{needed / 1e9:.1f}/{available / 1e9:.0f} GB{divided}"
    return f"largest batch {about}{needed / 1e9:.1f} of {available / 1e9:.1f} GB memory{divided}"


def _progress(run: RunView, width: int) -> str:
    share, progress = progress_share(run), run.status.progress or {}
    if share is None:
        return f"\n {run.status.message or 'starting the trainer'} …\n\n X stops it."
    eta = progress.get("eta_seconds")
    left = f"{duration(float(eta))} left" if isinstance(eta, int | float) else "no estimate yet"
    line = f" {bar(share, max(10, min(60, width - 20)))}  {100 * share:.0f} %"
    what = progress.get("what") or "preparing recordings and phonemes"
    done = f"{progress['done']:g} of {progress['total']:g}"
    return f"\n {what}\n\n{line}\n\n {done}   {left}\n\n X stops it; what is done stays done."


def _waiting(run: RunView) -> str:
    if run.kind == PIPER:
        what = "This run of Piper's wrote no curves"
        return f"\n {what}, or its event files are not here.\n\n o shows its versions and settings."
    if run.live:
        return "\n The trainer is at its first steps; curves appear here with the first values that it writes."
    why = f" {run.message}" if run.message else ""
    return f"\n This run wrote no curves.{why}\n\n o shows what the trainer printed; t starts another training."


def _runs(snapshot: Snapshot) -> str:
    lines = []
    for run in reversed(snapshot.runs):
        here = snapshot.run is not None and run.folder == snapshot.run.folder
        lines.append(f"{'▸' if here else ' '} {run.label}")
        lines.append(f"   {_short_state(run)}")
        if run.best is not None and run.best.val_mel is not None:
            lines.append(f"   best val mel {number(run.best.val_mel)}")
    return "\n".join(lines)


def _short_state(run: RunView) -> str:
    """As `run_state`, for a line below the name of the run."""
    if run.kind != PIPER:
        return run_state(run)
    return "● Piper, read-only, active" if run.state == RUNNING else "○ Piper, read-only"


def _losses(curves: RunFollower, width: int) -> str:
    """Now, validation and trend of each loss, in as many columns as fit."""
    per_line = 3 if width >= 120 else 2
    cell = width // per_line
    trend_cells = max(0, cell - 36)
    cells = []
    tags = {*curves.tags()}
    few = [name for name in ORDER if f"train/{name}" in tags]
    # Older versions of Piper write two sums and nothing else.
    for name in few if few and not {*few} & {*LOSSES} else LOSSES:
        train, validation = curves.series(f"train/{name}"), curves.series(f"val/{name}")
        now = number(float(train.values[-1])) if len(train) else MISSING
        val = number(float(validation.values[-1])) if len(validation) else MISSING
        if trend_cells:
            text = f" {name:<13}{now:>7}  val {val:<7} {_trend(train, trend_cells)}"
        else:
            text = f" {name:<13}{now:>7}/{val:<7}"
        cells.append(f"{text:<{cell}}")
    rows = -(-len(cells) // per_line)
    return "\n".join("".join(cells[row::rows]) for row in range(rows))


def _trend(points: Points, cells: int) -> str:
    if len(points) < 2:
        return ""
    part = columns(points.steps, points.values, float(points.steps[0]), float(points.steps[-1]), cells)
    return trend([float(value) for value in part.mean], cells)
