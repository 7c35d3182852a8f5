"""Steps a second of the training step: `python tests/bench/bench_step.py --quality tiny`.

Random clips of the demo voice's length go through the real step: both models, every loss, both optimizers. CPU seconds
are printed beside wall seconds, because a busy machine stretches only the latter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

# Before torch loads its OpenMP, as the trainer does it.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import torch

from core_vits.config import PRESETS, LossWeights, ModelConfig
from core_vits.dataset import Batch
from core_vits.machine import cores
from core_vits.train.distributed import compute_threads, make_fabric
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep


def random_batch(config: ModelConfig, clips: int, seconds: float, ids: int) -> Batch:
    """Noise of the right shapes: what is learned does not change what a step costs."""
    audio = config.audio
    frames = int(seconds * audio.sample_rate) // audio.hop_length
    samples = frames * audio.hop_length
    return Batch(
        keys=tuple(f"clip {number}" for number in range(clips)),
        phoneme_ids_BT=torch.randint(1, 100, (clips, ids)),
        phoneme_lengths_B=torch.full((clips,), ids),
        spectrogram_BCF=torch.rand(clips, audio.spectrogram_bins, frames),
        spectrogram_lengths_B=torch.full((clips,), frames),
        audio_B1S=torch.rand(clips, 1, samples) - 0.5,
        audio_lengths_B=torch.full((clips,), samples),
        speaker_ids_B=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quality", choices=list(PRESETS), default="tiny")
    parser.add_argument("--clips", type=int, default=4, help="a batch (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=5.9, help="of each clip (default: the demo's median)")
    parser.add_argument("--ids", type=int, default=160, help="phoneme ids of each clip")
    parser.add_argument("--threads", type=int, default=0, help="0: as the trainer chooses")
    parser.add_argument("--steps", type=int, default=12)
    options = parser.parse_args()
    config = PRESETS[options.quality]
    torch.set_num_threads(options.threads or compute_threads(config, cores()))
    settings = TrainSettings(accelerator="cpu")
    models = VoiceModels(config).train()
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    step = AdversarialStep(make_fabric(settings), models, optimization, LossWeights())
    batch = random_batch(config, options.clips, options.seconds, options.ids)
    wall, cpu = [], []
    for number in range(options.steps + 2):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        step.train(batch, with_norms=False)
        if number >= 2:  # the first two pay for memory and kernels
            wall.append(time.perf_counter() - begin)
            cpu.append(time.process_time() - begin_cpu)
    print(f"{'quality':>8} {'clips':>6} {'threads':>8} {'steps/s':>8} {'s/step':>8} {'CPU s/step':>11}")
    middle = statistics.median(wall)
    print(
        f"{options.quality:>8} {options.clips:6d} {torch.get_num_threads():8d} {1 / middle:8.2f} {middle:8.3f} "
        f"{statistics.median(cpu):11.3f}"
    )


if __name__ == "__main__":
    main()
