"""Writes down what the trainer does: curves and audio for the charts, status and events for whoever watches.

All of it is a report. When the disk refuses a line the run goes on without it, and says so once it can.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.tensorboard.writer import SummaryWriter

from core_vits.train.begin import BeginPlan
from core_vits.train.callbacks import Callback, Progress, Sample, SavedCheckpoint, StepRecord, ValidationRecord
from core_vits.train.rehearsal import Rehearsal
from core_vits.train.telling import facts_of, plan_as_json
from workbench.jobs.rundir import METRICS, StatusWriter, append_event, is_gone, one_line, write_json
from workbench.tail.clips import SENTENCES

RECENT_STEPS = 50
"""Steps that the shown speed is a mean of."""
REOPEN_SECONDS = 60.0
"""How long to leave a metrics file alone that could not be written."""
QUIETEST_PEAK = 0.01
"""A sample below this peak is not made louder: it is silence."""


_LOG = logging.getLogger(__name__)
"""Goes to the run's log, which people read with `o` and with `tail -f`."""


class Curves:
    """TensorBoard event files of a run; a point is on disk, for a reader to see, when `flush` returns."""

    def __init__(self, folder: Path, first_step: int, problem: Callable[[str], None]) -> None:
        """Open a new event file.

        Args:
            folder: of the event files.
            first_step: points from here on replace older ones of the same steps, those of a run that was killed.
            problem: told when points are lost.
        """
        self._folder = folder
        self._first_step = first_step
        self._problem = problem
        self._writer: SummaryWriter | None = None
        self._closed_until = 0.0

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Add a point to each curve."""

        def write(writer: SummaryWriter) -> None:
            for tag, value in values.items():
                writer.add_scalar(tag, value, step)

        self._write(write)

    def sample(self, tag: str, sample: Sample, step: int) -> None:
        """Add audio, made as loud as full scale allows; nothing is added when there is none."""
        if not sample.audio_S.size:
            return
        peak = float(np.abs(sample.audio_S).max(initial=0.0))
        audio = sample.audio_S / peak if peak >= QUIETEST_PEAK else sample.audio_S
        self._write(lambda writer: writer.add_audio(tag, audio[None, :], step, sample.sample_rate))

    def close(self) -> None:
        """Write what is left and close."""
        self._write(lambda writer: writer.close(), flush=False)
        self._writer = None

    def _write(self, action: Callable[[SummaryWriter], object], *, flush: bool = True) -> None:
        # The writer would make its folder, and with it a run that somebody removed.
        if time.monotonic() < self._closed_until or not self._folder.parent.is_dir():
            return
        try:
            if self._writer is None:
                # Points of steps that a killed run had reached beyond its last checkpoint are drawn again.
                purge = self._first_step if self._first_step > 1 else None
                self._writer = SummaryWriter(str(self._folder), purge_step=purge)
            action(self._writer)
            if flush:
                self._writer.flush()
        except Exception as error:  # noqa: BLE001  # the writer's thread hands over whatever it died of
            self._writer = None
            self._closed_until = time.monotonic() + REOPEN_SECONDS
            self._problem(f"curves can't be written ({one_line(str(error)) or type(error).__name__}); training goes on")


class Recorder(Callback):
    """Keeps the run directory up to date."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._status = StatusWriter(run)
        self._curves = Curves(run / METRICS, 0, self._note_problem)
        self._recent: deque[StepRecord] = deque(maxlen=RECENT_STEPS)
        self._since_point: list[StepRecord] = []
        self._losses: dict[str, float] = {}
        self._problem = ""
        self._said: dict[str, str] = {}
        self._begun: tuple[float, int] = (time.monotonic(), 0)
        self._epoch_begun = time.monotonic()

    # --- callbacks --------------------------------------------------------------------------------------------------

    def on_begin(self, progress: Progress, checkpoint: Path, plan: BeginPlan) -> None:
        append_event(self._run, "begun", checkpoint=str(checkpoint), plan=plan_as_json(plan))
        for fact in facts_of(plan):
            print(f"{fact.label}: {fact.text}", flush=True)

    def on_run_start(self, progress: Progress, resumed_from: Path | None) -> None:
        self._curves = Curves(self._run / METRICS, progress.position.step + 1, self._note_problem)
        self._begun = (time.monotonic(), progress.position.step)
        self._show(progress, "train", now=True, pid=os.getpid(), progress=None, device=progress.device)
        begins = f"goes on from {resumed_from.name}, batch {progress.position.step}" if resumed_from else "from scratch"
        _LOG.info(
            "training on %s, %s; %d batches an epoch", _described(progress.device), begins, progress.batches_per_epoch
        )

    def on_rehearsal(self, progress: Progress, found: Rehearsal) -> None:
        append_event(self._run, "memory", **asdict(found))
        self._show(progress, "train", now=True, memory=asdict(found))
        _LOG.log(logging.INFO if found.parts == 1 and found.fits else logging.WARNING, "memory: %s", found)

    def on_epoch_start(self, progress: Progress) -> None:
        self._epoch_begun = time.monotonic()
        self._show(progress, "train")

    def on_step_end(self, progress: Progress, record: StepRecord) -> None:
        self._recent.append(record)
        self._since_point.append(record)
        if record.metrics is not None:
            self._point(progress, record.metrics)
        self._show(progress, "train", **self._speed(progress), losses=self._losses)

    def on_validation_progress(self, progress: Progress, done: int, total: int) -> None:
        counts = {"done": done, "total": total, "eta_seconds": None, "what": "validation batches"}
        self._show(progress, "validate", progress=counts)

    def on_validation_end(self, progress: Progress, record: ValidationRecord) -> None:
        step = progress.position.step
        if record.metrics:
            self._curves.scalars({f"val/{name}": value for name, value in record.metrics.items()}, step)
        said = {}
        for number, sample in enumerate(record.samples, start=1):
            # TensorBoard's tags hold no other characters.
            who = re.sub(r"[^-\w.]", "_", f" {sample.speaker}") if sample.speaker else ""
            tag = f"sample/{number}{who}"
            said[tag] = f"{sample.speaker}: {sample.name}" if sample.speaker else sample.name
            self._curves.sample(tag, sample, step)
        self._say_what(said)
        counts = {"clips": record.clips, "clips_of": record.clips_of}
        self._event("validation", progress, **counts, **record.metrics)
        if record.mel is not None:
            shown = {f"val_{name}": count for name, count in counts.items()}
            self._show(progress, "train", now=True, val_mel=record.mel, **shown, progress=None)
            _LOG.info(
                "epoch %d, batch %d: val mel %.4g over %d of %d clips",
                *(progress.position.labelled_epoch, step, record.mel, record.clips, record.clips_of),
            )

    def on_epoch_end(self, progress: Progress) -> None:
        seconds = round(time.monotonic() - self._epoch_begun, 3)
        self._event("epoch", progress, seconds=seconds, losses=self._losses)
        self._show(progress, "train", now=True)

    def on_checkpoint_start(self, progress: Progress) -> None:
        self._show(progress, "checkpoint", now=True)

    def on_checkpoint(self, progress: Progress, saved: SavedCheckpoint) -> None:
        self._problem = ""
        self._event(
            "checkpoint",
            progress,
            file=saved.path.name,
            bytes=saved.bytes,
            val_mel=saved.val_mel,
            reason=saved.kind,
            removed=[path.name for path in saved.removed],
        )
        self._show(progress, "train", now=True)
        _LOG.info("saved %s", saved.path.name)

    def on_problem(self, progress: Progress, message: str) -> None:
        self._note_problem(message)
        self._show(progress, "train", now=True)

    def on_exception(self, progress: Progress, error: BaseException) -> None:
        if is_gone(self._run):
            return
        self._curves.close()
        self._show(progress, "train", now=True)

    def on_run_end(self, progress: Progress, outcome: str) -> None:
        self._curves.close()
        self._show(progress, "train", now=True, outcome=outcome, eta_seconds=None, progress=None)
        _LOG.info("%s at batch %d", outcome, progress.position.step)

    # --- parts ------------------------------------------------------------------------------------------------------

    def _say_what(self, said: Mapping[str, str]) -> None:
        """Leave the sentences of the samples beside them: their tags only have numbers."""
        if not said or said == self._said:
            return
        with contextlib.suppress(OSError):  # samples can be heard without
            write_json(self._run / METRICS / SENTENCES, said)
            self._said = dict(said)

    def _point(self, progress: Progress, metrics: Mapping[str, float]) -> None:
        """Draw the means since the last point."""
        self._losses = {name: value for name, value in metrics.items() if "/" not in name}
        steps = self._since_point
        values = {f"train/{name}": value for name, value in self._losses.items()}
        values.update({name: value for name, value in metrics.items() if "/" in name})
        values.update({f"lr/{side}": rate for side, rate in progress.learning_rates.items()})
        values["time/step"] = sum(step.seconds for step in steps) / len(steps)
        values["time/data_wait"] = sum(step.wait_seconds for step in steps) / len(steps)
        position = progress.position
        values["epoch"] = position.epoch + position.batch / max(1, progress.batches_per_epoch)
        self._since_point = []
        self._curves.scalars(values, position.step)

    def _speed(self, progress: Progress) -> dict[str, Any]:
        seconds = sum(record.seconds for record in self._recent)
        waiting = sum(record.wait_seconds for record in self._recent)
        begun, first_step = self._begun
        done = progress.position.step - first_step
        left = progress.last_step - progress.position.step
        # By the wall, so that validations and checkpoints are in it.
        eta = (time.monotonic() - begun) / done * left if done else None
        return {
            "steps_per_second": len(self._recent) / seconds if seconds else 0.0,
            "data_wait": waiting / seconds if seconds else 0.0,
            "eta_seconds": eta,
            "progress": {
                "done": progress.position.step,
                "total": progress.last_step,
                "eta_seconds": eta,
                "what": "batches",
            },
        }

    def _show(self, at: Progress, phase: str, /, *, now: bool = False, **changes: Any) -> None:
        position = at.position
        self._status.update(
            now=now,
            phase=phase,
            epoch=position.epoch,
            epochs=at.epochs,
            step=position.step,
            optimizer_step=position.optimizer_step,
            batch=position.batch,
            batches_per_epoch=at.batches_per_epoch,
            message=self._problem,
            **changes,
        )

    def _note_problem(self, message: str) -> None:
        self._problem = message
        append_event(self._run, "error", message=one_line(message))
        _LOG.warning("%s", one_line(message))

    def _event(self, kind: str, progress: Progress, **fields: Any) -> None:
        position = progress.position
        append_event(self._run, kind, epoch=position.labelled_epoch, step=position.step, **fields)


def _described(device: str) -> str:
    """A device with what a person knows it by: the name of a GPU, the threads of a CPU."""
    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"{device} ({threads} thread{'s' if threads > 1 else ''})"
