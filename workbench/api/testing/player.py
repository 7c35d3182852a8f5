"""The suite for players."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.api import Player
from workbench.api.testing.samples import one_line, write_tone


class PlayerContract:
    """What every player must do. Give a fixture `player`."""

    @pytest.fixture
    def player(self) -> Player:
        """The player to be tested."""
        pytest.fail("the subclass must define the fixture 'player'")

    def test_whether_it_can_play_is_an_answer_and_never_a_crash(self, player: Player) -> None:
        environments: list[dict[str, str]] = [{}, {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, {"DISPLAY": ":0"}]
        for environment in environments:
            reason = player.available(environment)
            assert reason == "" or one_line(reason)

    def test_it_plays_or_says_why_not(self, player: Player, tmp_path: Path) -> None:
        tone = write_tone(tmp_path / "tone.wav")
        try:
            assert one_line(player.play(tone))
        except OSError as error:
            assert one_line(str(error))  # noqa: PT017 - raising is optional

    def test_a_missing_file_is_an_oserror_of_one_line(self, player: Player, tmp_path: Path) -> None:
        with pytest.raises(OSError, match=r".") as caught:
            player.play(tmp_path / "missing.wav")
        assert one_line(str(caught.value))

    def test_stopping_when_nothing_plays_does_nothing(self, player: Player) -> None:
        player.stop()
        player.stop()
