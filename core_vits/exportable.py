"""The generator as other programs call it: whole, with the inputs and the output of a Piper voice, or in two parts.

The parts have the names that Piper's streaming export gave them: the encoder makes latent frames of phonemes, the
decoder audio of latent frames, of as many at a time as one likes (`core_vits.streaming`).

Legend: B utterances, T phonemes, D latent channels, F frames, S samples, G speaker embedding channels.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from core_vits.synthesizer import Synthesizer

INPUT_NAMES = ("input", "input_lengths", "scales")
SPEAKER_INPUT = "sid"
"""The fourth input, of multi-speaker voices only; programs find out by its presence."""
OUTPUT_NAME = "output"
LATENT_NAMES = ("z", "y_mask")
SPEAKER_LATENT = "g"
"""What the encoder hands the decoder beside the latent frames, in multi-speaker voices only."""

_EXAMPLE_LENGTH = 50
_SPEAKER_AXES = {SPEAKER_LATENT: {0: "batch_size"}}
_TEXT_AXES = {"input": {0: "batch_size", 1: "phonemes"}, "input_lengths": {0: "batch_size"}}
_LATENT_AXES = {name: {0: "batch_size", 2: "frames"} for name in LATENT_NAMES}


class Exportable(nn.Module, ABC):
    """A generator, or a part of it, whose arguments by position are the inputs of a graph."""

    input_names: list[str]
    output_names: list[str]
    axes: Mapping[str, Mapping[int, str]]
    """Names of the axes whose length may be any, by input or output."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__()
        self.generator = generator
        self.multi_speaker = generator.config.num_speakers > 1

    @abstractmethod
    def example(self) -> tuple[Tensor, ...]:
        """Inputs to trace with; their values do not matter, for nothing in the graph depends on values."""


class _ReadsText(Exportable):
    """What begins with phonemes."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__(generator)
        self.input_names = [*INPUT_NAMES, *([SPEAKER_INPUT] if self.multi_speaker else [])]

    def example(self) -> tuple[Tensor, ...]:
        """Ids, lengths, scales, and a speaker if there are several."""
        ids = torch.arange(_EXAMPLE_LENGTH) % self.generator.config.num_symbols
        speaker = (torch.tensor([0]),) if self.multi_speaker else ()
        return (ids.unsqueeze(0), torch.tensor([_EXAMPLE_LENGTH]), torch.tensor([0.667, 1.0, 0.8]), *speaker)


class ExportableGenerator(_ReadsText):
    """The whole: phonemes to audio."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__(generator)
        self.output_names = [OUTPUT_NAME]
        self.axes = {**_TEXT_AXES, OUTPUT_NAME: {0: "batch_size", 3: "samples"}}

    def forward(
        self, ids_BT: Tensor, lengths_B: Tensor, scales_3: Tensor, speaker_ids_B: Tensor | None = None
    ) -> Tensor:
        """Speak.

        Args:
            ids_BT: int64 phoneme ids, zero-padded.
            lengths_B: int64, ids per utterance.
            scales_3: float32: noise scale, length scale, noise scale of the durations.
            speaker_ids_B: int64 of length B or 1; for multi-speaker voices.

        Returns:
            Audio [B, 1, 1, S], full scale = 1. The axis of length 1 too many is Piper's; programs squeeze it away.
        """
        spoken = self.generator.infer(ids_BT, lengths_B, scales_3[0], scales_3[1], scales_3[2], speaker_ids_B)
        return spoken.audio_B1S.unsqueeze(1)


class ExportableEncoder(_ReadsText):
    """The first part: phonemes to latent frames."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__(generator)
        self.output_names = [*LATENT_NAMES, *([SPEAKER_LATENT] if self.multi_speaker else [])]
        self.axes = {**_TEXT_AXES, **_LATENT_AXES, **(_SPEAKER_AXES if self.multi_speaker else {})}

    def forward(
        self, ids_BT: Tensor, lengths_B: Tensor, scales_3: Tensor, speaker_ids_B: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The arguments of the whole generator; latent [B, D, F], mask [B, 1, F], and a speaker [B, G, 1]."""
        made = self.generator.infer_latent(ids_BT, lengths_B, scales_3[0], scales_3[1], scales_3[2], speaker_ids_B)
        speaker = () if made.speaker_BG1 is None else (made.speaker_BG1,)
        return (made.latent_BDF * made.frame_mask_B1F, made.frame_mask_B1F, *speaker)


class ExportableDecoder(Exportable):
    """The second part: latent frames to audio."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__(generator)
        self.input_names = [*LATENT_NAMES, *([SPEAKER_LATENT] if self.multi_speaker else [])]
        self.output_names = [OUTPUT_NAME]
        speaker_axes = _SPEAKER_AXES if self.multi_speaker else {}
        self.axes = {**_LATENT_AXES, **speaker_axes, OUTPUT_NAME: {0: "batch_size", 2: "samples"}}

    def example(self) -> tuple[Tensor, ...]:
        """Latent frames, their mask, and a speaker if there are several."""
        config = self.generator.config
        latent = torch.zeros(1, config.inter_channels, _EXAMPLE_LENGTH)
        speaker = (torch.zeros(1, config.gin_channels, 1),) if self.multi_speaker else ()
        return (latent, torch.ones(1, 1, _EXAMPLE_LENGTH), *speaker)

    def forward(self, latent_BDF: Tensor, frame_mask_B1F: Tensor, speaker_BG1: Tensor | None = None) -> Tensor:
        """Audio [B, 1, S], S = F * hop length, full scale = 1."""
        return self.generator.decode(latent_BDF, frame_mask_B1F, speaker_BG1)
