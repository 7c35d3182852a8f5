"""From a checkpoint to sound.

A sentence at a time, as Piper's runtime speaks: every sentence begins with BOS and ends with EOS.

Legend: B utterances (1 here), T phonemes, F frames, D latent channels, S samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from core_vits.architecture import architecture_from_state_dict
from core_vits.checkpoint import load_checkpoint
from core_vits.errors import CheckpointFileError
from core_vits.synthesizer import Synthesizer

_PREFIX = "model_g."
# Piper's runtime divides a sentence by its peak, but not by less than this: silence stays silence.
_LEAST_PEAK = 0.01


class SpeechError(ValueError):
    """What was to be spoken can't be; the message says why in one line."""


@dataclass(frozen=True, kw_only=True)
class Scales:
    """How a voice varies; the defaults are Piper's."""

    noise_scale: float = 0.667
    """Variation of the sound; 0 = none."""
    length_scale: float = 1.0
    """Factor on all durations; above 1 is slower."""
    noise_w: float = 0.8
    """Variation of the durations; 0 = none."""

    def __post_init__(self) -> None:
        for name, lowest in (("noise_scale", 0.0), ("length_scale", 0.05), ("noise_w", 0.0)):
            value = getattr(self, name)
            if not lowest <= value <= 10.0:
                raise SpeechError(f"{name} is {value}; set {lowest} to 10")

    @classmethod
    def from_config(cls, config: Mapping[str, Any], **changed: float | None) -> Scales:
        """Those of a voice's `config.json`, but for the ones given here that are not None.

        Raises:
            SpeechError: a scale is not a number or makes no sense.
        """
        given = {name: value for name, value in changed.items() if value is not None}
        stored = config.get("inference") or {}
        names = ("noise_scale", "length_scale", "noise_w")
        try:
            known = {name: float(stored[name]) for name in names if name in stored}
        except (TypeError, ValueError):
            raise SpeechError("the voice's inference scales are not numbers. Mend its configuration") from None
        return cls(**{**known, **given})


def load_generator(path: Path, *, fold: bool = True) -> Synthesizer:
    """The generator of a checkpoint on the CPU, ready to speak.

    Args:
        path: a checkpoint of this program or of Piper; the discriminators may be missing.
        fold: fold the weight norm into the weights: faster, and the same sound within rounding.

    Raises:
        CheckpointFileError: it can't be read, or its tensors are not those of a Piper generator.
    """
    checkpoint = load_checkpoint(path, keys=("state_dict", "hyper_parameters"))
    state = checkpoint["state_dict"]
    try:
        config = architecture_from_state_dict(state, checkpoint.get("hyper_parameters"))
    except CheckpointFileError as error:
        raise CheckpointFileError(f"{path}: {error}") from None
    weights = {
        key.removeprefix(_PREFIX): value.to(torch.float32).contiguous()
        for key, value in state.items()
        if key.startswith(_PREFIX)
    }
    try:
        # Without memory until the shapes are known to fit: some shapes of a file must not make a huge model.
        with torch.device("meta"):
            generator = Synthesizer(config)
        generator.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        said = " ".join(str(error).partition(":")[2].split())
        raise CheckpointFileError(f"{path}: its generator has other tensors than Piper's ({said[:200]})") from None
    not_finite = next((key for key, value in weights.items() if not value.isfinite().all()), None)
    if not_finite is not None:
        raise CheckpointFileError(
            f"{path}: the weights of {not_finite} are not finite (training diverged). Use an earlier checkpoint"
        )
    if fold:
        generator.fold_weight_norm()
    return generator.eval().requires_grad_(False)


def check_ids(ids: Sequence[int], num_symbols: int) -> None:
    """Refuse what a voice can't speak.

    Raises:
        SpeechError: there are no ids, or one is outside the voice's table.
    """
    if not ids:
        raise SpeechError("there is nothing to speak. Give a text with letters")
    outside = [number for number in ids if not 0 <= number < num_symbols]
    if outside:
        raise SpeechError(
            f"phoneme id {outside[0]} is outside the voice's table of {num_symbols} symbols. "
            "Use the phoneme_id_map that the voice was trained with"
        )


def check_speaker(speaker: int | None, num_speakers: int) -> int | None:
    """The speaker to ask for: None of a single-speaker voice, else the given one or the first.

    Raises:
        SpeechError: the voice has no such speaker.
    """
    if num_speakers == 1 and not speaker:
        return None
    chosen = speaker or 0
    if not 0 <= chosen < num_speakers:
        raise SpeechError(f"there is no speaker {chosen}; the voice has {num_speakers}, numbered from 0")
    return chosen


def synthesize(
    generator: Synthesizer, ids: Sequence[int], *, scales: Scales | None = None, speaker: int | None = None, seed: int
) -> NDArray[np.float32]:
    """Speak one sentence.

    Args:
        generator: from `load_generator`.
        ids: phoneme ids of the sentence, BOS and EOS included.
        scales: Piper's defaults if not given.
        speaker: number of the speaker; the first if not given.
        seed: of the noise; the same seed gives the same samples and leaves torch's own random state as it was.

    Returns:
        Audio [S], full scale = 1, at the voice's rate, not normalised.

    Raises:
        SpeechError: the ids or the speaker are not the voice's.
    """
    check_ids(ids, generator.config.num_symbols)
    speaker = check_speaker(speaker, generator.config.num_speakers)
    scales = scales or Scales()
    with torch.inference_mode(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spoken = generator.infer(
            torch.tensor([list(ids)], dtype=torch.int64),
            torch.tensor([len(ids)], dtype=torch.int64),
            scales.noise_scale,
            scales.length_scale,
            scales.noise_w,
            None if speaker is None else torch.tensor([speaker], dtype=torch.int64),
        )
    audio: NDArray[np.float32] = spoken.audio_B1S[0, 0].numpy()
    return audio


def to_int16(audio: NDArray[np.float32], *, normalize: bool = True) -> NDArray[np.int16]:
    """16-bit samples of one sentence.

    Args:
        audio: [S], full scale = 1.
        normalize: bring the peak to full scale, as Piper's runtime does with every sentence unless told otherwise;
            what is quieter than 1 % of full scale is raised by 100 at most.
    """
    divisor = max(_LEAST_PEAK, float(np.abs(audio).max(initial=0.0))) if normalize else 1.0
    samples: NDArray[np.int16] = np.clip(np.rint(audio / divisor * 32767.0), -32768, 32767).astype(np.int16)
    return samples
