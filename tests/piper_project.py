"""Make trees that look like somebody's Piper project: the shapes are real, the recordings are a moment of silence."""

from __future__ import annotations

import hashlib
import json
import os
import wave
from collections.abc import Mapping
from pathlib import Path

CHECKPOINT = "epoch=426-step=202398.ckpt"

# As people keep it: defaults for its arguments, a variable for the dataset, remarks where a backslash would belong.
TRAIN_RESUME = """\
#!/bin/bash
# $1: checkpoint, $2: epochs
set -e

CHECKPOINT="${1:-lightning_logs/version_2/checkpoints/epoch=426-step=202398.ckpt}"
DATA_DIR="${DATA_DIR:-/workspace/datasets/felix_mirage}"
MAX_EPOCHS="${2:-10000}"

echo "python -m piper.train fit --ckpt_path=$CHECKPOINT"
if [ -z "$VIRTUAL_ENV" ]; then
    source .venv/bin/activate
fi

python -m piper.train fit \\
    --ckpt_path="$CHECKPOINT"                       # resume
    --data.config_path="$DATA_DIR/config.json"
    --data.voice_name=felix_mirage                  # имя голоса
    --data.csv_path="$DATA_DIR/metadata_2col.csv" \\ # метаданные
    --data.audio_dir="$DATA_DIR/wavs" \\
    --model.sample_rate=22050                       # 22.05 kHz
    --data.espeak_voice=ru
    --data.cache_dir="$DATA_DIR/.cache"
    --data.batch_size=16
    --trainer.max_epochs="$MAX_EPOCHS"
    --trainer.check_val_every_n_epoch=1
    --trainer.strategy=ddp_find_unused_parameters_true
    --trainer.devices=2
    --trainer.accelerator=gpu

echo done
"""

CONFIG_YAML = """\
# lightning.pytorch==2.6.6
seed_everything: true
trainer:
  accelerator: gpu
  strategy: ddp_find_unused_parameters_true
  devices: 2
  precision: null
  callbacks: null
  max_epochs: 10000
  check_val_every_n_epoch: 1
  log_every_n_steps: null
model:
  sample_rate: 22050
  num_speakers: 1
  resblock: '2'
  resblock_kernel_sizes: [3, 5, 7]
  resblock_dilation_sizes: [[1, 2], [2, 6], [3, 12]]
  learning_rate: 0.0002
  eps: 1.0e-09
  c_mel: 45
data:
  csv_path: /workspace/datasets/felix_mirage/metadata_2col.csv
  cache_dir: /workspace/datasets/felix_mirage/.cache
  espeak_voice: ru
  config_path: /workspace/datasets/felix_mirage/config.json
  voice_name: felix_mirage
  audio_dir: /workspace/datasets/felix_mirage/wavs
  batch_size: 16
  validation_split: 0.1
  num_test_examples: 5
ckpt_path: lightning_logs/version_2/checkpoints/epoch=426-step=202398.ckpt
"""

CONFIG_JSON = {
    "audio": {"sample_rate": 22050},
    "espeak": {"voice": "ru"},
    "phoneme_type": "espeak",
    "num_symbols": 256,
    "num_speakers": 1,
    "inference": {"noise_scale": 0.667, "length_scale": 1.0, "noise_w": 0.8},
    "phoneme_id_map": {"_": [0], "^": [1], "$": [2], " ": [3]},
    "hop_length": 256,
    "piper_version": "1.3.0",
}


def silence(path: Path, *, rate: int = 22_050, seconds: float = 0.01) -> None:
    """A silent WAV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(b"\0\0" * int(rate * seconds))


def make_dataset(folder: Path, clips: int, *, config: Mapping[str, object] | None = None) -> None:
    """Recordings (one file under many names), two tables, a cache, a config.json."""
    first = folder / "wavs" / "felix_000000.wav"
    silence(first)
    rows = []
    for number in range(clips):
        name = f"felix_{number:06d}.wav"
        if number:
            os.link(first, folder / "wavs" / name)
        rows.append((name, f"Заметьте, это предложение номер {number}."))
    (folder / "metadata_2col.csv").write_text("".join(f"{name}|{text}\n" for name, text in rows), encoding="utf-8")
    (folder / "metadata.csv").write_text("".join(f"{name}|felix|{text}\n" for name, text in rows), encoding="utf-8")
    (folder / ".cache").mkdir()
    for number in range(8):
        (folder / ".cache" / f"{number}_Заметьте.spec.pt").write_bytes(b"x" * 1000)
    (folder / "config.json").write_text(json.dumps(dict(config or CONFIG_JSON)), encoding="utf-8")


def make_project(folder: Path) -> None:
    """Scripts, runs, a checkpoint and voices."""
    for number in range(7):
        version = folder / "lightning_logs" / f"version_{number}"
        version.mkdir(parents=True)
        (version / "config.yaml").write_text(CONFIG_YAML, encoding="utf-8")
        (version / "hparams.yaml").write_text("_instantiator: lightning.pytorch.cli.instantiate_module\n")
        (version / f"events.out.tfevents.17000000{number}.host.1.0").write_bytes(b"")
    checkpoints = folder / "lightning_logs" / "version_2" / "checkpoints"
    checkpoints.mkdir()
    (checkpoints / CHECKPOINT).write_bytes(b"not looked into")
    for epoch in (426, 649):
        (folder / f"felix_mirage_epoch{epoch}.onnx").write_bytes(b"")
        (folder / f"felix_mirage_epoch{epoch}.onnx.json").write_text("{}")
    (folder / "train_resume.sh").write_text(TRAIN_RESUME, encoding="utf-8")


def fingerprint(folder: Path) -> dict[str, str]:
    """Content and time of every file of a tree, content alone once for all names of one file."""
    known: dict[tuple[int, int], str] = {}
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        key = (status.st_ino, status.st_size)
        if path.is_file() and key not in known:
            known[key] = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(folder))] = f"{known.get(key, 'folder')} {status.st_mode} {status.st_mtime_ns}"
    return found
