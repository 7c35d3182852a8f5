"""`workbench curate`: every action, and that neither the table nor a recording is ever changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from core_vits.manifest import read_metadata

HEAD = '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n'
RATE = 44_100


@pytest.fixture
def dataset(folder: Path) -> dict[str, bytes]:
    """Three rows at another rate than the voice's; the first is stereo with an offset. Returns what must not change."""
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "metadata.csv").write_text("a|один\nsub/b|два\nc|три\n", "utf-8")
    (folder / "wavs" / "sub").mkdir(parents=True)
    noise = np.random.default_rng(1).normal(0, 0.1, (RATE, 2)).astype("float32")
    soundfile.write(folder / "wavs" / "a.wav", np.stack([noise[:, 0] + 0.2, -noise[:, 0] - 0.2], 1), RATE, "PCM_24")
    soundfile.write(folder / "wavs" / "sub" / "b.wav", noise[:, 0], RATE)
    return originals(folder)


def originals(folder: Path) -> dict[str, bytes]:
    files = [folder / "metadata.csv", *sorted((folder / "wavs").rglob("*.wav"))]
    return {str(path): path.read_bytes() for path in files}


def test_rows_are_excluded_listed_included_and_the_last_step_undone(
    workbench: Any, folder: Path, dataset: dict[str, bytes]
) -> None:
    assert workbench("curate", "exclude", "a.wav", "sub/b", "--why", "a dog barks").out == (
        "excluded 2 rows: a dog barks\n"
    )
    listed = workbench("curate", "--json").json
    assert listed["excluded"] == {"a": ["a dog barks", ""], "sub/b": ["a dog barks", ""]}
    assert workbench("curate", "include", "a").code == 0
    assert workbench("curate", "undo").out == "undone: included 1 row again\n"
    assert set(workbench("curate", "--json").json["excluded"]) == {"a", "sub/b"}
    assert originals(folder) == dataset


def test_a_text_is_corrected(workbench: Any, folder: Path, dataset: dict[str, bytes]) -> None:
    assert workbench("curate", "correct", "c", "четыре").code == 0
    assert "c  четыре  три" in workbench("curate").out
    assert originals(folder) == dataset


def test_a_mended_copy_is_mono_16_bit_at_the_voices_rate_without_offset(
    workbench: Any, folder: Path, dataset: dict[str, bytes]
) -> None:
    made = workbench("curate", "mend", "a", "c", "--how", "left,dc,rate", "--gain", "6", "--json")
    assert made.code == 1, made.err  # c has no recording
    assert made.json["failed"] == {"c": "there is no such recording"}
    copy = folder / "curation" / made.json["takes"]["a"][0]
    samples, rate = soundfile.read(copy, dtype="float32")
    about = soundfile.info(copy)
    assert (rate, about.channels, about.subtype) == (22_050, 1, "PCM_16")
    assert abs(float(samples.mean())) < 1e-3
    noise = float(np.std(soundfile.read(folder / "wavs" / "a.wav")[0][:, 0]))
    # Half the noise is above the new band; 6 dB louder.
    assert float(samples.std()) == pytest.approx(noise * 10**0.3 / np.sqrt(2), rel=0.05)
    assert originals(folder) == dataset


def test_gain_stops_short_of_clipping(workbench: Any, folder: Path, dataset: dict[str, bytes]) -> None:
    made = workbench("curate", "mend", "sub/b", "--gain", "40", "--json").json
    samples, _ = soundfile.read(folder / "curation" / made["takes"]["sub/b"][0])
    assert 0.97 < np.abs(samples).max() < 1.0


def test_the_curated_dataset_is_written_for_other_trainers(
    workbench: Any, folder: Path, dataset: dict[str, bytes]
) -> None:
    soundfile.write(folder / "wavs" / "c.wav", np.full(RATE, 0.1), RATE)
    workbench("curate", "exclude", "c")
    workbench("curate", "correct", "a", "первый")
    workbench("curate", "mend", "a", "--how", "left,dc,rate")
    assert workbench("curate", "write", "out").code == 0
    rows = read_metadata(folder / "out" / "metadata.csv").rows
    assert [(row.file, row.text) for row in rows] == [("a", "первый"), ("sub/b", "два")]
    assert soundfile.info(folder / "out" / "wavs" / "a.wav").samplerate == 22_050
    assert (folder / "out/wavs/sub/b.wav").read_bytes() == (folder / "wavs/sub/b.wav").read_bytes()
    again = workbench("curate", "write", "out")
    assert again.code == 2
    assert "is there already" in again.error


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("exclude",), "one FILE or more is wanted"),
        (("exclude", "nobody"), "no row of metadata.csv names this recording"),
        (("include", "a"), "a: is not excluded"),
        (("correct", "a"), "a FILE and its TEXT is wanted"),
        (("take", "a", "nobody.wav"), "no such recording in wavs"),
        (("take", "a", "../metadata.csv"), "no such recording in wavs"),
        (("undo",), "nothing to undo"),
        (("mend", "a", "--how", "loud"), "'loud' is not one of left, dc, rate, trim"),
        (("list", "a"), "nothing is wanted"),
        (("exlude", "a"), "invalid choice: 'exlude'"),
    ],
)
def test_a_slip_changes_nothing_and_says_what_is_wanted(
    arguments: tuple[str, ...], told: str, workbench: Any, folder: Path, dataset: dict[str, bytes]
) -> None:
    outcome = workbench("curate", *arguments)
    assert outcome.code == 2
    assert told in outcome.error
    assert not list((folder / "curation").glob("*.csv")) if (folder / "curation").exists() else True
