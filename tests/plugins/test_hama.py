"""hama: it hears real speech, all of it, and right texts are nearer than wrong ones."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pytest

import workbench_hama
from core_vits.audio import load_recording
from workbench.api.testing import PhoneRecognizerContract, PluginContract
from workbench.mismatch.distance import distances
from workbench.mismatch.sounds import sounds_of

missing = pytest.mark.skipif(bool(workbench_hama.available()), reason=workbench_hama.available() or "available")

if TYPE_CHECKING:
    from workbench_hama.recognizer import HamaRecognizer


# Of the demo's texts, by espeak-ng; written down so that the test needs no phonemizer.
SAID = {
    1: "ɡɭˈɑza ɭʲinʲˈivyjɪ, sʲˈerʌkˈɑrʲijɪ, ɪ tˈɑk ʒy kˈɑk u tˈoj ʒˈɛnɕiny, s ˈɪskʌrkʌj.",
    2: "utʃʲˈiɭsʲʌ nə mʲˈednyjɪ dʲˈenɡʲɪ, s dvʲinˈɑttsʌtʲɪ ɭʲˈet sˈɑm ˈɪx zʌrabˈɑtyvʌju.",
    4: "mʲˈeʒdu zubˈɑmʲɪ u nʲˈix byɭˈɑ travˈɑ, ʌnʲˈɪ pasɭʲˈisʲ tˈɑm, ɡdʲˈe tʲipʲˈerɪ ɭdˈy.",
}


class TestPlugin(PluginContract):
    module = "workbench_hama"


@pytest.fixture(scope="module")
def hama() -> HamaRecognizer:
    from workbench_hama.recognizer import create

    return create()


def demo(repo: Path, number: int) -> npt.NDArray[np.float32]:
    return load_recording(repo / "workbench" / "demo" / "wavs" / f"aelita_{number:04}.flac", 16_000)


@missing
class TestRecognizer(PhoneRecognizerContract):
    @pytest.fixture
    def recognizer(self, hama: HamaRecognizer) -> Iterator[HamaRecognizer]:
        yield hama
        hama.close()

    @pytest.fixture
    def speech(self, repo: Path) -> npt.NDArray[np.float32]:
        return demo(repo, 2)[: 3 * 16_000]


@missing
def test_right_texts_are_nearer_than_wrong_ones_in_a_language_that_it_was_not_trained_on(
    hama: HamaRecognizer, repo: Path
) -> None:
    heard = [sounds_of(hama.hear(demo(repo, number))) for number in SAID]
    texts = [sounds_of(text) for text in SAID.values()]
    right = distances(heard, texts)
    wrong = distances(heard, texts[1:] + texts[:1])
    assert right.max() < 0.45 < 0.5 < wrong.min()


def test_a_long_recording_is_cut_where_it_is_quiet_and_nothing_is_lost() -> None:
    pytest.importorskip("hama")
    from workbench_hama.recognizer import pieces

    samples = np.random.default_rng(1).normal(0, 0.1, 50 * 16_000).astype(np.float32)
    quiet = slice(int(19.2 * 16_000), int(19.4 * 16_000))
    samples[quiet] = 0
    parts = pieces(samples)
    assert all(len(part) <= 20 * 16_000 for part in parts)
    assert quiet.start <= len(parts[0]) <= quiet.stop
    assert np.array_equal(np.concatenate(parts), samples)


@pytest.mark.parametrize("seconds", [0, 1, 20])
def test_a_recording_that_is_short_enough_is_not_cut(seconds: int) -> None:
    pytest.importorskip("hama")
    from workbench_hama.recognizer import pieces

    samples = np.ones(seconds * 16_000, dtype=np.float32)
    assert [len(part) for part in pieces(samples)] == [len(samples)]


def test_without_the_package_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert workbench_hama.available() == "the package hama is not installed. Install it: pip install hama==1.7.0"


def test_the_version_to_install_is_the_one_of_the_extra(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    extra = tomllib.loads((repo / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]["asr"]
    assert extra == [workbench_hama.available().rpartition(" ")[2]]
