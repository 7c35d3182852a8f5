"""Piper's own preprocessing and ours cut the same recordings at the same sample."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from core_vits.audio import decode, resample, to_int16
from core_vits.cutting import Cut, CutPlan, cut
from core_vits.manifest import read_metadata
from core_vits.speech_detector import SpeechDetector

pytestmark = [pytest.mark.peer, pytest.mark.slow]

CODE = """
import sys
from pathlib import Path
from piper.train.vits.dataset import VitsDataModule
folder = Path(sys.argv[1])
VitsDataModule(csv_path=folder / "metadata.csv", cache_dir=folder / "cache", espeak_voice="ru", voice_name="cut",
               config_path=folder / "config.json", sample_rate=22050, audio_dir=folder).prepare_data()
"""


def edge_cases(speech: np.ndarray) -> dict[str, tuple[np.ndarray, int]]:
    """Recordings, at their rates, that a detector may stumble over; `speech` has 16 kHz."""
    chance = np.random.default_rng(1)
    quiet = chance.normal(0, 1e-4, 16_000).astype(np.float32)
    spoken = speech[8_000 : 8_000 + 512 * 40]
    return {
        "shorter than a chunk": (speech[10_000:10_500], 16_000),
        "one chunk": (speech[10_000:10_512], 16_000),
        "whole chunks": (spoken, 16_000),
        "one sample more": (speech[8_000 : 8_000 + 512 * 40 + 1], 16_000),
        "one less": (speech[8_000 : 8_000 + 512 * 40 - 1], 16_000),
        "no speech": (quiet, 16_000),
        "noise": (chance.normal(0, 0.1, 40_000).clip(-0.9, 0.9).astype(np.float32), 16_000),
        "silence around": (
            np.concatenate([np.zeros(30_000, np.float32), spoken, np.zeros(40_000, np.float32)]),
            16_000,
        ),
        "two parts": (np.concatenate([quiet, spoken, quiet, quiet, spoken, quiet]), 16_000),
        "44.1 kHz": (resample(np.concatenate([quiet, spoken, quiet]), 16_000, 44_100), 44_100),
        "stereo": (np.stack([np.concatenate([quiet, spoken, quiet])] * 2, axis=1), 22_050),
        "8 kHz": (resample(np.concatenate([quiet, spoken, quiet]), 16_000, 8_000), 8_000),
        "a minute": (np.concatenate([quiet, *[spoken, quiet] * 27]), 16_000),
    }


@pytest.mark.timeout(240)
def test_recordings_are_cut_where_piper_cuts_them(peer_python: Path, repo: Path, tmp_path: Path) -> None:
    demo = repo / "workbench" / "demo"
    recordings = {
        f"demo {row.line}": decode(demo / "wavs" / row.file) for row in read_metadata(demo / "metadata.csv").rows[:24]
    }
    recordings |= edge_cases(recordings["demo 1"][0])
    rows = []
    for number, (samples, rate) in enumerate(recordings.values(), start=1):
        soundfile.write(tmp_path / f"{number:03d}.wav", samples, rate)
        rows.append(f"{number:03d}|Да.\n")
    (tmp_path / "metadata.csv").write_text("".join(rows), "utf-8")
    done = subprocess.run([peer_python, "-c", CODE, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    detector, plan = SpeechDetector(), CutPlan(22_050, True, 0.25, 0.25)
    ours = cut([tmp_path / f"{number:03d}.wav" for number in range(1, len(rows) + 1)], plan, detector)
    for number, (name, made) in enumerate(zip(recordings, ours, strict=True), start=1):
        (cached,) = (tmp_path / "cache").glob(f"{number}_*.audio.pt")
        theirs = to_int16(torch.load(cached, weights_only=True).numpy())
        assert isinstance(made, Cut), name
        assert np.array_equal(made.samples, theirs), name
