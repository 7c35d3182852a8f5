"""A `lightning_logs` as Piper leaves it, of any of its versions: event files, checkpoints by name, settings."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import shutil
import zipfile
from collections.abc import Iterable
from pathlib import Path

from tail.event_files import EventWriter, tone

START = 1_799_000_000
SENTENCES = (
    "Маленький ёжик внимательно читает синюю тетрадь.",
    "Кто там/где: «да» или «нет»? " + "Очень длинно. " * 12,
)
TERMS = ("mel", "kl", "dur", "fm", "gen", "disc")
FIRST, MIDDLE, TODAY = "first", "1.3", "1.5"
"""Generations of tags: the first Piper, 1.3 and 1.4, since 1.5."""


def checkpoint_bytes(epoch: int, optimizer_step: int) -> bytes:
    """A whole archive that begins as a Lightning checkpoint does and holds no weights."""
    content = {"epoch": epoch, "global_step": optimizer_step, "pytorch-lightning_version": "2.6.6", "state_dict": {}}
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(content, protocol=2))
        archive.writestr("archive/version", "3\n")
    return buffer.getvalue()


def add_checkpoint(version: Path, name: str, epoch: int, optimizer_step: int, time: float | None = None) -> Path:
    """A checkpoint under a name of Piper's."""
    path = version / "checkpoints" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(checkpoint_bytes(epoch, optimizer_step))
    if time is not None:
        os.utime(path, (time, time))
    return path


def make_version(
    logs: Path,
    number: int,
    *,
    epochs: Iterable[int] = (),
    generation: str = TODAY,
    batches: int = 40,
    every: int = 10,
    resumed: str | None = None,
    started: int = START,
    clips: bool = True,
    steps_from: int = 0,
    rated: bool = False,
) -> Path:
    """A `version_N` that trained some epochs, a second a batch.

    Args:
        logs: the `lightning_logs`.
        number: N.
        epochs: trained, from 0; an epoch has `batches` batches, whose scalars are written at every `every`-th.
        generation: of the tags and of the settings.
        batches: in an epoch.
        every: batches between two points.
        resumed: checkpoint that it went on from, as typed.
        started: Unix seconds.
        clips: whether it spoke its sentences.
        steps_from: batches of which the optimizer steps know nothing.
        rated: whether validation was rated (`val_mos`).
    """
    version = logs / f"version_{number}"
    version.mkdir(parents=True)
    _write_settings(version, generation, resumed)
    writer = EventWriter(version / f"events.out.tfevents.{started}.host.{number}.0", started)
    writer.scalar("hp_metric", 0, -1.0, started)
    wav, frames = tone(0.05)
    first = None
    for epoch in epochs:
        begin = epoch * batches
        first = begin if first is None else first
        for batch in range(begin, begin + batches):
            if (batch + 1) % every == 0:
                _write_scalars(writer, "train", batch, epoch, generation, started + batch - first, rated=False)
        end, clock = begin + batches - 1, started + begin + batches - first
        for sentence in SENTENCES if clips else ():
            writer.wall_time = clock - 1.4
            counted = 2 * (end + 1 - steps_from) if generation == TODAY else 0
            writer.clip(sentence, counted, wav, frames)
        _write_scalars(writer, "val", end, epoch, generation, clock, rated=rated)
    os.utime(writer.path, (writer.wall_time, writer.wall_time))
    return version


def _write_settings(version: Path, generation: str, resumed: str | None) -> None:
    if generation == FIRST:
        path = "!!python/object/apply:pathlib.PosixPath\n"
        text = f"accelerator: gpu\nbatch_size: 16\ndataset:\n- {path}  - /\n  - d.jsonl\n"
        text += f"dataset_dir: {path}- /\n- home\n- anna\n- my voice\nmax_epochs: 10000\n"
        text += f"quality: medium\nresume_from_checkpoint: {resumed or 'null'}\nsample_rate: 22050\n"
        (version / "hparams.yaml").write_text(text, encoding="utf-8")
        return
    (version / "hparams.yaml").write_text("batch_size: 16\nlearning_rate: 0.0002\n", encoding="utf-8")
    text = "# lightning.pytorch==2.6.6\ntrainer:\n  max_epochs: 1000\n  devices: 1\ndata:\n  csv_path: metadata.csv\n"
    text += "  config_path: config.json\n  voice_name: aelita\n  batch_size: 16\n"
    (version / "config.yaml").write_text(text + f"ckpt_path: {resumed or 'null'}\n", encoding="utf-8")


def _write_scalars(
    writer: EventWriter, side: str, batch: int, epoch: int, generation: str, clock: float, *, rated: bool
) -> None:
    falling = 30 / (1 + batch / 60)
    if side == "train":
        sums = ("loss_gen_all", "loss_disc_all") if generation == FIRST else ("loss_g", "loss_d")
        values = {sums[0]: 20 + falling, sums[1]: 2.5}
    else:
        values = {"val_loss": 22.5 + falling if generation == FIRST else 20 + falling}
    if generation == TODAY:
        values |= {f"{side}_{term}": falling + number for number, term in enumerate(TERMS)}
    if rated:
        values["val_mos"] = 4 - falling / 30
    for tag, value in values.items():
        writer.scalar(tag, batch, value, clock)
    writer.scalar("epoch", batch, epoch, clock)


def copy_fixture(fixture: Path, logs: Path, number: int) -> Path:
    """A run that the real Piper trained, laid out as it was: the fixture has its files in one folder."""
    version = logs / f"version_{number}"
    (version / "checkpoints").mkdir(parents=True)
    for path in fixture.iterdir():
        if path.suffix == ".ckpt":
            shutil.copy2(path, version / "checkpoints" / path.name)
        elif path.name in ("config.yaml", "hparams.yaml") or "tfevents" in path.name:
            shutil.copy2(path, version / path.name)
    return version


def tree_digest(folder: Path) -> str:
    """A digest of every name, size, time and byte below a folder."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        about = path.lstat()
        digest.update(f"{path.relative_to(folder)}\0{about.st_mode}\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
        if path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
