"""Validation: losses on clips that are not trained on, and sentences to listen to.

Both run with random numbers of their own, so that neither the curves of training nor a resumed run depend on how often
there was a validation, and two validations of one run compare like with like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from core_vits.synthesizer import Synthesizer
from core_vits.train.callbacks import Sample
from core_vits.train.data import Sentence, TrainingData
from core_vits.train.metrics import MetricWindow
from core_vits.train.models import VoiceModels
from core_vits.train.ranks import Ranks, merged_means
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


def validate(
    ranks: Ranks,
    step: AdversarialStep,
    data: TrainingData,
    device: torch.device,
    *,
    seed: int,
    must_stop: Callable[[], bool],
    progress: Callable[[int, int], None],
) -> dict[str, float]:
    """Mean losses over the validation clips, each of which one process looks at; empty when there are none.

    The random numbers of a batch depend on its place alone, so the losses don't depend on the number of processes.

    Raises:
        Interrupted: `must_stop` said so in any of them.
    """
    window, total = MetricWindow(), data.validation_batches
    batches = iter(data.validation() if total else ())
    # All go through the same number of rounds, also who has nothing left in the last one.
    for first in range(0, total, ranks.count):
        if any(ranks.raised(must_stop())):
            raise Interrupted
        progress(first, total)
        batch = next(batches, None)
        if batch is not None:
            torch.manual_seed(seed + first + ranks.index)
            utterances = batch.phoneme_lengths_B.shape[0]
            window.add(step.evaluate(batch.on(device)), weight=float(utterances))
    return merged_means(ranks.gather(window.fetch_sums()))


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
        ids = torch.tensor([list(sentence.phoneme_ids)], device=device)
        lengths = torch.tensor([ids.shape[1]], device=device)
        speaker = None if sentence.speaker_id is None else torch.tensor([sentence.speaker_id], device=device)
        try:
            audio = generator.infer(ids, lengths, speaker_ids_B=speaker).audio_B1S
        except (RuntimeError, MemoryError) as error:
            problem(f"'{sentence.name}' could not be spoken: {' '.join(str(error).split())[:160]}")
            continue
        audio_S = np.nan_to_num(audio.float().cpu().numpy().reshape(-1)).astype(np.float32)
        rate = generator.config.audio.sample_rate
        samples.append(Sample(name=sentence.name, audio_S=audio_S, sample_rate=rate, speaker=sentence.speaker))
    return samples
