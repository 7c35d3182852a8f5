"""Optimizers and learning rates of both sides of the game."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import ExponentialLR

from core_vits.errors import CheckpointFileError
from core_vits.train.settings import ADAM_EPSILON, BETAS, BETAS_D, WEIGHT_DECAY, TrainSettings

# How an optimizer computes is this machine's business; a file must not carry it to another one.
_IMPLEMENTATION = ("fused", "foreach", "capturable", "differentiable")


class Optimization:
    """Two AdamW optimizers with exponentially decaying learning rates, in Piper's order: generator, discriminators.

    Piper sets the decay up too but never applies it; here each epoch really lowers the rates.
    """

    def __init__(
        self, generator: Iterable[nn.Parameter], judges: Iterable[nn.Parameter], settings: TrainSettings
    ) -> None:
        self.generator = _adamw(generator, settings.learning_rate, BETAS)
        self.judges = _adamw(judges, settings.learning_rate_d, BETAS_D)
        self.schedulers = (
            ExponentialLR(self.generator, settings.lr_decay),
            ExponentialLR(self.judges, settings.lr_decay_d),
        )

    @property
    def optimizers(self) -> tuple[AdamW, AdamW]:
        """Generator's and discriminators' optimizer."""
        return self.generator, self.judges

    def learning_rates(self) -> dict[str, float]:
        """Rates of this moment by side: `g` and `d`."""
        return {"g": self.generator.param_groups[0]["lr"], "d": self.judges.param_groups[0]["lr"]}

    def end_epoch(self) -> None:
        """Lower the rates."""
        with warnings.catch_warnings():
            # A run that is resumed exactly at the end of an epoch has not made an optimizer step in this process.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            for scheduler in self.schedulers:
                scheduler.step()

    def optimizer_states(self) -> list[dict[str, Any]]:
        """As a checkpoint holds them."""
        states = []
        for optimizer in self.optimizers:
            state = optimizer.state_dict()
            groups = [{**group, "fused": None, "foreach": None} for group in state["param_groups"]]
            states.append({**state, "param_groups": groups})
        return states

    def scheduler_states(self) -> list[dict[str, Any]]:
        """As a checkpoint holds them."""
        return [scheduler.state_dict() for scheduler in self.schedulers]

    def restore(self, payload: Mapping[str, Any]) -> None:
        """Take over moments, rates and decay from a checkpoint of ours or Piper's.

        Raises:
            CheckpointFileError: the states belong to other parameters.
        """
        states = payload.get("optimizer_states", [])
        if len(states) != len(self.optimizers):
            raise CheckpointFileError(f"holds {len(states)} optimizer states, {len(self.optimizers)} are wanted")
        for optimizer, state in zip(self.optimizers, states, strict=True):
            _restore_optimizer(optimizer, state)
        schedulers = payload.get("lr_schedulers", [])
        for scheduler, state in zip(self.schedulers, schedulers, strict=False):
            scheduler.load_state_dict(dict(state))


def _adamw(parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float]) -> AdamW:
    # Fused: some 800 small tensors are stepped in one call, on a CPU in a third of the time.
    return AdamW(parameters, lr=rate, betas=betas, eps=ADAM_EPSILON, weight_decay=WEIGHT_DECAY, fused=True)


def _restore_optimizer(optimizer: AdamW, state: Mapping[str, Any]) -> None:
    """Load one optimizer's state, keeping how this machine computes.

    Raises:
        CheckpointFileError: it does not fit.
    """
    here = optimizer.param_groups[0]
    ours = {name: here[name] for name in _IMPLEMENTATION if name in here}
    try:
        groups = [{**here, **group, **ours} for group in state["param_groups"]]
        for group in groups:
            group["betas"] = tuple(group["betas"])
        optimizer.load_state_dict({"state": state["state"], "param_groups": groups})
        for parameter, moments in optimizer.state.items():
            if moments["exp_avg"].shape != parameter.shape:
                raise CheckpointFileError("the optimizer state belongs to a model of another size")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointFileError(f"the optimizer state does not fit this model ({error})") from error


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Euclidean norm over all gradients, a 0-dim tensor on their device; parameters without a gradient count 0."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
