"""One step of the real training and one without shortcuts out of the same state: weights, moments, batch and draws.

Two trainings that differ by rounding drift apart, and how far says little. From the same state nothing has drifted yet:
what differs is this one step. Its measure is a third step out of that state, plain as well, whose convolutions add up
in another order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from plain_training import CURVES, batches, new_models, other_kernels, plain_step, real_step
from torch import Tensor, nn

from core_vits.config import ModelConfig
from core_vits.train.models import VoiceModels


@dataclass(frozen=True, kw_only=True)
class Distances:
    """Of a step from the plain one out of the same state, relative to it."""

    loss: float
    """The largest of the curves."""
    gradients_g: float
    """Length of the difference of all gradients of the generator."""
    gradients_d: float
    weights_g: float
    """Likewise of its weights after the step."""
    weights_d: float


def one_step_apart(config: ModelConfig, steps: int, every: int) -> Iterator[tuple[int, Distances, Distances]]:
    """Train plainly; at every so many steps, give number, our distance and that of the other order of addition."""
    plain_models, real_models, other_models = (new_models(config) for _ in range(3))
    plain, other = plain_step(plain_models), plain_step(other_models)
    real, optimization = real_step(real_models)
    for number, batch in enumerate(batches(config, steps)):
        if number % every:
            torch.manual_seed(number)
            plain.train(batch)
            continue
        for models, optimizers in (
            (real_models, optimization.optimizers),
            (other_models, (other.generator, other.judges)),
        ):
            models.load_state_dict(plain_models.state_dict())
            for theirs, ours in zip((plain.generator, plain.judges), optimizers, strict=True):
                _copy_moments(theirs, ours)
        torch.manual_seed(number)
        losses = plain.train(batch)
        torch.manual_seed(number)
        of_real = real.train(batch, with_norms=False)
        with other_kernels():
            torch.manual_seed(number)
            of_other = other.train(batch)
        yield (
            number,
            _distances(real_models, of_real, plain_models, losses),
            _distances(other_models, of_other, plain_models, losses),
        )


def _copy_moments(source: torch.optim.Optimizer, target: torch.optim.Optimizer) -> None:
    for theirs, ours in zip(source.param_groups[0]["params"], target.param_groups[0]["params"], strict=True):
        target.state[ours] = {name: value.clone() for name, value in source.state.get(theirs, {}).items()}
        if not target.state[ours]:
            del target.state[ours]


def _distances(
    models: VoiceModels,
    losses: dict[str, Tensor],
    plain: VoiceModels,
    plain_losses: dict[str, Tensor],
) -> Distances:
    def far(value: str, side: str) -> float:
        one, other = (_flat(value, side, of) for of in (models, plain))
        return float((one - other).norm() / other.norm())

    return Distances(
        loss=max(abs(losses[name].item() / plain_losses[name].item() - 1) for name in CURVES),
        gradients_g=far("gradient", "model_g"),
        gradients_d=far("gradient", "model_d"),
        weights_g=far("weight", "model_g"),
        weights_d=far("weight", "model_d"),
    )


def _flat(value: str, side: str, models: VoiceModels) -> Tensor:
    def of(parameter: nn.Parameter) -> Tensor:
        if value == "weight":
            return parameter.detach().double()
        return (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad).double()

    named = models.named_parameters()
    return torch.cat([of(parameter).flatten() for name, parameter in named if name.startswith(f"{side}.")])
