"""piper-phonemize: the same phonemes as the peer's, whatever was phonemized before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import workbench_piper
from workbench.api import PhonemizerSpec
from workbench.api.testing import PhonemizerContract, PluginContract

pytestmark = pytest.mark.skipif(bool(workbench_piper.available()), reason=workbench_piper.available() or "available")

if TYPE_CHECKING:
    from workbench_piper.backend import PiperPhonemizer


@pytest.fixture(scope="module")
def piper() -> PiperPhonemizer:
    from workbench_piper.backend import create

    return create()


class TestPlugin(PluginContract):
    module = "workbench_piper"


class TestPhonemizer(PhonemizerContract):
    language = "ru"
    texts = ("Привет, мир! Как дела?", "Он сказал Hello world и ушёл.", "Ну..", "Цена 3,14 рубля; курс $5.")

    @pytest.fixture
    def phonemizer(self, piper: PiperPhonemizer) -> Iterator[PiperPhonemizer]:
        yield piper
        piper.close()


def test_phonemes_of_the_fixture_texts_equal_the_recorded_ones(shared: Path, piper: PiperPhonemizer) -> None:
    recorded = json.loads((shared / "fixtures/phonemize/piper_phonemize_1.1.0.json").read_text("utf-8"))
    texts = [key for key in recorded if "|" in key]
    assert len(texts) == 22
    for key in texts:
        language, _, text = key.partition("|")
        (sentences,) = piper.phonemize([text], language=language)
        assert ["".join(sentence) for sentence in sentences] == recorded[key]["phonemes"]


def test_phonemes_of_650_sentences_equal_the_recorded_ones(shared: Path, piper: PiperPhonemizer) -> None:
    lines = (shared / "data/phonemes_piper_phonemize_1.1.0.jsonl").read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    # Every third: 9 languages are among them, and each sentence costs some milliseconds.
    for record in records[::3]:
        assert piper.phonemize([record["text"]], language=record["lang"]) == [record["phonemes"]], record["id"]


def test_a_text_that_ends_in_two_dots_does_not_speak_in_the_next_one(piper: PiperPhonemizer) -> None:
    (alone,) = piper.phonemize(["A; b"], language="en-us")
    piper.phonemize(["Dr.."], language="en-us")
    assert piper.phonemize(["A; b"], language="en-us") == [alone]


def test_the_record_prefers_this_backend_to_the_systems_espeak() -> None:
    import workbench_espeak

    piper, _ = workbench_piper.plugin.workbench_register_phonemizers()
    (espeak,) = workbench_espeak.plugin.workbench_register_phonemizers()
    assert isinstance(piper, PhonemizerSpec)
    assert (piper.preference, espeak.preference) == (20, 10)


def test_without_the_package_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_piper.importlib.util, "find_spec", lambda _: None)
    assert "piper-phonemize" in workbench_piper.available()
