"""The project of the story as it lay on its disk: 8.5 hours of recordings, two generations of cache, an old checkpoint.

Everything large is a hole in a file, so a report that read what it measures would be found out by its time.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path

from piper_project import CHECKPOINT, make_dataset, make_project
from piper_tree import checkpoint_bytes

CLIPS = 8397
SECONDS = 3.644
RATE = 22_050
VOICE_BYTES = 61_000_000


def sparse_wav(path: Path, *, seconds: float, extra: int = 0) -> None:
    """A mono 16-bit WAV whose samples are a hole; `extra` bytes lie behind what its header promises."""
    data = 2 * int(seconds * RATE)
    head = (
        b"RIFF" + struct.pack("<I", 36 + data) + b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    )
    with path.open("wb") as file:
        file.write(head + b"data" + struct.pack("<I", data))
        file.truncate(44 + data + extra)


def make_recordings(folder: Path, clips: int, *, seconds: float = SECONDS, extra: int = 0) -> None:
    """Replace the recordings of a dataset: one file under many names."""
    wavs = folder / "wavs"
    for path in wavs.iterdir():
        path.unlink()
    sparse_wav(wavs / "felix_000000.wav", seconds=seconds, extra=extra)
    for number in range(1, clips):
        os.link(wavs / "felix_000000.wav", wavs / f"felix_{number:06d}.wav")


def make_cache(folder: Path, clips: int, *, generations: int, seconds: float = SECONDS) -> None:
    """Prepared clips as Piper names them, the older generations of a table that had other rows."""
    cache = folder / ".cache"
    for path in cache.iterdir():
        path.unlink()
    first = cache / "1_Заметьте, это предложение номер 0.spec.pt"
    with first.open("wb") as file:
        file.truncate(int(6.0 * 2 * RATE * seconds))
    for generation in range(generations):
        for row in range(1, clips + 1):
            name = f"{row}_Заметьте, это предложение номер {row - 1 + generation}.spec.pt"
            if cache / name != first:
                os.link(first, cache / name)


def make_story(folder: Path, *, clips: int = CLIPS, generations: int = 2, voices: bool = True) -> Path:
    """Project and dataset in one folder."""
    folder.mkdir(parents=True, exist_ok=True)
    make_dataset(folder, clips)
    make_recordings(folder, clips)
    make_cache(folder, clips, generations=generations)
    make_project(folder)
    checkpoint = folder / "lightning_logs" / "version_2" / "checkpoints" / CHECKPOINT
    checkpoint.write_bytes(checkpoint_bytes(426, 202_398))
    for voice in folder.glob("*.onnx"):
        if voices:
            with voice.open("wb") as file:
                file.truncate(VOICE_BYTES)
            voice.with_name(f"{voice.name}.json").write_text('{"phoneme_id_map": {"_": [0]}}')
        else:
            voice.unlink()
            voice.with_name(f"{voice.name}.json").unlink()
    return folder
