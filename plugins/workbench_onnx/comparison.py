"""A voice beside its checkpoint, on the same ids, scales, speakers and noise.

The checkpoint is run by torch, the file by onnxruntime. A voice draws its noise inside the graph, where nobody can look
at it, so the comparison is made twice: with the file as it is and the noise scaled by zero, and with a copy in memory
whose random nodes are inputs, which torch and onnxruntime get alike.

Legend: B utterances (1 here), T phonemes, F frames, D latent channels, S samples.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from core_vits.config import ModelConfig
from core_vits.exportable import INPUT_NAMES, LATENT_NAMES, SPEAKER_INPUT, SPEAKER_LATENT
from core_vits.infer import Scales
from core_vits.synthesizer import LatentSpeech, Synthesizer
from workbench_onnx.sessions import Samples, TextGraph

TOLERANCE = 1e-4
"""Largest accepted difference as a part of the loudest sample (-80 dB).

Measured with 32-bit floats: 0.7e-6 to 4.2e-6 for voices of quality tiny and medium, loud and quiet. Relative to the
loudest sample, because a voice at the start of its training is quiet and must not pass for that reason alone."""

LARGEST_POSSIBLE = 2.0
"""Audio lies within -1 and 1, so this stands for signals of different length and for what is no number."""

_QUIETEST = 0.01
"""Of full scale; what is quieter than this is compared as if it had this peak."""
_SPEAKERS_CHECKED = 4


class Speaks(Protocol):
    """A voice under comparison."""

    text: TextGraph

    def speak(self, feed: Any, noise: Any) -> Samples:
        """Audio [S]; `noise`: in the order in which the graph draws it, None: the file as it is."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison."""

    ids: tuple[int, ...]
    scales: Scales
    speaker: int | None
    noise: bool
    """Whether noise is fed to both; else the file runs as it is and the scales are zero."""

    @property
    def name(self) -> str:
        """How a message calls it."""
        speaker = "" if self.speaker is None else f", speaker {self.speaker}"
        noise = "fixed noise" if self.noise else "no noise"
        return f"{len(self.ids)} ids, length scale {self.scales.length_scale:g}, {noise}{speaker}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a comparison came to."""

    compared: int
    largest: float
    """Largest difference of any sample, full scale = 1."""
    why_not: str = ""
    """Empty, or why the voice is not that of the checkpoint."""


def graph_problem(text: TextGraph, model: ModelConfig, *, outputs: int) -> str:
    """Empty, or why a graph is not one that reads this model's phonemes and draws its noise."""
    expected = [*INPUT_NAMES, *([SPEAKER_INPUT] if model.num_speakers > 1 else [])]
    if text.inputs != expected:
        return f"the graph's inputs are {', '.join(text.inputs)}; wanted are {', '.join(expected)}"
    if len(text.outputs) != outputs:
        return f"the graph has {len(text.outputs)} outputs; wanted are {outputs}"
    if text.odd_noise:
        return "the graph's noise is not drawn anew from N(0, 1)"
    random = 2 if model.use_sdp else 1
    if len(text.noise_inputs) != random:
        return f"the graph has {len(text.noise_inputs)} sources of noise; wanted are {random}"
    return ""


def latent_names(model: ModelConfig) -> list[str]:
    """What an encoder hands its decoder."""
    return [*LATENT_NAMES, *([SPEAKER_LATENT] if model.num_speakers > 1 else [])]


def cases(model: ModelConfig) -> list[Case]:
    """What is compared: short and long, slow and fast, with and without noise, the first and last speakers."""
    speakers: list[int | None] = [None]
    if model.num_speakers > 1:
        half = _SPEAKERS_CHECKED // 2
        first, last = range(min(half, model.num_speakers)), range(max(0, model.num_speakers - half), model.num_speakers)
        speakers = sorted({*first, *last})
    random = np.random.default_rng(0)
    found = []
    for speaker in speakers:
        for length, scales, noise in (
            (5, Scales(noise_scale=0.0, length_scale=1.0, noise_w=0.0), False),
            (43, Scales(noise_scale=0.0, length_scale=1.3, noise_w=0.0), False),
            (21, Scales(), True),
            (87, Scales(noise_scale=0.4, length_scale=0.75, noise_w=0.5), True),
        ):
            ids = tuple(int(number) for number in random.integers(0, model.num_symbols, length))
            found.append(Case(ids=ids, scales=scales, speaker=speaker, noise=noise))
    return found


def compare(generator: Synthesizer, voice: Speaks) -> Outcome:
    """Compare in every case, up to the first one that is not accepted."""
    largest, compared = 0.0, cases(generator.config)
    for number, case in enumerate(compared):
        difference, why = _compare(generator, voice, case, seed=number)
        largest = max(largest, difference)
        if why:
            return Outcome(compared=number + 1, largest=largest, why_not=f"{why} ({case.name})")
    return Outcome(compared=len(compared), largest=largest)


def _compare(generator: Synthesizer, voice: Speaks, case: Case, *, seed: int) -> tuple[float, str]:
    """The largest difference of one case, and empty or why it is not accepted."""
    made = MadeByTorch(generator, case, seed)
    noise = None
    if case.noise:
        drawn = [*([made.duration_noise] if generator.config.use_sdp else []), made.prior_noise]
        noise = [item.numpy() for item in drawn]
    try:
        by_onnx = voice.speak(_feed(case), noise)
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each of its status codes
        # Noise that does not fit the frames means other durations.
        return LARGEST_POSSIBLE, f"can't be run with the checkpoint's noise ({one_line(error)})"
    if made.audio.shape != by_onnx.shape:
        return LARGEST_POSSIBLE, f"speaks {by_onnx.size} samples where the checkpoint speaks {made.audio.size}"
    difference = float(np.abs(made.audio - by_onnx).max(initial=0.0))
    if not np.isfinite(difference):
        return LARGEST_POSSIBLE, "speaks samples that are no numbers"
    accepted = TOLERANCE * max(_QUIETEST, float(np.abs(made.audio).max(initial=0.0)))
    if difference > accepted:
        return difference, (
            f"differs from its checkpoint by {difference:.1e} of full scale; accepted is {accepted:.1e}, "
            f"{TOLERANCE:.0e} of the loudest sample"
        )
    return difference, ""


class MadeByTorch:
    """A case spoken by a generator, and the noise that it was made with."""

    def __init__(self, generator: Synthesizer, case: Case, seed: int) -> None:
        self._generator, self._case = generator, case
        self._random = torch.Generator().manual_seed(seed)
        self.duration_noise = torch.randn((1, 2, len(case.ids)), generator=self._random)
        # How many frames there are is known only after the durations; noise of one frame serves all until then.
        self.durations_B1T = self.latent(torch.zeros(1, 1, 1)).durations_B1T
        self.prior_noise = self.more_noise()
        self.audio = self.speak(generator, self.prior_noise)

    def more_noise(self) -> Tensor:
        """Noise [1, D, F] for another sample of the same sentence."""
        frames = max(1, int(self.durations_B1T.sum()))
        return torch.randn((1, self._generator.config.inter_channels, frames), generator=self._random)

    def latent(
        self, prior_noise: Tensor, *, generator: Synthesizer | None = None, durations_B1T: Tensor | None = None
    ) -> LatentSpeech:
        """Everything before the decoder; by another generator, or with given durations, if wanted."""
        case = self._case
        with torch.inference_mode():
            return (generator or self._generator).infer_latent(
                torch.tensor([case.ids]),
                torch.tensor([len(case.ids)]),
                case.scales.noise_scale,
                case.scales.length_scale,
                case.scales.noise_w,
                None if case.speaker is None else torch.tensor([case.speaker]),
                duration_noise_B2T=self.duration_noise,
                prior_noise_BDF=prior_noise,
                durations_B1T=durations_B1T,
            )

    def speak(self, generator: Synthesizer, prior_noise: Tensor) -> Samples:
        """Audio [S] by a generator, with the durations that the first one gave."""
        made = self.latent(prior_noise, generator=generator, durations_B1T=self.durations_B1T)
        with torch.inference_mode():
            audio = generator.decode(made.latent_BDF, made.frame_mask_B1F, made.speaker_BG1)
        samples: Samples = audio.numpy().reshape(-1)
        return samples


def _feed(case: Case) -> dict[str, Any]:
    scales = (case.scales.noise_scale, case.scales.length_scale, case.scales.noise_w)
    feed: dict[str, Any] = {
        "input": np.array([case.ids], dtype=np.int64),
        "input_lengths": np.array([len(case.ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    if case.speaker is not None:
        feed[SPEAKER_INPUT] = np.array([case.speaker], dtype=np.int64)
    return feed


def one_line(text: object) -> str:
    """What an error says, in one line that is not too long."""
    return " ".join(str(text).split())[:200]
