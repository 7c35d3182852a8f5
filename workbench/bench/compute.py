"""What computes: the alignment search, the training step, speaking.

Legend: B utterances, F frames, T phonemes, S samples.
"""

from __future__ import annotations

import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from core_vits import _align
from core_vits.config import LossWeights, ModelConfig
from core_vits.dataset import Batch
from core_vits.infer import Scales, synthesize
from core_vits.machine import cores
from core_vits.synthesizer import Synthesizer
from core_vits.train.distributed import compute_threads, make_fabric
from core_vits.train.graphs import step_graphs
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep
from workbench.bench.parts import Measured
from workbench.bench.subject import seconds_each, subject
from workbench.config import Workspace
from workbench.jobs.start import model_of
from workbench.jobs.voice_files import exported_voices
from workbench.workers.targets.speaking import load_voice
from workbench.workers.targets.voice_source import find_source

_SCORES = (32, 800, 200)
"""Utterances, frames, phonemes of a large batch."""
_CLIP_SECONDS, _CLIP_IDS = 5.9, 160
"""Of the demo's median clip."""
_CLIPS_ON_A_CPU = 2
"""In a batch: a step of quality medium with 16 takes half a minute."""
_WIDE_CHANNELS = 64
_IDS_SPOKEN = 160

_CPU_LIMIT = "the processor's arithmetic, three quarters of it convolutions"
_CPU_ADVICE = "a GPU is tens of times faster; else a smaller quality, and nothing else running"
_GPU_LIMIT = "the GPU's arithmetic, and at small batches the starting of its many kernels"
_GPU_ADVICE = "a share below a fifth: a larger [training] batch_size, or precision bf16-mixed"


def align(workspace: str | None, seconds: float) -> dict[str, Any]:  # noqa: ARG001 - the same for every voice
    """The kernel alone, on one thread, beside plain reading of the same scores."""
    utterances, frames, phonemes = _SCORES
    score = torch.randn(_SCORES)
    lengths = torch.full((utterances,), frames), torch.full((utterances,), phonemes)
    index, durations = torch.zeros(utterances, frames, dtype=torch.int64), torch.zeros(utterances, phonemes).long()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        searching = seconds_each(lambda: _align.align(score, *lengths, index, durations, 1), seconds / 2)
        reading = seconds_each(score.sum, seconds / 2)
    finally:
        torch.set_num_threads(threads)
    # Only these can lie on a path; the others need not be read.
    band = 4 * utterances * (frames - phonemes + 1) * phonemes
    speed, possible = band / searching / 1e9, 4 * score.numel() / reading / 1e9
    kernel, shape = _align.kernels()[0], " x ".join(map(str, _SCORES))
    return Measured(
        value=speed,
        unit="GB/s",
        about=f"{shape} scores in {1e3 * searching:.2f} ms on one thread, kernel {kernel}; "
        f"{speed / possible:.0%} of what can be read, {possible:.1f} GB/s",
        limited_by="memory",
        advice="a low share: another program uses the memory; a kernel below avx2: an old processor",
        figures={
            "milliseconds": 1e3 * searching,
            "read_gb_per_s": possible,
            "share": speed / possible,
            "kernel": kernel,
        },
    ).as_json()


def step(workspace: str | None, seconds: float) -> dict[str, Any]:
    """The whole step on the device that training would take: both models, every loss, both optimizers."""
    settings = subject(workspace)
    config, training = model_of(settings), settings.training
    threads = torch.get_num_threads()
    torch.set_num_threads(compute_threads(config, cores()))
    try:
        chosen = TrainSettings(accelerator=training.accelerator, precision=training.precision, tf32=training.tf32)
        fabric = make_fabric(chosen)
        with fabric.init_module():
            models = VoiceModels(config).train()
        optimization = Optimization(models.model_g.parameters(), models.judges(), chosen)
        graphs = step_graphs(models.parameters(), fabric.device, chosen.precision) if training.cuda_graphs else None
        adversarial = AdversarialStep(fabric, models, optimization, LossWeights(), graphs=graphs)
        on_cpu = fabric.device.type == "cpu"
        few = on_cpu and config.hidden_channels >= _WIDE_CHANNELS
        clips = min(training.batch_size, _CLIPS_ON_A_CPU) if few else training.batch_size
        batch = _random_batch(config, clips, fabric.device)

        def once() -> None:
            adversarial.train(batch, with_norms=False)
            if not on_cpu:
                torch.cuda.synchronize(fabric.device)

        with _Arithmetic() as counted:  # type: ignore[no-untyped-call]  # torch's base class has no types
            once()
        each = seconds_each(once, seconds, least=1)
        possible = _matrix_product(fabric.device, training.precision, seconds / 4)
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(threads)
    speed, device = counted.flops / each / 1e9, _device_name(fabric.device, used)
    return Measured(
        value=1 / each,
        unit="steps/s",
        about=f"{clips} clips of {_CLIP_SECONDS} s, quality {settings.voice.quality}, {device}: {clips / each:.1f} "
        f"clips/s; {speed:.0f} GFLOP/s, {speed / possible:.0%} of what a large matrix product reaches",
        limited_by=_CPU_LIMIT if on_cpu else _GPU_LIMIT,
        advice=_CPU_ADVICE if on_cpu else _GPU_ADVICE,
        figures={
            "clips_per_s": clips / each,
            "gflop_per_s": speed,
            "share_of_matrix_product": speed / possible,
            "clips": clips,
            "quality": settings.voice.quality,
            "device": device,
        },
    ).as_json()


class _Arithmetic(TorchDispatchMode):  # type: ignore[no-untyped-call]  # as above
    """Counts floating-point operations. torch's own counter follows modules, which `autograd.grad` does not allow."""

    flops = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func.overloadpacket in flop_registry:
            self.flops += flop_registry[func.overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


def _random_batch(config: ModelConfig, clips: int, device: torch.device) -> Batch:
    """Noise of the right shapes: what is learned does not change what a step costs."""
    audio = config.audio
    frames = int(_CLIP_SECONDS * audio.sample_rate) // audio.hop_length

    def whole(value: int) -> Tensor:
        return torch.full((clips,), value, device=device)

    return Batch(
        keys=tuple(f"clip {number}" for number in range(clips)),
        phoneme_ids_BT=torch.randint(1, 100, (clips, _CLIP_IDS), device=device),
        phoneme_lengths_B=whole(_CLIP_IDS),
        spectrogram_BCF=torch.rand(clips, audio.spectrogram_bins, frames, device=device),
        spectrogram_lengths_B=whole(frames),
        audio_B1S=torch.rand(clips, 1, frames * audio.hop_length, device=device) - 0.5,
        audio_lengths_B=whole(frames * audio.hop_length),
        speaker_ids_B=None,
    )


def _matrix_product(device: torch.device, precision: str, seconds: float) -> float:
    """GFLOP/s of a large matrix product in the precision of the training."""
    size = 1024 if device.type == "cpu" else 8192
    kind = torch.bfloat16 if precision.startswith("bf16") else torch.float32
    one, other = torch.rand(size, size, device=device, dtype=kind), torch.rand(size, size, device=device, dtype=kind)

    def multiply() -> None:
        torch.mm(one, other)
        if device.type != "cpu":
            torch.cuda.synchronize(device)

    return 2 * size**3 / seconds_each(multiply, seconds) / 1e9


def _device_name(device: torch.device, threads: int) -> str:
    if device.type == "cpu":
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}"
    return torch.cuda.get_device_name(device)


def speak(workspace: str | None, seconds: float) -> dict[str, Any]:
    """The newest exported voice of the workspace, or an untrained one of its quality, on one thread."""
    settings = subject(workspace)
    voices = exported_voices(settings.voices) if workspace is not None else []
    newest = max(voices, key=lambda path: path.stat().st_mtime, default=None)
    return (_untrained(settings, seconds) if newest is None else _exported(newest, seconds)).as_json()


def _exported(path: Path, seconds: float) -> Measured:
    source = find_source(str(path))
    voice, scales = load_voice(source), Scales.from_config(source.config)
    known = sorted({number for ids in source.config["phoneme_id_map"].values() for number in ids})
    sentence = np.random.default_rng(0).choice(known, _IDS_SPOKEN).tolist()
    first, factors = [], []

    def once() -> None:
        begin, samples = time.perf_counter(), 0
        for number, piece in enumerate(voice.stream(sentence, scales, None, 0)):
            if number == 0:
                first.append(time.perf_counter() - begin)
            samples += piece.size
        factors.append((time.perf_counter() - begin) * source.sample_rate / samples)

    seconds_each(once, seconds)
    about = f"{path.name} by onnxruntime, first audio after {median(first[1:]):.2f} s"
    return _spoken(median(factors[1:]), about, median(first[1:]))


def _untrained(settings: Workspace, seconds: float) -> Measured:
    config = model_of(settings)
    generator = Synthesizer(config).eval().requires_grad_(False)
    generator.fold_weight_norm()
    sentence = np.random.default_rng(0).integers(3, 100, _IDS_SPOKEN).tolist()
    factors = []

    def once() -> None:
        begin = time.perf_counter()
        samples = synthesize(generator, sentence, seed=0).size
        factors.append((time.perf_counter() - begin) * config.audio.sample_rate / samples)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        seconds_each(once, seconds)
    finally:
        torch.set_num_threads(threads)
    about = f"an untrained voice of quality {settings.voice.quality} by torch (there is no exported one)"
    return _spoken(median(factors[1:]), about, None)


def _spoken(factor: float, about: str, first: float | None) -> Measured:
    return Measured(
        value=factor,
        unit="RTF",
        about=f"{about}: a second of speech takes {factor:.3f} s on one thread",
        limited_by="the arithmetic of one core, three quarters of it in the decoder",
        advice="above 1 speech can't keep up with listening: a smaller quality",
        figures={} if first is None else {"seconds_to_first_audio": first},
    )
