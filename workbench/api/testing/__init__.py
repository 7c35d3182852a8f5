"""Contract suites for plugin authors: subclass one, and it asks of your plugin what the workbench needs.

    from workbench.api.testing import PhonemizerContract

    class TestMyPhonemizer(PhonemizerContract):
        language = "ru"
        texts = ("Привет, мир.", "Как дела?")

        @pytest.fixture
        def phonemizer(self):
            return MyPhonemizer(MySettings())

First-party plugins are tested with the same classes. Needs pytest, which a running workbench does not. The fixtures at
the end are for your own tests: `pytest_plugins = ["workbench.api.testing"]` in the top `conftest.py` switches them on.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from workbench.api import DatasetFacts, Utterance

# Before the suites are imported: an assertion that fails must show its values in the author's test run.
pytest.register_assert_rewrite(
    *(
        f"{__name__}.{part}"
        for part in ("plugin", "phonemizer", "recognizer", "health_rule", "exporter", "player", "launcher")
    )
)

from workbench.api.testing.exporter import ExporterContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.health_rule import HealthRuleContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.launcher import LauncherContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.phonemizer import PhonemizerContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.player import PlayerContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.plugin import PluginContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.recognizer import PhoneRecognizerContract  # noqa: E402 - after the rewriting is set up
from workbench.api.testing.samples import (  # noqa: E402
    make_container,
    make_facts,
    make_measures,
    make_utterance,
    one_line,
    write_tone,
)

__all__ = [
    "ExporterContract",
    "HealthRuleContract",
    "LauncherContract",
    "PhoneRecognizerContract",
    "PhonemizerContract",
    "PlayerContract",
    "PluginContract",
    "make_container",
    "make_facts",
    "make_measures",
    "make_utterance",
    "one_line",
    "write_tone",
]


@pytest.fixture
def dataset_facts(tmp_path: Path) -> DatasetFacts:
    """Facts of an ordinary dataset, for tests of health rules."""
    return make_facts(tmp_path)


@pytest.fixture
def utterance() -> Callable[..., Utterance]:
    """Makes utterances: `utterance(text="", seconds=0.1)` is an ordinary one but for what is named."""
    return make_utterance


@pytest.fixture
def short_wav(tmp_path: Path) -> Path:
    """A fifth of a second of a sine, 16 kHz mono."""
    return write_tone(tmp_path / "tone.wav")
