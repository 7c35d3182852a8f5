"""What the GPUs of this machine are, and which training settings suit them. Asks nvidia-smi; imports nothing heavy.

Which number formats a generation has is NVIDIA's word (CUDA C++ Programming Guide, compute capabilities); memory is an
estimate from what was measured on one GPU (`core_vits.needed_memory`).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from core_vits.needed_memory import CUDA_BYTES, step_memory
from workbench.api import Finding, Severity
from workbench.config.settings import TrainingSettings
from workbench.host.machine import ask, finding

_HALF_AND_TF32 = 8.0
"""Compute capability from which on a GPU has bfloat16 and TF32 (Ampere)."""

_FRAMES = 800
"""9 seconds at 22,050 Hz: a batch is as large as its longest clips."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """One card."""

    name: str
    megabytes: float
    capability: float
    """Compute capability, for instance 8.6; 0 if the driver does not say."""


def list_gpus() -> list[Gpu]:
    """The NVIDIA GPUs of this machine; none if nvidia-smi is not there, fails or is too old to be asked."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    code, out = ask([tool, "--query-gpu=name,memory.total,compute_cap", "--format=csv,noheader,nounits"])
    if code != 0:
        return []
    return [gpu for line in out.splitlines() if (gpu := _parse(line)) is not None]


def _parse(line: str) -> Gpu | None:
    name, _, rest = line.partition(",")
    memory, _, capability = rest.partition(",")
    try:
        return Gpu(name=name.strip(), megabytes=float(memory), capability=float(capability))
    except ValueError:
        return None


def clips_that_fit(gpu: Gpu, quality: str, training: TrainingSettings) -> int:
    """An estimate of the largest batch of clips of up to nine seconds."""
    memory = step_memory(quality, training.precision, devices=training.devices)
    left = gpu.megabytes * 2**20 - CUDA_BYTES - memory.fixed
    each = memory.bytes(1, _FRAMES, training.segment_size) - memory.fixed
    return max(0, int(left / each))


def advise(gpus: Sequence[Gpu], training: TrainingSettings, quality: str) -> Iterator[Finding]:
    """What `[training]` says of number formats and batch size, beside what suits the weakest of the GPUs used."""
    used = gpus[: training.devices]
    if not used or training.accelerator == "cpu":
        return
    weakest = min(used, key=lambda gpu: (gpu.capability, gpu.megabytes))
    yield from _precision(weakest, training)
    yield from _graphs(weakest, training, quality)
    smallest = min(used, key=lambda gpu: gpu.megabytes)
    fit = clips_that_fit(smallest, quality, training)
    said = f"batch_size {training.batch_size}; by estimate about {fit} clips of up to 9 s fit into {smallest.name}"
    if training.batch_size > fit:
        yield finding(
            "gpu_batch", Severity.WARNS, "batch size", said, fix=f"batch_size = {max(1, fit)} in [training]", fit=fit
        )
    else:
        yield finding("gpu_batch", Severity.OK, "batch size", said, fit=fit)


def _precision(gpu: Gpu, training: TrainingSettings) -> Iterable[Finding]:
    """One finding about the number format."""
    subject, is_set = "precision", f"{training.precision}, tf32 {'on' if training.tf32 else 'off'}"
    where = f"{gpu.name} (compute capability {gpu.capability:g})"
    if gpu.capability >= _HALF_AND_TF32:
        wanted = [
            *(['precision = "bf16-mixed"'] if training.precision != "bf16-mixed" else []),
            *(["tf32 = true"] if not training.tf32 else []),
        ]
        severity = Severity.INFO if wanted else Severity.OK
        fix = f"{' and '.join(wanted)} in [training]" if wanted else ""
        message = f"{where} has bfloat16 and TF32; set is {is_set}"
    elif training.precision == "bf16-mixed":
        severity, fix = Severity.WARNS, 'precision = "32-true" in [training]'
        message = f"{where} has no bfloat16, which is imitated slowly; set is {is_set}"
    elif training.precision == "16-mixed":
        severity, fix = Severity.WARNS, 'precision = "32-true" in [training]'
        message = f"{where}: set is {is_set}; float16 is where VITS trainings are known to end in NaN"
    else:
        severity, fix = Severity.OK, ""
        message = f"{where} has neither bfloat16 nor TF32; set is {training.precision}, which suits it"
    yield finding("gpu_precision", severity, subject, message, fix=fix)


def _graphs(gpu: Gpu, training: TrainingSettings, quality: str) -> Iterable[Finding]:
    """Whether recorded steps suit it: a fast card waits for launches, and needs the memory of two batches."""
    memory = step_memory(quality, training.precision, devices=training.devices)
    need = CUDA_BYTES + memory.recorded(training.batch_size, _FRAMES, training.segment_size)
    fits = need <= gpu.megabytes * 2**20
    fast = gpu.capability >= _HALF_AND_TF32
    subject, is_set = "recorded steps", f"cuda_graphs is {'on' if training.cuda_graphs else 'off'}"
    if training.cuda_graphs and training.precision == "16-mixed":
        said, severity, fix = f"{is_set}, but steps in 16-mixed are not recorded", Severity.INFO, ""
    elif training.cuda_graphs and not fits:
        said = f"{is_set}; by arithmetic they need about {need / 1e9:.1f} GB, two batches, which {gpu.name} hardly has"
        severity, fix = Severity.WARNS, "cuda_graphs = false or a smaller batch_size in [training]"
    elif fast and fits and not training.cuda_graphs and training.precision != "16-mixed":
        said = f"{is_set}; {gpu.name} is so fast that it waits for most kernels of a step to be launched"
        severity, fix = Severity.INFO, "cuda_graphs = true in [training]"
    else:
        said, severity, fix = f"{is_set}, which suits {gpu.name}", Severity.OK, ""
    yield finding("gpu_graphs", severity, subject, said, fix=fix)
