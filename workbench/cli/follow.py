"""Follow a run by reading its directory, one line for each thing that happens. The run never notices."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench.cli.guard import NO, OK, USER_ERROR
from workbench.cli.output import Console
from workbench.errors import RunError
from workbench.jobs.rundir import EVENTS, plain, read_lines

if TYPE_CHECKING:
    from workbench.jobs.runs import CheckpointView, RunView

_LOOK_SECONDS = 0.25
_SECONDS_BETWEEN_LINES = 5.0
# A run that was started a moment ago has no supervisor yet; after this long it has none at all.
_START_SECONDS = 30.0
LOSSES = ("mel", "kl", "duration", "feature", "generator", "discriminator")
SUMS = ("loss_g", "loss_d")
"""All that Piper's older versions write."""
ENDED = ("completed", "stopped", "failed", "lost", "unreadable")


def run_as_json(run: RunView) -> dict[str, Any]:
    """A run as plain values; what nobody knows of a checkpoint is null."""
    return {
        "id": run.id,
        "kind": run.kind,
        "folder": str(run.folder),
        "state": run.state,
        "live": run.live,
        "message": run.message,
        "status": plain(asdict(run.status)),
        "checkpoints": [_checkpoint_as_json(checkpoint) for checkpoint in run.checkpoints],
        **_chain_as_json(run),
    }


def _chain_as_json(run: RunView) -> dict[str, Any]:
    """What only a run of Piper's has; nothing for one of ours."""
    from workbench.jobs.piper_runs import PiperRun

    if not isinstance(run, PiperRun):
        return {}
    versions = [str(version) for version in run.versions]
    return {"read_only": True, "label": run.label, "versions": versions, "problems": list(run.problems)}


def _checkpoint_as_json(checkpoint: CheckpointView) -> dict[str, Any]:
    unknown = {name: None for name in ("epoch", "step", "optimizer_step") if getattr(checkpoint, name) < 0}
    return {**asdict(checkpoint), **unknown}


def follow(run: RunView, console: Console, *, records: bool = True) -> RunView:
    """Print what happens until the run has ended, and return its last state.

    Args:
        run: what to follow.
        console: where to print to.
        records: in JSON mode, a line of JSON for each change; otherwise lines for people, whose answer comes later.

    Raises:
        RunError: it did not start.
    """
    from workbench.jobs.runs import read_run

    told = _Told(console, records=records and console.as_json)
    started = time.monotonic()
    while True:
        view = read_run(run.folder)
        told.look(view)
        new_for_long = view.state == "new" and time.monotonic() - started > _START_SECONDS
        if new_for_long:
            raise RunError(f"run {view.id} did not start within {_START_SECONDS:.0f} s; see {view.folder}/logs")
        if view.state in ENDED and not view.live:
            return view
        time.sleep(_LOOK_SECONDS)


def outcome(run: RunView, console: Console) -> int:
    """Say how a run ended and return the exit code that says the same."""
    message = run.message
    if run.state == "completed":
        console.note(f"run {run.id}: completed, {epoch_of(run)}, {run.status.step} batches")
        return OK
    if run.state == "stopped":
        console.note(f"run {run.id}: stopped at batch {run.status.step}; go on: workbench train --resume {run.id}")
        return OK
    if run.state == "failed" and run.status.exit_code == USER_ERROR:
        raise RunError(message or f"run {run.id} failed; see {run.folder}/logs")
    why = message or ("its supervisor is gone" if run.state == "lost" else "no reason was left")
    console.note(f"run {run.id}: {run.state}: {why} (logs: {run.folder}/logs)")
    return NO


class _Told:
    """Remembers what was printed, so that every line is news."""

    def __init__(self, console: Console, *, records: bool) -> None:
        self._console = console
        self._records = records
        self._turn: tuple[object, ...] = ()
        self._checkpoints: set[str] = set()
        self._printed = 0.0
        self._last: Mapping[str, Any] | None = None
        self._said = ""
        self._problem = ""
        self._dropped_told = False

    def look(self, run: RunView) -> None:
        status = run.status
        names = {item.file.name for item in run.checkpoints}
        new = sorted(names - self._checkpoints)
        self._checkpoints |= names
        # Phases other than these two come and go within an epoch; a line for each would say nothing.
        turn = (
            status.phase if status.phase in ("prepare", "done") else "train",
            status.epoch,
            status.val_mel,
            run.message,
        )
        news = turn != self._turn or bool(new)
        if not news and time.monotonic() - self._printed < _SECONDS_BETWEEN_LINES:
            return
        line = run_as_json(run)
        if line == self._last:
            return
        self._turn, self._printed, self._last = turn, time.monotonic(), line
        if self._records:
            self._console.record(line)
            return
        if turn[0] == "train":
            self._tell_dropped(run)
        said = progress_line(run)
        if status.phase != "done" and said != self._said:
            self._console.note(said)
            self._said = said
        if run.live and status.phase != "prepare" and run.message and run.message != self._problem:
            # It goes on in spite of this, and waiting for the end would cost the user the time to mend it. What goes
            # wrong in preparing ends the run at once.
            self._console.note(f"note: {run.message}")
        self._problem = run.message
        for name in new:
            self._console.note(f"checkpoint {name}")

    def _tell_dropped(self, run: RunView) -> None:
        """Once, when training begins: rows that are not trained. Nobody who follows should find that out by chance."""
        if self._dropped_told:
            return
        self._dropped_told = True
        prepared = [record for record in read_lines(run.folder / EVENTS) if record.get("kind") == "prepare_done"]
        dropped = prepared[-1].get("dropped", 0) if prepared else 0
        if dropped:
            rows = "1 row is" if dropped == 1 else f"{dropped} rows are"
            self._console.note(f"note: {rows} not trained; `workbench health` says which and why")


def progress_line(run: RunView) -> str:
    """Where a run is, in one line."""
    from workbench.jobs.runs import PIPER, val_mel_text

    status = run.status
    parts = [status.phase or ("" if run.kind == PIPER else run.state)]
    if status.phase == "prepare":
        if status.progress:
            done, total = status.progress.get("done"), status.progress.get("total")
            parts.append(f"{done}/{total} {status.progress.get('what') or ''}".rstrip())
            parts += _eta(status.progress.get("eta_seconds"))
        return "  ".join(parts)
    if status.epochs or status.step:
        parts.append(epoch_of(run))
    if status.step:
        parts.append(f"batch {status.step}")
    if status.steps_per_second:
        parts.append(f"{status.steps_per_second:.2f}/s" + (f" on {status.device}" if status.device else ""))
    losses = ((name, status.losses.get(name)) for name in (LOSSES if "mel" in status.losses else SUMS))
    parts += [f"{name} {value:.3g}" for name, value in losses if isinstance(value, (int, float))]
    if status.val_mel is not None:
        parts.append(val_mel_text(status, f"{status.val_mel:.3f}"))
    return "  ".join(part for part in (*parts, *_eta(status.eta_seconds)) if part)


def epoch_of(run: RunView) -> str:
    """The epoch that runs, counted from 1 as people do."""
    epoch, epochs = run.status.epoch + 1, run.status.epochs
    # Piper may train without an end.
    return f"epoch {min(epoch, epochs)}/{epochs}" if epochs or not run.status.step else f"epoch {epoch}"


def _eta(seconds: object) -> list[str]:
    if not isinstance(seconds, (int, float)):
        return []
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return [f"eta {hours}h{minutes:02d}m" if hours else f"eta {minutes}m{rest:02d}s"]
