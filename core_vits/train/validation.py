"""Validation: losses on clips that are not trained on, and sentences to listen to.

Both run with random numbers of their own, so that neither the curves of training nor a resumed run depend on how often
there was a validation, and two validations of one run compare like with like.

Neither is worth a run. A batch that does not fit into memory is looked at in parts; a clip or a sentence that does not
fit alone is left out and named, and how many clips a loss is the mean of goes with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from core_vits.dataset import LoadedBatch
from core_vits.losses import Losses
from core_vits.memory import give_back, is_out_of_memory, with_room
from core_vits.scores import Score, digest_of
from core_vits.synthesizer import Synthesizer
from core_vits.train.callbacks import Sample
from core_vits.train.data import Sentence, TrainingData
from core_vits.train.metrics import MetricWindow
from core_vits.train.models import VoiceModels
from core_vits.train.ranks import Ranks, merged_means
from core_vits.train.room import Division, cost_of, share_of
from core_vits.train.step import AdversarialStep

LONGEST_SENTENCE = 800
"""Phoneme ids; a longer one is not spoken, for an untrained duration predictor could make minutes of it."""


class Interrupted(Exception):
    """Validation was given up because the run must stop."""


@contextmanager
def apart(models: VoiceModels, seed: int, device: torch.device) -> Iterator[None]:
    """Evaluation mode without gradients, and random numbers that leave no trace."""
    devices = [device] if device.type == "cuda" else []
    models.eval()
    try:
        with torch.random.fork_rng(devices=devices), torch.no_grad():
            torch.manual_seed(seed)
            yield
    finally:
        models.train()


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """What was found of one batch."""

    losses: Losses
    """Means over the clips that fitted; empty when none did."""
    keys: Sequence[str] = ()
    """Of the clips that did."""
    skipped: Sequence[str] = ()
    """A line for each clip that did not, and was not told of before."""

    @property
    def clips(self) -> int:
        """How many fitted."""
        return len(self.keys)


class RoomyEvaluation:
    """The losses of each batch as a whole, or in as few parts as fit."""

    def __init__(self, step: AdversarialStep, device: torch.device) -> None:
        """Nothing has failed yet. Without gradients more fits than in training, so what fits is found anew."""
        self._step = step
        self._device = device
        self._division = Division()
        self._told: set[str] = set()
        self._said = ""
        """By the error."""

    def evaluate(self, batch: LoadedBatch, seed: int) -> Evaluated:
        """Mean losses over the clips of a batch; gradients are switched off.

        Args:
            batch: as it was loaded.
            seed: of what is drawn; parts draw other numbers than the whole.
        """
        parts = list(self._division.parts(batch))
        skipped: list[str] = []
        while parts:
            torch.manual_seed(seed)
            losses, failed = self._attempt(parts)
            if failed is None:
                return Evaluated(losses=losses, keys=[key for part in parts for key in part.keys], skipped=skipped)
            give_back(self._device)  # here, where all is gone that the error held
            if len(failed.names) > 1:
                self._division.divide_above(cost_of(failed))
                parts = [piece for part in parts for piece in self._division.parts(part)]
            else:
                parts = [part for part in parts if part is not failed]
                skipped += self._news(failed)
        return Evaluated(losses={}, skipped=skipped)

    def _attempt(self, parts: Sequence[LoadedBatch]) -> tuple[Losses, LoadedBatch | None]:
        """The losses over all parts, or the part that did not fit."""
        totals: Losses = {}
        for part in parts:
            try:
                losses = self._step.evaluate(part.on(self._device), shares=share_of(part, parts))
                for name, value in losses.items():
                    totals[name] = totals[name] + value if name in totals else value
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._said = " ".join(str(error).split())[:100] or type(error).__name__
                return {}, part
        return totals, None

    def _news(self, clip: LoadedBatch) -> list[str]:
        """What to tell about a clip that does not fit alone; nothing the second time."""
        name = clip.names[0]
        if name in self._told:
            return []
        self._told.add(name)
        return [
            f"{name}: this validation clip alone, {int(clip.spectrogram_lengths_B.max())} frames, does not fit into "
            f"the memory of {self._device} ({self._said}). The validation losses are without it, and the run goes on. "
            "Cut it into shorter ones or leave it out"
        ]


@dataclass(frozen=True, kw_only=True)
class Validated:
    """What a validation found, over all processes."""

    metrics: Mapping[str, float]
    """Mean losses over the clips that fitted; empty when there were none."""
    keys: Sequence[str]
    """Of these clips."""
    clips_of: int
    """How many there are."""
    skipped: Sequence[str]
    """A line for each clip that did not fit for the first time."""

    @property
    def clips(self) -> int:
        """How many the means are over."""
        return len(self.keys)

    @property
    def score(self) -> Score:
        """What a checkpoint is compared by."""
        mel = self.metrics.get("mel")
        return Score(
            loss=mel if mel is not None and math.isfinite(mel) else None, over=digest_of(self.keys),
            clips=self.clips, clips_of=self.clips_of,
        )  # fmt: skip


def validate(
    ranks: Ranks,
    evaluation: RoomyEvaluation,
    data: TrainingData,
    *,
    seed: int,
    must_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> Validated:
    """Mean losses over the validation clips, each of which one process looks at.

    The random numbers of a batch depend on its place alone, so the losses don't depend on the number of processes.

    Raises:
        Interrupted: `must_stop` said so in any of them.
    """
    window, total = MetricWindow(), data.validation_batches
    batches = iter(data.validation() if total else ())
    keys: list[str] = []
    skipped: list[str] = []
    clips_of = 0
    # All go through the same number of rounds, also who has nothing left in the last one.
    for first in range(0, total, ranks.count):
        if any(ranks.raised(must_stop())):
            raise Interrupted
        progress(first, total)
        batch = next(batches, None)
        if batch is not None:
            found = evaluation.evaluate(batch, seed + first + ranks.index)
            window.add(found.losses, weight=float(found.clips))
            clips_of += len(batch.names)
            keys += found.keys
            skipped += found.skipped
    everywhere = ranks.gather((window.fetch_sums(), keys, clips_of, skipped))
    return Validated(
        metrics=merged_means([sums for sums, *_ in everywhere]),
        keys=[key for _, heard, *_ in everywhere for key in heard],
        clips_of=sum(there for *_, there, _ in everywhere),
        skipped=[line for *_, lines in everywhere for line in lines],
    )


def speak(
    generator: Synthesizer,
    sentences: Sequence[Sentence],
    device: torch.device,
    *,
    must_stop: Callable[[], bool],
    problem: Callable[[str], None],
) -> list[Sample]:
    """Say each sentence; one that can't be said is reported and left out.

    Raises:
        Interrupted: `must_stop` said so.
    """
    samples = []
    for sentence in sentences:
        if must_stop():
            raise Interrupted
        if not 0 < len(sentence.phoneme_ids) <= LONGEST_SENTENCE:
            continue
        try:
            audio_S = with_room(partial(_said, generator, sentence, device), device)
        except (RuntimeError, MemoryError) as error:
            lacks = f"it does not fit into the memory of {device}: " if is_out_of_memory(error) else ""
            reason = lacks + " ".join(str(error).split())[:160]
        else:
            rate = generator.config.audio.sample_rate
            samples.append(Sample(name=sentence.name, audio_S=audio_S, sample_rate=rate, speaker=sentence.speaker))
            continue
        give_back(device)  # training goes on, and must not be divided for what an error held
        problem(f"'{sentence.name}' could not be spoken: {reason}")
    return samples


def _said(generator: Synthesizer, sentence: Sentence, device: torch.device) -> NDArray[np.float32]:
    """A sentence as audio; full scale = 1."""
    ids = torch.tensor([list(sentence.phoneme_ids)], device=device)
    lengths = torch.tensor([ids.shape[1]], device=device)
    speaker = None if sentence.speaker_id is None else torch.tensor([sentence.speaker_id], device=device)
    audio = generator.infer(ids, lengths, speaker_ids_B=speaker).audio_B1S
    audio_S: NDArray[np.float32] = np.nan_to_num(audio.float().cpu().numpy().reshape(-1)).astype(np.float32)
    return audio_S
