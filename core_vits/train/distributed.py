"""Where training computes: the device, the precision, and the processes that train together.

Processes are never started here. A launcher starts them, each with its number in the environment (as torchrun does),
and they meet either as torchrun says or over the file that `MEETING` names.

Models are not wrapped: `core_vits.train.ranks` averages gradients. A wrapper for a game of two optimizers reduces every
parameter in every backward pass, twice the traffic that is needed.
"""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
import torch.distributed
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments import LightningEnvironment, TorchElasticEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from core_vits.config import ModelConfig
from core_vits.train.errors import TrainingError
from core_vits.train.ranks import PATIENCE
from core_vits.train.settings import TrainSettings

MEETING = "VOICE_WORKBENCH_MEETING"
"""Environment variable: a file, not there yet, by which the processes of one machine find each other. Unlike a port it
can't be taken by someone else between the choice and the use."""

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
    if accelerator in {"cuda", "gpu"} and not torch.cuda.is_available():
        raise TrainingError(
            f"accelerator is {accelerator}, but torch {torch.__version__} finds no CUDA GPU here. "
            'Set accelerator to "cpu" or "auto" in [training], or mend the driver (nvidia-smi)'
        )
    by_torchrun = TorchElasticEnvironment.detect()
    try:
        if settings.devices > 1 and not by_torchrun:
            _meet(settings.devices, accelerator)
        fabric = Fabric(
            accelerator=accelerator,
            devices=settings.devices,
            strategy="ddp" if settings.devices > 1 else "auto",
            precision=settings.precision,
            # Named, so that a cluster's environment, in which we may be a single process, is not asked.
            plugins=[TorchElasticEnvironment() if by_torchrun else LightningEnvironment()],
        )
        fabric.launch()
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split()).rstrip(".")
        raise TrainingError(
            f"accelerator {settings.accelerator}, devices {settings.devices} and precision {settings.precision} "
            f"can't be used here: {said}. Change them in [training]"
        ) from error
    if accelerator == "cuda":
        _set_product_precision("tf32" if settings.tf32 else "ieee")
    return fabric


def _set_product_precision(kind: str) -> None:
    """Of matrix products and convolutions of float32 on a GPU; blocks that ask for full precision keep theirs."""
    torch.backends.cuda.matmul.fp32_precision = kind
    torch.backends.cudnn.conv.fp32_precision = kind  # type: ignore[attr-defined]  # its stub is behind


def _meet(processes: int, accelerator: str) -> None:
    """Join the other processes of this machine.

    Raises:
        TrainingError: this process was started alone.
    """
    if torch.distributed.is_initialized():
        return
    names = (MEETING, "RANK", "LOCAL_RANK", "WORLD_SIZE")
    place, rank, local_rank, world = (os.environ.get(name, "") for name in names)
    if not place or not rank or int(world) != processes:
        raise TrainingError(
            f"devices is {processes}, but {world or 1} process{'es were' if world else ' was'} started; "
            'set launcher to "ddp" in [training], or devices to 1'
        )
    device = None
    if accelerator in {"cuda", "gpu"}:
        device = torch.device("cuda", int(local_rank))
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(
        "nccl" if device is not None else "gloo",
        init_method=f"file://{place}",
        rank=int(rank),
        world_size=processes,
        timeout=PATIENCE,
        device_id=device,
    )


def leave() -> None:
    """Take leave of the other processes; nothing to do for a single one."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def compute_threads(config: ModelConfig, cores: int) -> int:
    """CPU threads to train this model with.

    The operations of a narrow model are so short that handing half of one to another thread costs more than it saves: a
    step of `tiny` took 0.4 s on one thread and 0.9 s on two.
    """
    return 1 if config.hidden_channels < SHORTEST_CHANNELS_WORTH_A_THREAD else max(1, cores)


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
