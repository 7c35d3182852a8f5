"""A cache as Piper writes it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import torch

from core_vits.audio import load_recording
from core_vits.cutting import Cut, CutPlan, cut
from core_vits.manifest import Row
from core_vits.speech_detector import SpeechDetector
from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs.dataset import read_table
from workbench.workers.targets.frontend import front_end


def name_of(row: Row) -> str:
    """What Piper calls the entry of a row."""
    text = re.sub(r'[/:*?"<>|\\]', "", row.text).rstrip(". ")
    return f"{row.line}_{text}"[:50]


def make_cache(
    folder: Path, *, rate: int, hop: int = 256, bins: int = 513, trim: bool = True, rows: Sequence[Row] | None = None
) -> Path:
    """Prepare the rows of a workspace as Piper does.

    Args:
        folder: of the workspace.
        rate: Hz of the audio.
        hop: of the spectrograms, samples.
        bins: of the spectrograms.
        trim: whether silence is cut.
        rows: that are prepared; all if None.
    """
    workspace = load_workspace(folder)
    cache = folder / "cache"
    cache.mkdir(exist_ok=True)
    front = front_end(workspace, Host.load(workspace))
    rows = read_table(workspace).rows if rows is None else rows
    spoken = front.read(rows)
    front.close()
    detector = SpeechDetector() if trim else None
    for row, words in zip(rows, spoken, strict=True):
        path = workspace.audio_folder / row.file
        audio = torch.from_numpy(load_recording(path, rate).copy())
        if trim:
            (made,) = cut([path], CutPlan(rate, True, 0.25, 0.25), detector)
            assert isinstance(made, Cut)
            audio = torch.from_numpy(made.samples.astype("float32") / 32768)
        base = str(cache / name_of(row))
        Path(f"{base}.txt").write_text(row.text, "utf-8")
        said = "\n".join("".join(sentence) for sentence in words.sentences)
        Path(f"{base}.phonemes.txt").write_text(f"{said}\n", "utf-8")
        torch.save(torch.tensor(words.ids), f"{base}.phonemes.pt")
        torch.save(audio, f"{base}.audio.pt")
        torch.save(torch.zeros(bins, len(audio) // hop), f"{base}.spec.pt")
    return cache


def age(cache: Path, seconds: float) -> None:
    """Make a cache older."""
    for path in cache.iterdir():
        then = path.stat().st_mtime - seconds
        os.utime(path, (then, then))
