"""The bundled demo voice is whole, legal to ship and good enough to train on."""

from __future__ import annotations

import importlib.util
import re
import sys
import unicodedata
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

SAMPLE_RATE = 16_000
LARGEST_FOLDER = 6_000_000
"""Bytes."""


@pytest.fixture(scope="module")
def demo(repo: Path) -> Path:
    return repo / "workbench" / "demo"


@pytest.fixture(scope="module")
def rows(demo: Path) -> list[tuple[str, str]]:
    found = []
    for line in (demo / "metadata.csv").read_bytes().decode("utf-8").splitlines():
        name, text = line.split("|")
        found.append((name, text))
    return found


@pytest.fixture(scope="module")
def clips(demo: Path, rows: list[tuple[str, str]]) -> dict[str, npt.NDArray[np.int16]]:
    return {name: soundfile.read(demo / "wavs" / name, dtype="int16")[0] for name, _ in rows}


@pytest.fixture(scope="module")
def builder(repo: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_demo", repo / "tests/demo/build_demo.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def levels_db(samples_S: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Level of each 10 ms against full scale, dB."""
    count = len(samples_S) // 160
    frames_KS = samples_S[: count * 160].reshape(count, 160) / 32768
    level_K: npt.NDArray[np.float64] = 10 * np.log10((frames_KS**2).mean(1) + 1e-12)
    return level_K


def speech_level_db(samples_S: npt.NDArray[np.int16]) -> float:
    """Mean power of the frames that hold speech, dB against full scale."""
    level_K = levels_db(samples_S)
    speech_K = level_K[level_K > np.percentile(level_K, 95) - 25]
    return float(10 * np.log10((10 ** (speech_K / 10)).mean()))


def test_every_row_has_a_clip_and_every_clip_a_row(demo: Path, rows: list[tuple[str, str]]) -> None:
    names = [name for name, _ in rows]
    assert sorted(names) == sorted(path.name for path in (demo / "wavs").iterdir())
    assert names == [f"aelita_{number:04d}.flac" for number in range(1, len(names) + 1)]


def test_demo_has_a_few_minutes_in_at_most_six_megabytes(demo: Path, rows: list[tuple[str, str]]) -> None:
    assert 40 <= len(rows) <= 80
    assert sum(path.stat().st_size for path in demo.rglob("*") if path.is_file()) <= LARGEST_FOLDER


def test_clips_are_mono_16_bit_flac_at_the_recorded_rate(demo: Path, rows: list[tuple[str, str]]) -> None:
    for name, _ in rows:
        info = soundfile.info(demo / "wavs" / name)
        found = (info.format, info.subtype, info.channels, info.samplerate)
        assert found == ("FLAC", "PCM_16", 1, SAMPLE_RATE), name


def test_clips_last_between_two_and_seven_seconds(clips: dict[str, npt.NDArray[np.int16]]) -> None:
    for name, samples_S in clips.items():
        assert 2.0 <= len(samples_S) / SAMPLE_RATE <= 7.0, name


def test_texts_are_russian_in_nfc_without_stress_marks(rows: list[tuple[str, str]]) -> None:
    for name, text in rows:
        assert text == unicodedata.normalize("NFC", text), name
        assert re.fullmatch(r"[А-ЯЁ][А-Яа-яЁё ,.!?:;-]+[.!?]", text), (name, text)
        assert "  " not in text, name


def test_no_text_and_no_recording_stands_twice(
    rows: list[tuple[str, str]], clips: dict[str, npt.NDArray[np.int16]]
) -> None:
    assert len({text for _, text in rows}) == len(rows)
    assert len({samples_S.tobytes() for samples_S in clips.values()}) == len(rows)


def test_no_clip_is_clipped_or_has_an_offset(clips: dict[str, npt.NDArray[np.int16]]) -> None:
    for name, samples_S in clips.items():
        peak = int(np.abs(samples_S.astype(np.int32)).max())
        assert 0.2 * 32768 < peak < 0.9 * 32768, name
        # A clipped wave rests on its highest value; three equal samples there do not come by chance.
        at_peak_S = np.abs(samples_S.astype(np.int32)) == peak
        assert not (at_peak_S[:-2] & at_peak_S[1:-1] & at_peak_S[2:]).any(), name
        assert abs(float(samples_S.mean())) < 10, name


def test_speech_is_equally_loud_in_all_clips(clips: dict[str, npt.NDArray[np.int16]]) -> None:
    level = {name: speech_level_db(samples_S) for name, samples_S in clips.items()}
    median = float(np.median(list(level.values())))
    assert -25 < median < -12
    for name, value in level.items():
        assert abs(value - median) < 2.0, (name, value, median)


def test_clips_begin_and_end_with_a_little_quiet(clips: dict[str, npt.NDArray[np.int16]]) -> None:
    for name, samples_S in clips.items():
        level_K = levels_db(samples_S)
        loud = float(np.percentile(level_K, 95))
        edge = round(0.10 * 100)
        assert level_K[:edge].max() < loud - 30, name
        assert level_K[-edge:].max() < loud - 30, name
        spoken = np.flatnonzero(level_K > loud - 30)
        assert spoken[0] < 40, f"{name}: {spoken[0] / 100} s before the first sound"
        assert len(level_K) - spoken[-1] < 40, f"{name}: long quiet at the end"


def test_reading_speed_fits_the_text(rows: list[tuple[str, str]], clips: dict[str, npt.NDArray[np.int16]]) -> None:
    """A swapped or truncated transcript shows as letters a second far from the reader's pace."""
    for name, text in rows:
        letters = sum(character.isalpha() for character in text)
        assert 6.5 <= letters / (len(clips[name]) / SAMPLE_RATE) <= 12.0, name


def test_origin_names_every_clip_the_licence_and_the_book(demo: Path, rows: list[tuple[str, str]]) -> None:
    origin = (demo / "ORIGIN.md").read_text("utf-8")
    table = re.findall(r"^\| (aelita_\d+\.flac) \| (ru_\d{4}) \|", origin, flags=re.M)
    assert [name for name, _ in table] == [name for name, _ in rows]
    prompts = [prompt for _, prompt in table]
    assert prompts == sorted(set(prompts))
    assert prompts[-1] <= "ru_0248", "only Aelita may be used: another book begins at ru_0249"
    for needed in ("Nickolay V. Shmyrev", "Any modifications must be clearly marked", "DISCLAIM ALL", "1923", "1945"):
        assert needed in origin
    assert f"\n{len(rows)} recordings of one" in origin


def test_demo_rebuilds_from_the_package_sample_for_sample(demo: Path, builder: ModuleType, tmp_path: Path) -> None:
    if not builder.PACKAGE.is_dir():
        pytest.skip(f"the Debian package festvox-ru is not installed ({builder.PACKAGE} is absent)")
    builder.build(builder.PACKAGE, tmp_path)
    for name in ("metadata.csv", "ORIGIN.md"):
        assert (tmp_path / name).read_bytes() == (demo / name).read_bytes(), name
    names = sorted(path.name for path in (demo / "wavs").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "wavs").iterdir())
    for name in names:
        # Not the bytes: libFLAC writes its version into the file.
        ours, theirs = (soundfile.read(root / "wavs" / name, dtype="int16")[0] for root in (demo, tmp_path))
        assert np.array_equal(ours, theirs), name


def test_build_without_the_package_says_what_to_install(builder: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(builder.DemoError, match=r"txt\.done\.data: not found\. Install the Debian package festvox-ru"):
        builder.build(tmp_path / "absent", tmp_path / "out")


def test_build_refuses_a_folder_that_holds_another_clip(builder: ModuleType, tmp_path: Path) -> None:
    if not builder.PACKAGE.is_dir():
        pytest.skip(f"the Debian package festvox-ru is not installed ({builder.PACKAGE} is absent)")
    (tmp_path / "wavs").mkdir()
    (tmp_path / "wavs" / "mine.flac").touch()
    with pytest.raises(builder.DemoError, match=r"holds mine\.flac"):
        builder.build(builder.PACKAGE, tmp_path)


def test_breath_before_the_sentence_is_cut_away(builder: ModuleType) -> None:
    generator = np.random.default_rng(1)
    samples_S = generator.normal(0, 2, 3 * SAMPLE_RATE)
    samples_S[1_600:3_200] += generator.normal(0, 150, 1_600)
    samples_S[16_000:32_000] += generator.normal(0, 5_000, 16_000)
    assert builder.find_speech(samples_S.astype(np.int16)) == (16_000 - 2_400, 32_000 + 2_400)
