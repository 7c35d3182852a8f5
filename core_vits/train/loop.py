"""The training loop.

It runs batches, lowers the learning rates after each epoch, validates, saves, and stops where it is asked to: between
two steps, with a checkpoint. A run that was stopped anywhere and resumed goes on with the very next batch and the
random numbers it would have drawn, so on a CPU its weights are those of a run that was never stopped.

Several processes run the same loop, each on its part of every batch. Whatever one of them decides by a clock, a file or
a disk is told to the others before anybody acts on it: a process that waits for one that went another way waits for
ever. The first one alone writes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from core_vits.checkpoint import load_checkpoint
from core_vits.config import LossWeights, ModelConfig
from core_vits.errors import CheckpointFileError
from core_vits.scores import Score, told
from core_vits.train.begin import RESUME, Choices, Known, carry_out, plan_begin
from core_vits.train.callbacks import Callback, Progress, Sample, StepRecord, ValidationRecord
from core_vits.train.data import TrainingData
from core_vits.train.distributed import at_most_every, make_fabric
from core_vits.train.errors import TrainingError
from core_vits.train.graphs import StepGraphs, step_graphs
from core_vits.train.keeper import CheckpointKeeper
from core_vits.train.metrics import MetricWindow
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.ranks import Ranks, merged_means
from core_vits.train.rehearsal import rehearse
from core_vits.train.room import RoomyStep
from core_vits.train.settings import Position, TrainSettings
from core_vits.train.state import Provenance, pack, random_numbers, restore_random, seed_process
from core_vits.train.step import AdversarialStep
from core_vits.train.validation import Interrupted, RoomyEvaluation, apart, speak, validate

STOP_LOOK_SECONDS = 1.0
"""How often the stop request is looked for, at most."""
FETCH_SECONDS = 15.0
"""On a slow machine metrics are fetched after this time, without waiting for `log_every_steps`."""

COMPLETED = "completed"
STOPPED = "stopped"


class Trainer:
    """Trains one voice from wherever it stands to its end, or to a stop request."""

    def __init__(
        self,
        settings: TrainSettings,
        config: ModelConfig,
        data: TrainingData,
        checkpoints: Path,
        *,
        callbacks: Sequence[Callback] = (),
        stop: Callable[[], bool] = lambda: False,
        provenance: Provenance | None = None,
        choices: Choices | None = None,
        known: Known | None = None,
        fabric: Fabric | None = None,
    ) -> None:
        """Build models and optimizers.

        Args:
            settings: how to train.
            config: what to train.
            data: batches.
            checkpoints: folder of the checkpoints.
            callbacks: told about everything in this process, in this order.
            stop: asked at most once a second whether to stop.
            provenance: stored in each checkpoint.
            choices: how it begins with another run's checkpoint; by default it goes on where that one stopped.
            known: names of phonemes and speakers, here and in that checkpoint.
            fabric: device, precision and processes; made from the settings if not given.
        """
        self.settings = settings
        self._data = data
        self._fabric = fabric or make_fabric(settings)
        self._ranks = Ranks(self._fabric)
        torch.manual_seed(settings.seed)
        self.models = VoiceModels(config).to(self._fabric.device)
        self.models.train()
        self.optimization = Optimization(self.models.model_g.parameters(), self.models.judges(), settings)
        weights = LossWeights(mel=settings.mel_weight, kl=settings.kl_weight)
        self._step = AdversarialStep(
            self._fabric, self.models, self.optimization, weights, self._ranks, self._step_graphs()
        )
        self._room = RoomyStep(self._step, self._ranks, self._fabric.device, self._problem)
        self._evaluation = RoomyEvaluation(self._step, self._fabric.device)
        # The step that follows draws from here on, whatever building the models took.
        seed_process(settings.seed, self._ranks.index)
        self._keeper = self._ranks.first_before_others(
            lambda: CheckpointKeeper(
                checkpoints,
                keep_best=settings.keep_best,
                keep_last=settings.keep_last,
                only_read=not self._ranks.is_first,
            )
        )
        self._callbacks = tuple(callbacks)
        self._asked_to_stop = at_most_every(STOP_LOOK_SECONDS, stop, time.monotonic)
        self._provenance = provenance or Provenance()
        self._choices = choices or Choices()
        self._known = known or Known()
        self.position = Position()
        self._window = MetricWindow()
        self._validation: Mapping[str, float] = {}
        self._validated: Position | None = None
        self._score = Score()
        self._scores = self._keeper.scores()
        """Of all validations that the checkpoints here tell of, and of those since."""
        self._saved: Position | None = None
        self._last_good: Path | None = None
        self._failed_save = ""
        self._saved_at = self._fetched_at = time.monotonic()

    def _step_graphs(self) -> StepGraphs | None:
        if not self.settings.cuda_graphs:
            return None
        return step_graphs(self.models.parameters(), self._fabric.device, self.settings.precision, self._problem)

    # --- what others see -------------------------------------------------------------------------------------------

    @property
    def progress(self) -> Progress:
        """Where training stands."""
        return Progress(
            position=self.position,
            epochs=self.settings.epochs,
            batches_per_epoch=self._data.batches_per_epoch,
            max_steps=self.settings.max_steps,
            learning_rates=self.optimization.learning_rates(),
            device=str(self._fabric.device),
        )

    def _tell(self, event: str, *arguments: object) -> None:
        for callback in self._callbacks:
            getattr(callback, event)(self.progress, *arguments)

    def _problem(self, message: str) -> None:
        self._tell("on_problem", message)

    # --- beginning --------------------------------------------------------------------------------------------------

    def fit(self, begin_with: Path | None = None) -> str:
        """Train to the end.

        Args:
            begin_with: a checkpoint of ours or Piper's to go on from, if this run has none of its own yet.

        Returns:
            `completed` or `stopped`.

        Raises:
            TrainingError: a loss is not finite any more, the last checkpoint could not be saved, or a clip is too long
                for the memory.
            CheckpointFileError: the checkpoint to go on from can't be used.
        """
        try:
            resumed_from = self._resume(begin_with)
            self._ranks.check_equal(self.models.parameters(), self.position, self._data.batches_per_epoch)
            self._tell("on_run_start", resumed_from)
            self._rehearse()
            outcome = self._train()
        except BaseException as error:
            self._tell("on_exception", error)
            raise
        self._tell("on_run_end", outcome)
        return outcome

    def _resume(self, begin_with: Path | None) -> Path | None:
        """Restore the newest checkpoint of this run, or begin with the given one; returns which, if any.

        Raises:
            CheckpointFileError: it can't be used.
        """
        # The first process chooses: a file that one can read may have gone when another one looks.
        found = self._keeper.newest(self._problem) if self._ranks.is_first else None
        chosen, own = self._ranks.from_first((found[0], True) if found is not None else (begin_with, False))
        if chosen is None:
            return None
        path, payload = found or (chosen, load_checkpoint(chosen))
        try:
            plan = plan_begin(
                payload,
                self.models.config,
                self.settings,
                self._choices.later() if own else self._choices,
                self._known,
                batches_per_epoch=self._data.batches_per_epoch,
                own=own,
            )
            carry_out(plan, payload, self.models, self.optimization)
            self.position = plan.position
            resumes = plan.choices.mode == RESUME
            if not resumes or not restore_random(payload, self._ranks.index, self._ranks.count):
                seed_process(self.settings.seed + self.position.step, self._ranks.index)
        except CheckpointFileError as error:
            raise CheckpointFileError(f"{path}: {error}") from error
        if own:
            self._saved, self._last_good = self.position, path
        else:
            self._tell("on_begin", path, plan)
        if not plan.origin.discriminators:
            self._problem(f"{path.name} has no discriminators: they begin anew")
        return path

    def _rehearse(self) -> None:
        """See whether the largest batches fit, before hours are spent."""
        if self._is_complete() or self._must_stop():
            return
        device, largest = self._fabric.device, self._data.largest(self.position.epoch)
        found = rehearse(self._room, self.models, self.optimization, self._ranks, device, largest)
        if found is not None:
            self._tell("on_rehearsal", found)

    # --- training ---------------------------------------------------------------------------------------------------

    def _train(self) -> str:
        while not self._is_complete():
            if self._must_stop():
                return self._stop()
            self._tell("on_epoch_start")
            if self._run_batches():
                return self._stop()
            if self._is_complete():
                break  # max_steps was reached inside the epoch
            self._end_epoch()
        self._finish()
        return COMPLETED

    def _is_complete(self) -> bool:
        limit = self.settings.max_steps
        return self.position.epoch >= self.settings.epochs or bool(limit and self.position.step >= limit)

    def _must_stop(self) -> bool:
        return any(self._ranks.raised(self._asked_to_stop()))

    def _run_batches(self) -> bool:
        """Train the rest of the epoch; True when a stop request ended it before."""
        loader = iter(self._data.train(self.position.epoch, self.position.batch))
        clock = time.monotonic()
        while self.position.batch < self._data.batches_per_epoch:
            batch = next(loader, None)
            if batch is None:
                raise TrainingError(
                    f"the data of epoch {self.position.epoch} ended after {self.position.batch} batches; "
                    f"{self._data.batches_per_epoch} were announced. Prepare the data set again"
                )
            waited = time.monotonic() - clock
            position = replace(self.position, batch=self.position.batch + 1, step=self.position.step + 1)
            due = position.step % self.settings.log_every_steps == 0 or position.step == 1
            late = time.monotonic() - self._fetched_at > FETCH_SECONDS
            due = due or any(self._ranks.raised(late))
            shares = self._ranks.shares(batch)
            self._window.add(self._room.train(batch, with_norms=due, shares=shares))
            self.position = position
            metrics = self._fetch() if due else None
            now = time.monotonic()
            self._tell("on_step_end", StepRecord(seconds=now - clock, wait_seconds=waited, metrics=metrics))
            clock = now
            stop, save = self._ranks.raised(self._asked_to_stop(), self._timer_is_due())
            if stop:
                return True
            if self._is_complete():
                return False
            if save:
                self._save("timer")
        return False

    def _fetch(self) -> Mapping[str, float]:
        """The means since the last time, over all processes.

        Raises:
            TrainingError: one of them is not finite.
        """
        metrics = merged_means(self._ranks.gather(self._window.fetch_sums()))
        self._fetched_at = time.monotonic()
        wrong = [name for name in ("loss_g", "loss_d") if not math.isfinite(metrics.get(name, 0.0))]
        if wrong:
            names = [name for name, value in metrics.items() if not math.isfinite(value)]
            raise TrainingError(self._diverged(f"the losses {', '.join(names)} are not finite"))
        return metrics

    def _diverged(self, what: str) -> str:
        good = f"the last good checkpoint is {self._last_good.name}" if self._last_good else "no checkpoint was saved"
        return (
            f"{what} at step {self.position.step}: training has diverged; {good}. "
            "Lower the learning rate, or train with precision 32-true"
        )

    def _timer_is_due(self) -> bool:
        minutes = self.settings.checkpoint_every_minutes
        return bool(minutes) and time.monotonic() - self._saved_at >= minutes * 60

    def _end_epoch(self) -> None:
        self.optimization.end_epoch()
        self.position = replace(self.position, epoch=self.position.epoch + 1, batch=0)
        epoch, settings = self.position.epoch, self.settings
        last = self._is_complete()
        if last or epoch % settings.validate_every_epochs == 0:
            self._validate()
        self._tell("on_epoch_end")
        if last or epoch % settings.checkpoint_every_epochs == 0:
            self._save("epoch", last=last)  # the end of the run tries it once more

    def _finish(self) -> None:
        """What a run that ends between two epochs still owes."""
        if self.position.step and self.position != self._saved:
            if self.position != self._validated:
                self._validate()
            self._save_last()

    def _stop(self) -> str:
        self._save_last()
        return STOPPED

    def _save_last(self) -> None:
        """Save where the run leaves off.

        Raises:
            TrainingError: it could not be saved, and there is no next time.
        """
        self._save("stop", last=True)
        if self._failed_save:
            raise TrainingError(f"the last checkpoint was not saved: {self._failed_save}")

    # --- validation and checkpoints -----------------------------------------------------------------------------------

    def _validate(self) -> None:
        self._validation = {}
        seed, device = self.settings.seed, self._fabric.device
        with suppress(Interrupted), apart(self.models, seed, device):
            found = validate(
                self._ranks,
                self._evaluation,
                self._data,
                seed=seed,
                must_stop=self._asked_to_stop,
                progress=lambda done, total: self._tell("on_validation_progress", done, total),
            )
            for message in found.skipped:
                self._problem(message)
            torch.manual_seed(seed)
            samples = self._speak() if self._ranks.is_first else []
            if any(self._ranks.raised(samples is None)) or samples is None:
                raise Interrupted
            if message := told(self._scores, found.score):
                self._problem(message)
            self._scores.append(found.score)
            self._validation, self._validated, self._score = found.metrics, self.position, found.score
            record = ValidationRecord(
                metrics=found.metrics, clips=found.clips, clips_of=found.clips_of, samples=samples
            )
            self._tell("on_validation_end", record)

    def _speak(self) -> Sequence[Sample] | None:
        """What the voice says at this point; None when a stop request came meanwhile."""
        sentences, device = self._data.sentences(), self._fabric.device
        with suppress(Interrupted):
            return speak(self.models.model_g, sentences, device, must_stop=self._asked_to_stop, problem=self._problem)
        return None

    def _save(self, kind: str, *, last: bool = False) -> None:
        """Save a checkpoint; a disk that refuses is reported, and the next checkpoint tries again.

        Args:
            kind: for the index.
            last: there is no next one, so the caller reports it.

        Raises:
            TrainingError: the weights are not finite, so that the file would be worthless.
        """
        if self.position == self._saved or self.position.step == 0:
            return
        self._tell("on_checkpoint_start")
        if not self.models.all_finite():
            raise TrainingError(self._diverged("the weights are not finite"))
        random_states = self._ranks.gather(random_numbers())
        self._saved_at = time.monotonic()
        if self._ranks.is_first:
            self._write(kind, random_states, last=last)
        facts = (self._saved, self._last_good, self._failed_save)
        self._saved, self._last_good, self._failed_save = self._ranks.from_first(facts)

    def _write(self, kind: str, random_states: Sequence[Mapping[str, Any]], *, last: bool) -> None:
        fresh = self._validated == self.position
        payload = pack(
            self.models,
            self.optimization,
            self.position,
            self.settings,
            batches_per_epoch=self._data.batches_per_epoch,
            validation=self._validation if fresh else {},
            provenance=self._provenance,
            random_states=random_states,
        )
        try:
            saved = self._keeper.save(payload, self.position, kind, self._score if fresh else Score())
        except CheckpointFileError as error:
            self._failed_save = str(error)
            if not last:
                self._problem(f"{error}. Training goes on; the next checkpoint tries again")
            return
        self._failed_save = ""
        self._saved, self._last_good = self.position, saved.path
        self._tell("on_checkpoint", saved)
