"""Optimizers and learning rates of both sides of the game."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
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

    def allocate_moments(self) -> None:
        """Make the moments that Adam would make in its first step; those that are there stay.

        So a step allocates nothing, and a training that has no room for them ends before it begins.
        """
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                counts_on_device = group["fused"] or group["capturable"]
                for parameter in group["params"]:
                    if parameter not in optimizer.state:
                        optimizer.state[parameter] = _no_moments(parameter, counts_on_device=counts_on_device)

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

    def set_rate(self, number: int, rate: float, decay: float, schedulers: object = None) -> None:
        """Give one optimizer its learning rate.

        Args:
            number: 0 generator, 1 discriminators.
            rate: from now on.
            decay: factor after each epoch.
            schedulers: states as a checkpoint holds them, for the count of epochs alone: what they say about rate and
                decay is not used, for in files of Piper it was never applied, and the settings may have changed.
        """
        optimizer, scheduler = self.optimizers[number], self.schedulers[number]
        for group in optimizer.param_groups:
            group["lr"] = rate
        scheduler.gamma = decay
        scheduler._last_lr = [rate] * len(optimizer.param_groups)
        if isinstance(schedulers, Sequence) and len(schedulers) > number and isinstance(schedulers[number], Mapping):
            epochs = schedulers[number].get("last_epoch")
            if isinstance(epochs, int) and epochs >= 0:
                scheduler.last_epoch = epochs
                scheduler._step_count = epochs + 1

    def load_moments(self, number: int, moments: Mapping[int, Mapping[str, Any]], group: Mapping[str, Any]) -> None:
        """Take over one optimizer's moments and constants.

        Args:
            number: 0 generator, 1 discriminators.
            moments: by the index of the parameter; one that is missing begins anew.
            group: constants (betas, eps, weight decay) as a checkpoint holds them.

        Raises:
            CheckpointFileError: they belong to other parameters, or the constants make no sense.
        """
        _restore_optimizer(self.optimizers[number], moments, group)


def _no_moments(parameter: Tensor, *, counts_on_device: bool) -> dict[str, Tensor]:
    # Written to, not `zeros_like`: a CPU's memory is only taken when it is written to.
    moments = {
        name: torch.empty_like(parameter, memory_format=torch.preserve_format).zero_()
        for name in ("exp_avg", "exp_avg_sq")
    }
    device = parameter.device if counts_on_device else None
    return {"step": torch.zeros((), dtype=torch.float32, device=device), **moments}


def _adamw(parameters: Iterable[nn.Parameter], rate: float, betas: tuple[float, float]) -> AdamW:
    # Fused: some 800 small tensors are stepped in one call, on a CPU in a third of the time.
    return AdamW(parameters, lr=rate, betas=betas, eps=ADAM_EPSILON, weight_decay=WEIGHT_DECAY, fused=True)


def _restore_optimizer(optimizer: AdamW, moments: Mapping[int, Mapping[str, Any]], stored: Mapping[str, Any]) -> None:
    """Load one optimizer's state, keeping how this machine computes and which parameters there are.

    Raises:
        CheckpointFileError: it does not fit.
    """
    here = optimizer.param_groups[0]
    ours = {name: here[name] for name in (*_IMPLEMENTATION, "lr", "amsgrad", "maximize") if name in here}
    count = len(here["params"])
    try:
        group = {**here, **stored, **ours, "params": list(range(count))}
        group["betas"] = tuple(group["betas"])
        _check_constants(group)
        optimizer.load_state_dict({"state": dict(moments), "param_groups": [group]})
        for parameter, state in optimizer.state.items():
            if state["exp_avg"].shape != parameter.shape or state["exp_avg_sq"].shape != parameter.shape:
                raise CheckpointFileError("the optimizer state belongs to a model of another size")
            state["step"] = torch.as_tensor(state["step"], dtype=torch.float32, device=parameter.device)
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise CheckpointFileError(f"the optimizer state does not fit this model ({error})") from error


def _check_constants(group: Mapping[str, Any]) -> None:
    """
    Raises:
        ValueError: AdamW would take them, and compute nonsense.
    """
    first, second = group["betas"]
    if not (0 <= first < 1 and 0 <= second < 1 and group["eps"] >= 0 and 0 <= group["weight_decay"] < 1):
        raise ValueError(f"betas {group['betas']}, eps {group['eps']}, weight decay {group['weight_decay']}")


def gradient_norm(parameters: Iterable[nn.Parameter]) -> Tensor:
    """Euclidean norm over all gradients, a 0-dim tensor on their device; parameters without a gradient count 0."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
