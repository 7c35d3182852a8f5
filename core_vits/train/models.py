"""Generator and discriminators as one thing, named as in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import nn

from core_vits.config import ModelConfig
from core_vits.discriminators import MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.synthesizer import Synthesizer


class VoiceModels(nn.Module):
    """The players of the game. Attribute names are the prefixes of Piper's checkpoints."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.model_g = Synthesizer(config)
        self.model_d = WaveformDiscriminator(config)
        if config.use_mrd:
            self.model_mrd = MultiResolutionDiscriminator()

    @property
    def resolution(self) -> MultiResolutionDiscriminator | None:
        """The multi-resolution discriminator, if the model has one."""
        return self.model_mrd if self.config.use_mrd else None

    def judges(self) -> Iterator[nn.Parameter]:
        """Parameters of all discriminators, in the order of Piper's second optimizer."""
        yield from self.model_d.parameters()
        if self.config.use_mrd:
            yield from self.model_mrd.parameters()

    def all_finite(self) -> bool:
        """Whether every weight is a finite number; one transfer from the device."""
        flags = [torch.isfinite(value).all() for value in self.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack(flags).all().item())
