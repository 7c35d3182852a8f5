"""A foreign checkpoint as a clean one: Piper's layout, tensors and plain values, and nothing that anyone refuses."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence, Set
from pathlib import PurePath
from typing import Any

import numpy as np
import torch
from torch import Tensor

from core_vits.config import ModelConfig, piper_hyperparameters
from core_vits.descriptions import ITEM_BYTES

WARM_STARTS = ("vocoder_warmstart_ckpt", "warmstart_ckpt")
"""Paths that Piper would copy over the restored weights; a file that is to be resumed holds none."""

PIPER_HYPERPARAMETERS = frozenset(
    {
        *piper_hyperparameters(ModelConfig()), *WARM_STARTS, "n_layers_q", "learning_rate", "learning_rate_d", "betas",
        "betas_d", "eps", "lr_decay", "lr_decay_d", "init_lr_ratio", "warmup_epochs", "c_mel", "c_kl", "grad_clip",
        "mos_metric", "dataset", "batch_size", "_instantiator",
    }
)  # fmt: skip
"""What Piper's model takes; it refuses a file whose `hyper_parameters` hold anything else."""

DEEPEST = 60
_DROPPED = object()


def as_plain(value: object, left_out: list[str], place: str = "") -> Any:
    """Dictionaries with text or numbers as keys, lists, tensors, numbers, text and None.

    Args:
        value: of whatever kind; NumPy's numbers and arrays, paths, tuples and sets have a plain form.
        left_out: gets a line for each thing that has none.
        place: of the value in the file, for these lines.
    """
    plain = _plain(value, left_out, place, 0)
    return None if plain is _DROPPED else plain


def _plain(value: object, left_out: list[str], place: str, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float, str, bytes)):
        return _number_or_text(value)
    if isinstance(value, Tensor) and _is_usual(value):
        return value.detach().cpu().clone() if type(value) is not Tensor or value.requires_grad else value.cpu()
    if isinstance(value, np.generic):
        return _plain(value.item(), left_out, place, depth + 1)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        return torch.from_numpy(np.ascontiguousarray(value).astype(value.dtype.newbyteorder("="), copy=True))
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, argparse.Namespace):
        value = vars(value)
    if depth < DEEPEST:
        if isinstance(value, Mapping):
            return _plain_mapping(value, left_out, place, depth)
        if isinstance(value, (Sequence, Set)):
            items = (_plain(item, left_out, f"{place}[{index}]", depth + 1) for index, item in enumerate(value))
            return [item for item in items if item is not _DROPPED]
    left_out.append(f"{place or 'the file'} (a {type(value).__name__})")
    return _DROPPED


def _is_usual(tensor: Tensor) -> bool:
    """Whether it lies in memory of its own, as numbers of a kind that a checkpoint holds."""
    known = str(tensor.dtype).removeprefix("torch.") in ITEM_BYTES
    return known and tensor.layout == torch.strided and not tensor.is_quantized and tensor.device.type != "meta"


def _number_or_text(value: object) -> object:
    """Without what a subclass may add: `numpy.float64` is a float, and an enumeration's member may be a text."""
    kinds: tuple[Callable[[Any], object], ...] = (bool, int, float, str, bytes)
    for kind in kinds:
        if isinstance(value, kind):  # type: ignore[arg-type]  # all of them are types
            return kind(value)
    return None


def _plain_mapping(value: Mapping[Any, Any], left_out: list[str], place: str, depth: int) -> dict[Any, Any]:
    plain: dict[Any, Any] = {}
    for key, item in value.items():
        # The first Lightnings named callbacks by their class.
        name = key if isinstance(key, (int, str)) else getattr(key, "__name__", str(key))
        inside = _plain(item, left_out, f"{place}.{name}" if place else str(name), depth + 1)
        if inside is not _DROPPED:
            plain[_number_or_text(name)] = inside
    return plain


def piper_layout(payload: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A checkpoint that Piper and this program go on from.

    Args:
        payload: plain values and tensors.

    Returns:
        It, and the hyperparameters that were left out: Piper's first version had more than its model takes now.
    """
    parameters = payload.get("hyper_parameters")
    if not isinstance(parameters, Mapping):
        return dict(payload), []
    kept = {name: value for name, value in parameters.items() if name in PIPER_HYPERPARAMETERS}
    kept.update({name: None for name in (*WARM_STARTS, "dataset") if name in kept})
    left_out = [str(name) for name in parameters if name not in kept]
    return {**payload, "hyper_parameters": kept}, left_out
