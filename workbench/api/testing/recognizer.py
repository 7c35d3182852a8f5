"""The suite for phone recognisers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from workbench.api import PhoneRecognizer
from workbench.api.testing.samples import one_line


class PhoneRecognizerContract:
    """What every phone recogniser must do. Give the fixtures `recognizer` and `speech`."""

    @pytest.fixture
    def recognizer(self) -> Iterator[PhoneRecognizer]:
        """The recogniser to be tested."""
        pytest.fail("the subclass must define the fixture 'recognizer'")

    @pytest.fixture
    def speech(self) -> Any:
        """float32 numpy array of two to ten seconds of speech at the recogniser's rate, full scale = 1."""
        pytest.fail("the subclass must define the fixture 'speech'")

    def test_it_has_a_version_and_a_rate(self, recognizer: PhoneRecognizer) -> None:
        assert one_line(recognizer.version)
        assert recognizer.sample_rate >= 8_000

    def test_speech_gives_phones_and_the_same_ones_each_time(self, recognizer: PhoneRecognizer, speech: Any) -> None:
        heard = list(recognizer.hear(speech))
        seconds = len(speech) / recognizer.sample_rate
        assert 3 * seconds <= len(heard) <= 30 * seconds
        assert all(isinstance(phone, str) and phone for phone in heard)
        assert list(recognizer.hear(speech)) == heard

    def test_a_long_recording_is_heard_to_its_end(self, recognizer: PhoneRecognizer, speech: Any) -> None:
        times = 1 + int(45 * recognizer.sample_rate / len(speech))
        alone, together = (
            len(recognizer.hear(speech)),
            len(recognizer.hear(speech.reshape(1, -1).repeat(times, 0).reshape(-1))),
        )
        assert 0.8 * times * alone <= together <= 1.2 * times * alone

    def test_no_speech_and_hardly_any_samples_are_no_crash(self, recognizer: PhoneRecognizer, speech: Any) -> None:
        for samples in (0, 1, 100, recognizer.sample_rate):
            assert len(recognizer.hear(speech[:samples] * 0)) <= 3

    def test_it_can_be_closed_twice(self, recognizer: PhoneRecognizer) -> None:
        recognizer.close()
        recognizer.close()
