"""Our side of bench_gpu.py: prints its figures as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from gpu_batches import RATE, batches, read_clips
from gpu_timing import arguments, measure

from core_vits.config import PRESETS, LossWeights
from core_vits.dataset import Clip, Collate
from core_vits.losses import Losses
from core_vits.train.distributed import make_fabric
from core_vits.train.graphs import step_graphs
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization
from core_vits.train.settings import TrainSettings
from core_vits.train.step import AdversarialStep


def main() -> None:
    parser = arguments()
    parser.add_argument("--graphs", action="store_true", help="record steps")
    options = parser.parse_args()
    config = PRESETS["medium"]
    assert config.audio.sample_rate == RATE
    settings = TrainSettings(accelerator="cuda", precision=options.precision)
    fabric = make_fabric(settings)
    torch.manual_seed(1)
    models = VoiceModels(config)
    weights = Path(options.weights)
    if weights.is_file():
        models.load_state_dict(torch.load(weights, weights_only=True))
    else:
        torch.save(models.state_dict(), weights)
    models = models.to(fabric.device).train()
    optimization = Optimization(models.model_g.parameters(), models.judges(), settings)
    graphs = step_graphs(models.parameters(), fabric.device, options.precision) if options.graphs else None
    step = AdversarialStep(fabric, models, optimization, LossWeights(), graphs=graphs)
    collate = Collate(audio_config=config.audio, few_sizes=True)
    loaded = [
        collate(
            [
                Clip(phoneme_ids_T=ids, audio_S=audio, frames=len(audio) // 256, speaker_id=None, key="", name="")
                for ids, audio in clips
            ]
        ).pin_memory()
        for clips in batches(read_clips(Path(options.clips)), options.batch, options.steps)
    ]

    def steps() -> Iterator[Callable[[], Losses]]:
        for batch in loaded:
            yield lambda batch=batch: step.train(batch.on(fabric.device), with_norms=False)  # type: ignore[misc]

    print(json.dumps(measure(steps())))


if __name__ == "__main__":
    main()
