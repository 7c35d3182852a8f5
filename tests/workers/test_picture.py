"""The picture of a recording: loud where it is loud, high where it is high."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from workbench.errors import DatasetError
from workbench.workers.targets.picture import draw

RATE = 22_050


def tone(hz: float, seconds: float) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)


def test_a_low_tone_is_below_a_high_one_and_silence_is_nothing(tmp_path: Path) -> None:
    samples = np.concatenate([tone(200, 1), np.zeros(RATE), tone(6000, 1)])
    soundfile.write(tmp_path / "a.wav", samples, RATE)
    drawn = draw(str(tmp_path / "a.wav"), 60, 16)
    levels = np.array(drawn["bands"])
    assert levels.shape == (16, 60)
    assert levels[:, 5].argmax() < 4 < 11 < levels[:, 55].argmax()
    assert levels[:, 30].max() == 0
    assert drawn["high"][5] == pytest.approx(0.5, abs=0.01)
    assert drawn["low"][5] == pytest.approx(-0.5, abs=0.01)
    assert (drawn["low"][30], drawn["high"][30], drawn["seconds"]) == (0, 0, 3.0)


@pytest.mark.parametrize("samples", [1, 7, 511, 513])
def test_a_recording_shorter_than_a_window_or_than_the_picture_is_drawn(samples: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.full(samples, 0.5), RATE)
    drawn = draw(str(tmp_path / "a.wav"), 160, 32)
    assert len(drawn["high"]) == 160
    assert max(drawn["high"]) == pytest.approx(0.5, abs=1e-4)


def test_what_is_no_recording_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFFnonsense")
    with pytest.raises(DatasetError, match=r"^a\.wav can't be decoded"):
        draw(str(tmp_path / "a.wav"), 10, 4)
