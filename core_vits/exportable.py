"""The generator as other programs call it: the inputs and the output of a Piper voice.

Legend: B utterances, T phonemes, S samples.
"""

from __future__ import annotations

from torch import Tensor, nn

from core_vits.synthesizer import Synthesizer

INPUT_NAMES = ("input", "input_lengths", "scales")
SPEAKER_INPUT = "sid"
"""The fourth input, of multi-speaker voices only; programs find out by its presence."""
OUTPUT_NAME = "output"


class ExportableGenerator(nn.Module):
    """Wraps a generator so that its arguments by position are a Piper voice's inputs."""

    def __init__(self, generator: Synthesizer) -> None:
        super().__init__()
        self.generator = generator

    @property
    def input_names(self) -> list[str]:
        """Names of the inputs, in order."""
        return [*INPUT_NAMES, *([SPEAKER_INPUT] if self.generator.config.num_speakers > 1 else [])]

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
