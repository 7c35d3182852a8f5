"""Generator and discriminators as one thing, named as in a checkpoint."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from core_vits.architecture import architecture_from_state_dict
from core_vits.config import ModelConfig
from core_vits.discriminators import MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.errors import CheckpointFileError
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

    def restore(self, payload: Mapping[str, Any]) -> bool:
        """Take over the weights of a checkpoint.

        Returns:
            False when the file has a generator only, so that the discriminators begin anew.

        Raises:
            CheckpointFileError: it holds a model of another architecture; names the first difference.
        """
        state: Mapping[str, Tensor] = payload["state_dict"]
        complete = any(key.startswith("model_d.") for key in state)
        own = self.state_dict()
        wanted = own if complete else {key: own[key] for key in own if key.startswith("model_g.")}
        difference = _first_difference(wanted, state)
        if difference:
            raise CheckpointFileError(_other_architecture(payload, self.config, difference))
        self.load_state_dict({**own, **{key: state[key] for key in wanted}})
        return complete

    def all_finite(self) -> bool:
        """Whether every weight is a finite number; one transfer from the device."""
        flags = [torch.isfinite(value).all() for value in self.state_dict().values() if value.is_floating_point()]
        return bool(torch.stack(flags).all().item())


def _first_difference(wanted: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> str:
    for key, value in wanted.items():
        if key not in found:
            return f"the tensor {key} is missing"
        if found[key].shape != value.shape:
            return f"the tensor {key} has the shape {tuple(found[key].shape)}, {tuple(value.shape)} is wanted"
    extra = next((key for key in found if key not in wanted), None)
    return f"the tensor {extra} has no place in this model" if extra else ""


def _other_architecture(payload: Mapping[str, Any], config: ModelConfig, difference: str) -> str:
    """The first difference and what the file is instead, as far as that can be told."""
    try:
        found = architecture_from_state_dict(payload["state_dict"], payload.get("hyper_parameters"))
    except CheckpointFileError as error:
        return f"{error}. Choose a checkpoint of a training run of this voice"  # that tells a missing tensor already
    names = ("hidden_channels", "upsample_initial_channel", "resblock", "num_speakers", "num_symbols", "use_mrd",
             "discriminator_width_divisor")  # fmt: skip
    differences = [
        f"{name} {getattr(found, name)} instead of {getattr(config, name)}"
        for name in names
        if getattr(found, name) != getattr(config, name)
    ]
    made = f"The file was made with {', '.join(differences)}" if differences else "Choose a checkpoint of this model"
    return f"{difference}. {made}"
