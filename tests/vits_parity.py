"""What the parity tests share: the peer's recorded arrays and checkpoints, and how closeness is measured."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from core_vits.config import ModelConfig, model_config_from_piper
from core_vits.discriminators import MultiResolutionDiscriminator, WaveformDiscriminator
from core_vits.synthesizer import Synthesizer


@dataclass(frozen=True, kw_only=True)
class PeerRun:
    """A run of the peer: its checkpoint as modules of ours, and the arrays it recorded in one step."""

    arrays: dict[str, NDArray[Any]]
    checkpoint: dict[str, Any]
    config: ModelConfig
    synthesizer: Synthesizer
    waveform: WaveformDiscriminator
    resolution: MultiResolutionDiscriminator | None

    def tensor(self, name: str) -> Tensor:
        """A recorded array as a tensor."""
        return torch.from_numpy(self.arrays[name])


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file."""
    with np.load(path) as archive:
        return {name: archive[name] for name in archive.files}


def load_peer_run(shared: Path, name: str) -> PeerRun:
    """`name` is minid, minid_ms or minid_mrd; modules are in eval mode, as the recording was."""
    checkpoint = torch.load(shared / f"fixtures/run_{name}/last.ckpt", weights_only=True)
    # Those runs used a discriminator 16 times narrower than the peer's.
    config = replace(model_config_from_piper(checkpoint["hyper_parameters"]), discriminator_width_divisor=16)
    synthesizer, waveform = Synthesizer(config), WaveformDiscriminator(config)
    resolution = MultiResolutionDiscriminator() if config.use_mrd else None
    load_prefixed(synthesizer, checkpoint["state_dict"], "model_g.")
    load_prefixed(waveform, checkpoint["state_dict"], "model_d.")
    if resolution is not None:
        load_prefixed(resolution, checkpoint["state_dict"], "model_mrd.")
    return PeerRun(
        arrays=read_arrays(shared / f"fixtures/parity/{name}_step.npz"),
        checkpoint=checkpoint,
        config=config,
        synthesizer=synthesizer.eval(),
        waveform=waveform.eval(),
        resolution=resolution.eval() if resolution is not None else None,
    )


def load_prefixed(module: nn.Module, state: dict[str, Tensor], prefix: str) -> None:
    """Strictly load the entries under a prefix; their order must be that of the module, too."""
    part = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    assert list(part) == list(module.state_dict())
    module.load_state_dict(part, strict=True)


def formula_tensor(key: str, shape: torch.Size) -> Tensor:
    """The weight that a formula of name and shape gives; described in the fixtures' README."""
    count = shape.numel()
    index = np.arange(count, dtype=np.uint64)
    mixed = (index * np.uint64(2654435761) + np.uint64(zlib.crc32(key.encode()))) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(16)
    mixed = (mixed * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    mixed ^= mixed >> np.uint64(16)
    base = mixed.astype(np.float64) / 2.0**31 - 1.0
    last = key.rsplit(".", 1)[-1]
    if last == "weight_g":
        values = 0.8 + 0.2 * base
    elif last == "gamma":
        values = 1.0 + 0.1 * base
    elif last in ("beta", "bias", "m", "logs"):
        values = 0.05 * base
    else:
        values = base * np.sqrt(3.0) / np.sqrt(max(1, count // shape[0]))
    return torch.from_numpy(values.astype(np.float32)).reshape(shape)


def fill_by_formula(module: nn.Module, prefix: str) -> None:
    """Give every parameter the formula's value for its full checkpoint key."""
    with torch.no_grad():
        for key, parameter in module.named_parameters():
            parameter.copy_(formula_tensor(prefix + key, parameter.shape))


def deviation(actual: Tensor | NDArray[Any], expected: NDArray[Any]) -> float:
    """Largest difference, relative to the largest expected magnitude."""
    ours = actual.detach().numpy() if isinstance(actual, Tensor) else actual
    assert ours.shape == expected.shape, f"shape {ours.shape}, recorded {expected.shape}"
    scale = max(float(np.abs(expected).max()), 1e-12)
    return float(np.abs(ours.astype(np.float64) - expected).max()) / scale
