"""Our side of bench_step_peer.py: prints its figures as JSON."""

from __future__ import annotations

import argparse
import json

import torch
from bench_step import random_batch
from count_step import arguments, measure

from core_vits.config import PRESETS, LossWeights
from core_vits.train.distributed import make_fabric
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep


def main() -> None:
    options = arguments(argparse.ArgumentParser()).parse_args()
    torch.set_num_threads(1)
    config = PRESETS["medium"]
    settings = TrainSettings(accelerator="cpu")
    models = VoiceModels(config).train()
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    step = AdversarialStep(make_fabric(settings), models, optimization, LossWeights())
    seconds = options.frames * config.audio.hop_length / config.audio.sample_rate
    batch = random_batch(config, options.clips, seconds + 1e-6, options.ids)
    print(json.dumps(measure(lambda: step.train(batch, with_norms=False), options.clips, options.steps)))


if __name__ == "__main__":
    main()
