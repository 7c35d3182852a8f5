"""`speak --stream`: what the user is told, and what happens where nothing can be played at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import HEAD, Command

PLAYED = {"message": "played 2.0 s on a device", "played": True, "reasons": []}
NOT_PLAYED = {"message": "", "played": False, "reasons": ["file: plays complete files only"]}


@pytest.fixture
def asked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the worker is asked for; what it answers is under `answer`."""
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "a.encoder.onnx").write_bytes(b"")
    answer = {
        "wav": "a.wav", "seconds": 2.0, "sample_rate": 22_050, "speaker": "", "seconds_to_first_audio": 0.08,
        "seconds_late": 0.0, "play": PLAYED,
    }  # fmt: skip
    seen: dict[str, Any] = {"answer": answer}

    def call(target: str, *_: object, **options: Any) -> dict[str, Any]:
        seen.update(options, target=target)
        return answer

    def play(*_: object) -> dict[str, Any]:
        seen["played_afterwards"] = True
        return {"message": "it lies there", "played": False}

    monkeypatch.setattr("workbench.cli.voices._call", call)
    monkeypatch.setattr("workbench.cli.voices.play", play)
    return seen


def test_what_was_played_while_it_was_made_is_not_played_again(workbench: Command, asked: dict[str, Any]) -> None:
    outcome = workbench("speak", "Да.", "--stream", "--with", "a.encoder.onnx", "--json")
    assert outcome.code == 0
    assert outcome.json["play"] == PLAYED
    assert asked["target"].endswith(":speak_live")
    assert asked["player"] == "auto"
    assert "played_afterwards" not in asked


def test_where_nothing_can_play_it_at_once_the_file_is_played_afterwards(
    workbench: Command, asked: dict[str, Any]
) -> None:
    asked["answer"].update(play=NOT_PLAYED, seconds_late=0.25)
    outcome = workbench("speak", "Да.", "--stream", "--with", "a.encoder.onnx")
    assert asked["played_afterwards"]
    assert outcome.out.splitlines() == [
        "first audio after 0.08 s, then with 0.25 s of pauses until more was ready",
        "not played while it was made (file: plays complete files only)",
        "wrote a.wav (2.0 s, 22050 Hz)",
    ]


def test_no_play_only_writes(workbench: Command, asked: dict[str, Any]) -> None:
    asked["answer"].update(play={**NOT_PLAYED, "reasons": []})
    outcome = workbench("speak", "Да.", "--stream", "--no-play", "--with", "a.encoder.onnx")
    assert asked["player"] is None
    assert "played_afterwards" not in asked
    assert outcome.out.splitlines() == [
        "first audio after 0.08 s, then without a pause",
        "wrote a.wav (2.0 s, 22050 Hz)",
    ]
