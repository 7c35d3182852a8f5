"""Who has which number in a voice: as in Piper from scratch, as in the checkpoint when a run goes on from one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_project import Project, prepared

from core_vits.cache import CacheReader
from core_vits.phonemes import PHONEME_ID_MAP
from workbench.jobs import rundir
from workbench.train.glue import sentences
from workbench.train.prepare import main

SPEAKERS: dict[str, Any] = {"dataset": {"multi_speaker": True}, "text": {"phonemizer": "text"}}
"""Texts are read as phonemes: quick, and the same everywhere."""


def make(root: Path, *speakers: str) -> Project:
    """A project with a clip a speaker named, in this order."""
    project = Project(root)
    for number, name in enumerate(speakers):
        project.clip(f"{number}", f"{name}|abc {number}", seed=number)
    return project


def numbers(run: Path) -> dict[str, int]:
    """The numbers in the configuration that a preparation writes."""
    prepared(run)
    found: dict[str, int] = rundir.read_json(run / "config.json")["speaker_id_map"]
    return found


def begin_with(run: Path, checkpoint: Path) -> Path:
    """Say in a run's identity that it goes on from a checkpoint."""
    rundir.write_json(run / "run.json", {"resumed_from": str(checkpoint)})
    return run


def checkpoint_of(folder: Path, *, place: str = "lightning_logs/version_0/checkpoints", **config: Any) -> Path:
    """A checkpoint in its place below a configuration; nothing here reads its weights."""
    checkpoint = folder / place / "epoch=3-step=40.ckpt"
    checkpoint.parent.mkdir(parents=True)
    checkpoint.touch()
    known = {"num_speakers": 1, "speaker_id_map": {}, "phoneme_id_map": {"_": [0], "^": [1], "$": [2]}}
    (folder / "config.json").write_text(json.dumps({**known, **config}), "utf-8")
    return checkpoint


def test_a_speaker_whose_recordings_are_missing_has_a_number_as_in_piper_but_never_speaks_first(tmp_path: Path) -> None:
    project = make(tmp_path / "a", "mia", "tom", "mia")
    project.rows.insert(0, ("lost", "ghost|abc"))
    run = project.run(**SPEAKERS)
    assert numbers(run) == {"ghost": 0, "mia": 1, "tom": 2}
    config = rundir.read_json(run / "config.json")
    assert (config["num_speakers"], config["default_speaker_id"]) == (3, 1)


def test_by_clips_the_one_with_most_recordings_comes_first_and_missing_ones_do_not_count(tmp_path: Path) -> None:
    project = make(tmp_path / "a", "mia", "tom", "ann", "tom", "ann", "ann")
    project.rows[1:1] = [(f"lost{number}", "mia|abc") for number in range(5)]
    project.rows.append(("gone", "ghost|abc"))
    (project.wavs / "empty.wav").touch()
    project.rows += [("empty", "mia|abc")] * 3
    options = {**SPEAKERS, "dataset": {"multi_speaker": True, "speaker_order": "clips"}}
    assert numbers(project.run(**options)) == {"ann": 0, "tom": 1, "mia": 2}


def test_the_only_speaker_makes_a_voice_without_speakers(tmp_path: Path) -> None:
    run = make(tmp_path / "a", "mia", "mia").run(**SPEAKERS)
    assert numbers(run) == {}
    assert rundir.read_json(run / "config.json")["num_speakers"] == 1


def test_a_run_that_goes_on_keeps_its_numbers_whatever_the_table_says_now(tmp_path: Path) -> None:
    project = make(tmp_path / "a", "mia", "tom")
    run = project.run(**SPEAKERS)
    assert numbers(run) == {"mia": 0, "tom": 1}
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "epoch=0-step=2.ckpt").touch()
    project.clip("new", "ann|abc", seed=9)
    project.rows.reverse()
    project.run()  # writes the table
    assert numbers(run) == {"mia": 0, "tom": 1, "ann": 2}


@pytest.mark.parametrize("place", ["lightning_logs/version_0/checkpoints", "checkpoints"])
def test_a_run_that_begins_with_a_checkpoint_takes_over_its_numbers(tmp_path: Path, place: str) -> None:
    known = checkpoint_of(tmp_path / "old", place=place, num_speakers=4, speaker_id_map={"tom": 0, "zoe": 2})
    run = begin_with(make(tmp_path / "a", "mia", "tom").run(**SPEAKERS), known)
    assert numbers(run) == {"tom": 0, "mia": 1, "zoe": 2}
    config = rundir.read_json(run / "config.json")
    assert (config["num_speakers"], config["default_speaker_id"]) == (4, 0)
    assert rundir.read_json(run / "prepare.json")["num_speakers"] == 4


@pytest.mark.parametrize(
    ("mode", "names", "found"),
    [
        ("resume", ("mia", "ann"), {"tom": 0, "zoe": 1, "mia": 2, "ann": 3}),
        ("warm-start", ("mia", "tom"), {"tom": 0, "zoe": 1, "mia": 2}),
        ("warm-start", ("mia", "ann"), {"mia": 0, "ann": 1}),
        ("vocoder", ("mia", "tom"), {"mia": 0, "tom": 1}),
    ],
)
def test_how_much_of_the_checkpoint_is_taken_decides_whether_its_numbers_are(
    tmp_path: Path, mode: str, names: tuple[str, ...], found: dict[str, int]
) -> None:
    known = checkpoint_of(tmp_path / "old", num_speakers=2, speaker_id_map={"tom": 0, "zoe": 1})
    run = make(tmp_path / "a", *names).run(**SPEAKERS, start={"checkpoint": str(known), "mode": mode})
    assert numbers(run) == found


def test_a_checkpoint_without_a_configuration_decides_nothing(tmp_path: Path) -> None:
    known = checkpoint_of(tmp_path / "old")
    (tmp_path / "old" / "config.json").unlink()
    assert numbers(begin_with(make(tmp_path / "a", "tom", "mia").run(**SPEAKERS), known)) == {"tom": 0, "mia": 1}


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"phoneme_id_map": {}}',
        '{"num_speakers": 2, "phoneme_id_map": {}, "speaker_id_map": {"a": "x"}}',
        '{"num_speakers": 2, "phoneme_id_map": {}, "speaker_id_map": {"a": 1, "b": 1}}',
        '{"num_speakers": "many", "phoneme_id_map": {}, "speaker_id_map": {}}',
    ],
)
def test_a_configuration_that_can_not_be_read_stops_the_run_in_one_line(
    tmp_path: Path, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    known = checkpoint_of(tmp_path / "old")
    (tmp_path / "old" / "config.json").write_text(content)
    assert main([str(begin_with(make(tmp_path / "a", "tom", "mia").run(**SPEAKERS), known))]) == 2
    error = capsys.readouterr().err
    assert "config.json: what the checkpoint numbers how can't be read" in error
    assert error.count("\n") == 1


def test_a_symbol_with_another_id_than_the_checkpoint_knows_stops_a_resumed_run_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {symbol: list(numbers) for symbol, numbers in PHONEME_ID_MAP.items()}
    known = checkpoint_of(tmp_path / "old", phoneme_id_map={**ids, "a": [15], "b": [14]})
    project = make(tmp_path / "a", "tom", "mia")
    assert main([str(begin_with(project.run(**SPEAKERS), known))]) == 2
    error = capsys.readouterr().err
    assert "'a' has the id 14, the checkpoint was trained with 15" in error
    # As the line says: with the map of the checkpoint it goes on.
    mapped = {**SPEAKERS, "text": {"phonemizer": "text", "phoneme_map": str(tmp_path / "old" / "config.json")}}
    prepared(begin_with(project.run(**mapped), known))
    prepared(project.run(**SPEAKERS, start={"checkpoint": str(known), "mode": "warm-start"}))


def test_samples_are_heard_of_several_speakers_even_if_the_clips_held_back_are_of_one(tmp_path: Path) -> None:
    project = make(tmp_path / "a", *("mia", "tom", "ann", "bob", "eve", "kim", "zoe") * 2)
    project.rows.insert(0, ("lost", "ghost|abc"))
    summary = prepared(project.run(**SPEAKERS))
    reader = CacheReader(Path(summary["cache"]))
    keys = [clip["key"] for clip in summary["trained"]]
    spoken = sentences(reader, keys, keys[:1], summary["speakers"])
    assert [(item.speaker, item.speaker_id) for item in spoken] == [
        ("mia", 1), ("tom", 2), ("ann", 3), ("bob", 4), ("eve", 5),
    ]  # fmt: skip
    assert {item.phoneme_ids for item in spoken} == {reader.entries[keys[0]].phoneme_ids}
    assert [item.speaker for item in sentences(reader, keys, keys[:6], summary["speakers"])] == [
        "mia", "tom", "ann", "bob", "eve", "kim",
    ]  # fmt: skip
    assert [item.speaker_id for item in sentences(reader, keys, keys[:2], None)] == [None, None]
    assert sentences(reader, keys, [], summary["speakers"]) == []
    reader.close()
