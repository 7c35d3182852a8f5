"""Piper's side of bench_step_peer.py: runs in the peer's environment and prints its figures as JSON."""

import argparse
import json
import sys
from pathlib import Path

import torch
from count_step import arguments, measure

sys.path.append(str(Path(__file__).resolve().parent.parent / "peer"))


def main():
    parser = arguments(argparse.ArgumentParser())
    parser.add_argument("--align", required=True)
    options = parser.parse_args()
    torch.set_num_threads(1)
    from drive_piper import give_alignment, without_score

    give_alignment(options.align)
    without_score()
    from piper.train.vits.dataset import Batch
    from piper.train.vits.lightning import VitsModel

    model = VitsModel(batch_size=options.clips, mos_metric=None).train()
    (optimizer_g, optimizer_d), _ = model.configure_optimizers()
    clips, samples = options.clips, options.frames * 256
    batch = Batch(
        phoneme_ids=torch.randint(1, 100, (clips, options.ids)),
        phoneme_lengths=torch.full((clips,), options.ids),
        spectrograms=torch.rand(clips, 513, options.frames),
        spectrogram_lengths=torch.full((clips,), options.frames),
        audios=torch.rand(clips, 1, samples) - 0.5,
        audio_lengths=torch.full((clips,), samples),
    )

    def step():
        # The order of its training step, without what Lightning does around it.
        loss_g, loss_d, _ = model._compute_loss(batch)
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()

    print(json.dumps(measure(step, clips, options.steps)))


if __name__ == "__main__":
    main()
