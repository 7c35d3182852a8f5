"""Where training computes, and what several processes of one run must agree on.

Models are not wrapped: each rank averages its gradients before the optimizer steps. A wrapper for a game of two
optimizers reduces every parameter in every backward pass, twice the traffic that is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.exceptions import MisconfigurationException
from torch import nn

from core_vits.config import ModelConfig
from core_vits.train.errors import TrainingError
from core_vits.train.settings import TrainSettings

SHORTEST_CHANNELS_WORTH_A_THREAD = 64
"""Hidden channels below which training computes on one thread."""


def make_fabric(settings: TrainSettings) -> Fabric:
    """The device, precision and process group of a run.

    Raises:
        TrainingError: this machine does not have the device, or it can't compute in this precision.
    """
    accelerator = settings.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    strategy = "ddp" if settings.devices > 1 else "auto"
    if accelerator in {"cuda", "gpu"} and not torch.cuda.is_available():
        raise TrainingError(
            f"accelerator is {accelerator}, but torch {torch.__version__} finds no CUDA GPU here. "
            'Set accelerator to "cpu" or "auto" in [training], or mend the driver (nvidia-smi)'
        )
    try:
        fabric = Fabric(
            accelerator=accelerator, devices=settings.devices, strategy=strategy, precision=settings.precision
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise TrainingError(
            f"accelerator {settings.accelerator}, devices {settings.devices} and precision {settings.precision} "
            f"can't be used here: {said}. Change them in [training]"
        ) from error
    fabric.launch()
    if accelerator == "cuda":
        # As Piper: ten bits of mantissa are enough everywhere but in the blocks that ask for full precision.
        torch.backends.cuda.matmul.fp32_precision = "tf32"
    return fabric


def compute_threads(config: ModelConfig, cores: int) -> int:
    """CPU threads to train this model with.

    The operations of a narrow model are so short that handing half of one to another thread costs more than it saves: a
    step of `tiny` took 0.4 s on one thread and 0.9 s on two.
    """
    return 1 if config.hidden_channels < SHORTEST_CHANNELS_WORTH_A_THREAD else max(1, cores)


def average_gradients(fabric: Fabric, parameters: Iterable[nn.Parameter]) -> None:
    """Give every rank the mean of all ranks' gradients, in one transfer; nothing to do for a single process."""
    if fabric.world_size == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    mean = fabric.all_reduce(flat, reduce_op="mean")
    parts = mean.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def agree(fabric: Fabric, flag: bool) -> bool:
    """Whether any rank raised its flag; the same answer everywhere, so that all ranks leave at the same step."""
    if fabric.world_size == 1:
        return flag
    raised = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    return bool(raised.item() > 0)


def at_most_every(seconds: float, question: Callable[[], bool], clock: Callable[[], float]) -> Callable[[], bool]:
    """A question that may be asked after every step, but looks only now and then; once yes, always yes."""
    asked = float("-inf")
    answer = False

    def ask() -> bool:
        nonlocal asked, answer
        now = clock()
        if not answer and now - asked >= seconds:
            asked = now
            answer = question()
        return answer

    return ask
