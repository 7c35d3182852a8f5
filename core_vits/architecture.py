"""The architecture of a model, read from its weights.

Piper's `hyper_parameters` are not to be trusted alone: a legacy file names them differently, a user may have edited
them, and an exported archive has none. The shapes of the tensors can't lie. What no shape shows (dilations, upsample
rates, sample rate, segment size, dropout) comes from the hyperparameters if they are given and fit, else from Piper's
presets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields, replace
from math import prod
from typing import Any

from torch import Tensor

from core_vits.config import PRESETS, ConfigError, ModelConfig, model_config_from_piper
from core_vits.errors import CheckpointFileError

_RESBLOCK_DILATIONS: Mapping[str, tuple[tuple[int, ...], ...]] = {
    "1": ((1, 3, 5), (1, 3, 5), (1, 3, 5)),
    "2": ((1, 2), (2, 6), (3, 12)),
}
"""Dilations of the presets: `high` uses block 1, the others block 2 (Kong et al. 2020, HiFi-GAN V1 and V3)."""
_FULL_PERIOD_WIDTH = 32
"""Output channels of the first convolution of each period discriminator at full width."""
QUALITY_FIELDS = (
    "inter_channels", "hidden_channels", "filter_channels", "n_heads", "n_layers", "kernel_size", "resblock",
    "resblock_kernel_sizes", "resblock_dilation_sizes", "upsample_rates", "upsample_initial_channel",
    "upsample_kernel_sizes", "posterior_layers", "flow_layers", "use_sdp", "use_spectral_norm",
    "discriminator_width_divisor",
)  # fmt: skip
"""What makes a quality; speakers, symbols, the sample rate and what is only a matter of training do not."""


def quality_of(config: ModelConfig) -> str:
    """The preset that an architecture is, or "" when it is none.

    `low` and `medium` differ in their sample rate alone; any other rate than that of `low` counts as `medium`.
    """
    fitting = [name for name, preset in PRESETS.items() if not different_fields(config, preset)]
    exact = [name for name in fitting if PRESETS[name].audio.sample_rate == config.audio.sample_rate]
    return (exact or fitting[::-1] or [""])[0]


def different_fields(one: ModelConfig, other: ModelConfig) -> tuple[str, ...]:
    """In which of `QUALITY_FIELDS` two architectures differ."""
    return tuple(name for name in QUALITY_FIELDS if getattr(one, name) != getattr(other, name))


def architecture_from_state_dict(
    state: Mapping[str, Tensor], hyper_parameters: Mapping[str, Any] | None = None
) -> ModelConfig:
    """Read the architecture from tensor shapes.

    Args:
        state: tensors named as in a checkpoint, with the prefixes `model_g.`, `model_d.` and `model_mrd.`; the
            discriminators may be missing.
        hyper_parameters: as a checkpoint holds them; only what the shapes can't show is taken from them.

    Raises:
        CheckpointFileError: these are not the tensors of a Piper model; names the tensor that is missing or odd.
    """
    try:
        known = model_config_from_piper({k: v for k, v in (hyper_parameters or {}).items() if _is_plain(v)})
    except (ConfigError, RecursionError):
        known = ModelConfig()  # hyperparameters that contradict one another: the shapes decide
    shapes = {key: tuple(value.shape) for key, value in state.items()}
    try:
        return _from_shapes(shapes, known)
    except KeyError as error:
        raise CheckpointFileError(f"not a Piper model: the tensor {error.args[0]!r} is missing") from None
    except (ConfigError, IndexError, ValueError, ZeroDivisionError) as error:
        raise CheckpointFileError(f"not a Piper model: {' '.join(str(error).split())}") from None


def _is_plain(value: object) -> bool:
    """Whether it can be a hyperparameter: a tensor, say, would be compared with numbers later and fail there."""
    if isinstance(value, list | tuple):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, str | bool | int | float)


def _from_shapes(shapes: Mapping[str, tuple[int, ...]], known: ModelConfig) -> ModelConfig:
    """The configuration; KeyError names a tensor that is missing."""
    hidden = shapes["model_g.enc_p.emb.weight"][1]
    head_width = shapes["model_g.enc_p.encoder.attn_layers.0.emb_rel_k"][2]
    feed_forward = shapes["model_g.enc_p.encoder.ffn_layers.0.conv_1.weight"]
    bins = shapes["model_g.enc_q.pre.weight"][1]
    speakers = shapes.get("model_g.emb_g.weight", (1, 0))
    found: dict[str, Any] = {
        "num_symbols": shapes["model_g.enc_p.emb.weight"][0],
        "num_speakers": speakers[0],
        "gin_channels": speakers[1],
        "inter_channels": shapes["model_g.enc_p.proj.weight"][0] // 2,
        "hidden_channels": hidden,
        "filter_channels": feed_forward[0],
        "kernel_size": feed_forward[2],
        "n_heads": hidden // head_width,
        "n_layers": _count(shapes, "model_g.enc_p.encoder.attn_layers"),
        "posterior_layers": _count(shapes, "model_g.enc_q.enc.in_layers"),
        "flow_layers": _count(shapes, "model_g.flow.flows.0.enc.in_layers"),
        "use_sdp": "model_g.dp.flows.0.m" in shapes,
        "use_spectral_norm": "model_d.discriminators.0.convs.0.weight_orig" in shapes,
        "use_mrd": any(key.startswith("model_mrd.") for key in shapes),
        "discriminator_width_divisor": _discriminator_divisor(shapes),
        **_decoder(shapes, known),
    }
    if bins != known.audio.spectrogram_bins:
        length = 2 * (bins - 1)
        found["audio"] = replace(known.audio, filter_length=length, win_length=length)
    else:
        found["audio"] = known.audio
    kept = {field.name: getattr(known, field.name) for field in fields(known)}
    return ModelConfig(**{**kept, **found})


def _decoder(shapes: Mapping[str, tuple[int, ...]], known: ModelConfig) -> dict[str, Any]:
    stages = _count(shapes, "model_g.dec.ups")
    kernels = tuple(_weight(shapes, f"model_g.dec.ups.{stage}")[2] for stage in range(stages))
    per_stage = _count(shapes, "model_g.dec.resblocks") // stages
    block = "1" if any(key.startswith("model_g.dec.resblocks.0.convs1.") for key in shapes) else "2"
    first = "convs1" if block == "1" else "convs"
    sizes = tuple(_weight(shapes, f"model_g.dec.resblocks.{index}.{first}.0")[2] for index in range(per_stage))
    dilations = known.resblock_dilation_sizes
    if block != known.resblock or len(dilations) != per_stage:
        dilations = _RESBLOCK_DILATIONS[block][:per_stage]
    rates = known.upsample_rates
    if kernels != known.upsample_kernel_sizes:
        # Every preset has kernels of twice the rate; a file that has not must bring its hyperparameters.
        rates = tuple(kernel // 2 for kernel in kernels)
        if prod(rates) != known.audio.hop_length:
            raise ValueError(f"upsample kernels {kernels} fit no known upsample rates")
    return {
        "resblock": block,
        "resblock_kernel_sizes": sizes,
        "resblock_dilation_sizes": dilations,
        "upsample_rates": rates,
        "upsample_kernel_sizes": kernels,
        "upsample_initial_channel": shapes["model_g.dec.conv_pre.weight"][0],
    }


def _weight(shapes: Mapping[str, tuple[int, ...]], module: str) -> tuple[int, ...]:
    """Shape of a convolution's weight, with weight norm or with the norm folded in."""
    folded = shapes.get(f"{module}.weight")
    return folded if folded is not None else shapes[f"{module}.weight_v"]


def _discriminator_divisor(shapes: Mapping[str, tuple[int, ...]]) -> int:
    name = "model_d.discriminators.1.convs.0.bias"
    return _FULL_PERIOD_WIDTH // shapes[name][0] if name in shapes else 1


def _count(shapes: Mapping[str, tuple[int, ...]], prefix: str) -> int:
    """How many numbered modules a list has.

    Raises:
        KeyError: it has none.
        ValueError: there are gaps: a name with a large number must not make a large model.
    """
    number = re.compile(re.escape(prefix) + r"\.(\d+)\.")
    indices = {int(match.group(1)) for key in shapes if (match := number.match(key))}
    if not indices:
        raise KeyError(f"{prefix}.0")
    if max(indices) >= len(indices):
        raise ValueError(f"{prefix} has {len(indices)} parts, and one of them the number {max(indices)}")
    return len(indices)
