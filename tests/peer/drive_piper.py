"""Drives Piper's own trainer. Runs in the peer's environment, never in ours; imports nothing of ours.

    drive_piper.py --align ALIGN [--narrow N] fit OPTION…        Piper's command line, as a user types it
    drive_piper.py --align ALIGN [--narrow N] export OPTION…     its ONNX export
    drive_piper.py --align ALIGN [--narrow N] record CHECKPOINT OUT STEPS OPTION…
                      resumes CHECKPOINT for STEPS batches and writes batches, losses and rates to OUT (.npz)

What is changed of the peer, and nothing else: the wheel has no compiled alignment, so ours (the extension ALIGN) is
put in its place; the callback that wants a score no offline machine can give is taken away; the exporter of torch is
told to trace. `--narrow` divides the channels of the discriminators, so that a step takes seconds less and a file is a
hundred times smaller; names, order and kernel sizes stay. `record` takes dropout away and seeds the noise.
"""

import argparse
import importlib.util
import os
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import torch

SEED = 20_260_112


def give_alignment(extension: str) -> None:
    """Put an alignment search where the peer imports its own from."""
    spec = importlib.util.spec_from_file_location("_align", extension)
    native = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(native)

    def maximum_path_c(paths, values, frames, phonemes):
        items, most_frames, _ = values.shape
        index = torch.full((items, most_frames), -1)
        durations = torch.zeros((items, values.shape[2]), dtype=torch.int64)
        lengths = [torch.from_numpy(array.astype(np.int64)) for array in (frames, phonemes)]
        native.align(torch.from_numpy(values), *lengths, index, durations, 1)
        item, frame = np.nonzero(index.numpy() >= 0)
        paths[item, frame, index.numpy()[item, frame]] = 1

    core = types.ModuleType("piper.train.vits.monotonic_align.monotonic_align.core")
    core.maximum_path_c = maximum_path_c
    package = types.ModuleType("piper.train.vits.monotonic_align.monotonic_align")
    package.__path__ = []
    sys.modules[package.__name__], sys.modules[core.__name__] = package, core


def narrow_discriminators(divisor: int) -> None:
    """Build the scale and period discriminators with fewer channels."""
    from piper.train.vits import models

    def narrowed(original):
        def conv(channels_in, channels_out, *arguments, **options):
            less_in, less_out = max(1, channels_in // divisor), max(1, channels_out // divisor)
            if "groups" in options:
                # As many channels a group as before, where there are enough of them.
                options["groups"] = max(1, options["groups"] // divisor)
            return original(less_in, less_out, *arguments, **options)

        return conv

    for name, convolution in (("DiscriminatorS", "Conv1d"), ("DiscriminatorP", "Conv2d")):
        kind = getattr(models, name)
        build = kind.__init__

        def narrow_build(self, *arguments, _build=build, _convolution=convolution, **options):
            original = getattr(models, _convolution)
            setattr(models, _convolution, narrowed(original))
            try:
                _build(self, *arguments, **options)
            finally:
                setattr(models, _convolution, original)

        kind.__init__ = narrow_build


def without_score() -> None:
    """Nothing here may wait for a score that a hub would have to give."""
    from piper.train import __main__ as command
    from piper.train.vits import lightning

    command._DEFAULT_CALLBACKS[:] = [item for item in command._DEFAULT_CALLBACKS if item.monitor != "val_mos"]

    class NoScore:
        def __init__(self, *_):
            pass

        def score(self, *_):
            return None

    lightning.MosPredictor = NoScore


def fit(options: list[str]) -> None:
    from piper.train import __main__ as command

    sys.argv = ["piper.train", "fit", *options]
    command.main()


def export(options: list[str]) -> None:
    from piper.train import export_onnx

    original = torch.onnx.export
    torch.onnx.export = lambda *arguments, **named: original(*arguments, **{**named, "dynamo": False})
    sys.argv = ["piper.train.export_onnx", *options]
    export_onnx.main()


class SeededNoise:
    """Replaces torch's random draws of the model by those of a generator that both sides can have."""

    def __init__(self, step: int) -> None:
        self._generator = torch.Generator().manual_seed(SEED + step)

    def __enter__(self) -> None:
        self._kept = torch.randn, torch.rand, torch.randn_like
        randn, rand, _ = self._kept
        torch.randn = lambda *size, **_: randn(*size, generator=self._generator)
        torch.rand = lambda *size, **_: rand(*size, generator=self._generator)
        torch.randn_like = lambda like, **_: randn(like.shape, generator=self._generator)

    def __exit__(self, *_: object) -> None:
        torch.randn, torch.rand, torch.randn_like = self._kept


def record(options: list[str]) -> None:
    """Resume with Piper's own Lightning module and trainer; write what happened."""
    from lightning.pytorch import Callback
    from piper.train import __main__ as command
    from piper.train.vits.dataset import VitsDataModule
    from piper.train.vits.lightning import VitsModel

    checkpoint, out, steps, *rest = options
    wanted = int(steps)
    written: dict[str, np.ndarray] = {}

    class OneEpoch(torch.utils.data.Sampler):
        """Two clips a batch, in an order of our own, for as long as is wanted."""

        def __init__(self, clips: int) -> None:
            self._clips = clips

        def __len__(self) -> int:
            return 2 * wanted

        def __iter__(self):
            generator = torch.Generator().manual_seed(SEED)
            for _ in range(wanted):
                yield from torch.randperm(self._clips, generator=generator)[:2].tolist()

    def loader(self):
        from piper.train.vits.dataset import UtteranceCollate

        clips = self.train_dataset
        return torch.utils.data.DataLoader(
            clips,
            sampler=OneEpoch(len(clips)),
            batch_size=2,
            collate_fn=UtteranceCollate(is_multispeaker=self.num_speakers > 1, segment_size=self.segment_size),
        )

    compute = VitsModel._compute_loss

    def recorded(self, batch):
        number = int(written.get("steps", np.zeros(())).item())
        self.eval()
        with SeededNoise(number):
            loss_g, loss_d, metrics = compute(self, batch)
        for name, value in vars(batch).items():
            if value is not None:
                written[f"batch{number}_{name}"] = value.numpy()
        losses = {"loss_g": loss_g, "loss_d": loss_d, **metrics}
        for name, value in losses.items():
            written[f"step{number}_{name}"] = value.detach().numpy()
        written["steps"] = np.array(number + 1)
        return loss_g, loss_d, metrics

    class Rates(Callback):
        def on_train_start(self, trainer, _module):
            written["begin"] = np.array([trainer.current_epoch, trainer.global_step])

        def on_train_batch_end(self, trainer, module, *_):
            number = int(written["steps"].item()) - 1
            optimizers = trainer.optimizers
            written[f"step{number}_rates"] = np.array([item.param_groups[0]["lr"] for item in optimizers])
            state = module.state_dict()
            written["weights"] = np.array([[float(value.double().sum()), float(value.double().norm())]
                                           for value in state.values()])  # fmt: skip
            written["names"] = np.array([*state])

    VitsModel._compute_loss = recorded
    VitsDataModule.train_dataloader = loader
    command._DEFAULT_CALLBACKS[:] = [Rates()]
    fit([*rest, "--ckpt_path", checkpoint, "--trainer.limit_val_batches", "0", "--trainer.num_sanity_val_steps", "0"])
    np.savez_compressed(out, **written)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--align", required=True)
    parser.add_argument("--narrow", type=int, default=1)
    parser.add_argument("command", choices=("fit", "export", "record"))
    arguments, options = parser.parse_known_args()
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    assert Path(arguments.align).is_file()
    give_alignment(arguments.align)
    without_score()
    if arguments.narrow > 1:
        narrow_discriminators(arguments.narrow)
    {"fit": fit, "export": export, "record": record}[arguments.command](options)


if __name__ == "__main__":
    main()
