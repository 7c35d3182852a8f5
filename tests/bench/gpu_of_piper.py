"""Piper's side of bench_gpu.py: runs in the peer's environment and prints its figures as JSON."""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import torch
from gpu_batches import batches, read_clips
from gpu_timing import arguments, measure

sys.path.append(str(Path(__file__).resolve().parent.parent / "peer"))


def main():
    parser = arguments()
    parser.add_argument("--align", required=True)
    options = parser.parse_args()
    from drive_piper import give_alignment, without_score

    give_alignment(options.align)
    without_score()
    from piper.train.vits.dataset import Batch
    from piper.train.vits.lightning import VitsModel
    from piper.train.vits.mel_processing import spectrogram_torch

    # What its command sets.
    torch.backends.cuda.matmul.allow_tf32 = True
    torch.backends.cudnn.allow_tf32 = True
    torch.manual_seed(1)
    model = VitsModel(batch_size=options.batch, mos_metric=None)
    names = model.load_state_dict(torch.load(options.weights, weights_only=True), strict=False)
    assert not names.unexpected_keys, names.unexpected_keys
    assert all(name.startswith("model_mrd") for name in names.missing_keys), names.missing_keys
    model = model.cuda().train()
    # Lightning gives a module its device; nothing else of it is used here.
    device = torch.device("cuda")
    (optimizer_g, optimizer_d), _ = model.configure_optimizers()

    def collated(clips):
        clips = sorted(clips, key=lambda clip: len(clip[1]), reverse=True)
        ids = torch.zeros(len(clips), max(len(ids) for ids, _ in clips), dtype=torch.int64)
        samples = torch.zeros(len(clips), 1, len(clips[0][1]))
        spectrograms = torch.zeros(len(clips), 513, len(clips[0][1]) // 256)
        for row, (numbers, audio) in enumerate(clips):
            ids[row, : len(numbers)] = torch.from_numpy(numbers)
            samples[row, 0, : len(audio)] = torch.from_numpy(audio) / 32768
            spectrogram = spectrogram_torch(samples[row, :, : len(audio)], 1024, 22050, 256, 1024, center=False)[0]
            spectrograms[row, :, : spectrogram.shape[1]] = spectrogram
        return [
            ids.pin_memory(),
            torch.tensor([len(numbers) for numbers, _ in clips]).pin_memory(),
            spectrograms.pin_memory(),
            torch.tensor([len(audio) // 256 for _, audio in clips]).pin_memory(),
            samples.pin_memory(),
            torch.tensor([len(audio) for _, audio in clips]).pin_memory(),
        ]

    loaded = [collated(clips) for clips in batches(read_clips(Path(options.clips)), options.batch, options.steps)]
    half = options.precision == "bf16-mixed"

    def step(tensors):
        ids, id_lengths, spectrograms, frame_lengths, samples, sample_lengths = (
            tensor.to(device, non_blocking=True) for tensor in tensors
        )
        batch = Batch(ids, id_lengths, spectrograms, frame_lengths, samples, sample_lengths)
        # The order of its training step, without what Lightning does around it.
        with torch.autocast("cuda", torch.bfloat16) if half else nullcontext():
            loss_g, loss_d, metrics = model._compute_loss(batch)
        optimizer_g.zero_grad()
        loss_g.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        loss_d.backward()
        optimizer_d.step()
        names = {"dur": "duration", "fm": "feature", "gen": "generator", "disc": "discriminator"}
        losses = {names.get(name, name): value for name, value in metrics.items()}
        return {**losses, "loss_g": loss_g, "loss_d": loss_d}

    print(json.dumps(measure([lambda tensors=tensors: step(tensors) for tensors in loaded])))


if __name__ == "__main__":
    main()
