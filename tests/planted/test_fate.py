"""What the health check says becomes of each row is what the preparation and the trainer then make of it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from planted.dataset import Line, Plant, Planted, Source
from planted.files import FILES
from planted.groups import groups
from planted.sounds import SOUNDS
from planted.words import WORDS

from workbench.config import load_workspace
from workbench.host import Host
from workbench.jobs import rundir
from workbench.jobs.curating import Curator
from workbench.jobs.dataset import read_table
from workbench.train.clips import ClipBuild, Clips
from workbench.train.glue import stored_split
from workbench.workers.targets.frontend import front_end
from workbench.workers.targets.health import scan


def prepared(folder: Path) -> Clips:
    """The clips as `workbench prepare` makes them."""
    workspace = load_workspace(folder)
    front = front_end(workspace, Host.load(workspace))
    try:
        return ClipBuild(workspace, front, lambda *_: None, executor_name="here").run()
    finally:
        front.close()


def check(folder: Path) -> tuple[dict[str, Any], Clips]:
    """Scan, then prepare, and compare row by row; a scan never looks into the cache of clips."""
    report, clips = scan(str(folder)), prepared(folder)
    rows = {item["row"]: item for item in report["utterances"]}
    trained = [line for line, item in rows.items() if item["becomes"] == "trained"]
    told = {line: item["why"] for line, item in rows.items() if item["becomes"] == "dropped"}
    told |= {item["row"]: item["why"] for item in report["skipped"]}
    owners = [item for item in rows.values() if item["becomes"] == "excluded"]
    excluded = {item["row"]: f"'{item['file']}' is excluded: {item['why']}." for item in owners}
    assert trained == [row.line for row in clips.rows]
    assert told | excluded == {item.line: item.reason for item in clips.dropped}
    summary = report["summary"]
    assert summary["usable"] == len(clips.rows)
    assert summary["dropped"] + summary["excluded"] == len(clips.dropped)
    assert summary["usable"] + summary["dropped"] + summary["excluded"] == summary["rows"]
    # What is dropped has a finding that says so, and what has such a finding is dropped.
    # A blank line is none of the dataset's, though the preparation counts it.
    told_so = {item["subject"] for item in report["findings"] if item["level"] == "error" or "blank" in item["rule"]}
    assert {f"metadata.csv:{line}" for line in told} == told_so - {"metadata.csv", "[text]"}
    return report, clips


def split_of(folder: Path, clips: Clips, run: Path) -> dict[int, str]:
    """Part of each line as the trainer divides the clips."""
    keys = [entry.key for entry in clips.entries]
    run.mkdir()
    parts = stored_split(run, keys, load_workspace(folder).training).as_json()
    lines = {key: row.line for key, row in zip(keys, clips.rows, strict=True)}
    return {lines[key]: part for part, chosen in parts.items() for key in chosen}


@pytest.mark.parametrize("plants", [*groups(WORDS), *groups(FILES), *groups(SOUNDS)], ids=lambda group: group[0].name)
def test_the_same_rows_are_trained_and_dropped_for_the_same_reasons(
    plants: Sequence[Plant], source: Source, cache: Path, tmp_path: Path
) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    for plant in plants:
        plant.do(planted)
    check(planted.finish(cache=cache))


def quiet(planted: Planted, steps: int, rate: int | None = None) -> Line:
    """A recording of dither."""
    line = planted.take()
    noise = planted.chance.integers(-steps, steps + 1, 40_000)
    planted.write(line, noise / 32768, rate)
    return line


def lost_in_silence(planted: Planted, seconds: float) -> Line:
    """Speech of so many seconds amid ten of silence, with the text of all of it."""
    line = planted.take(lambda line: len(line.text) > 60)
    samples, rate = planted.samples(line), planted.source.rate
    speech = samples[len(samples) // 3 :][: int(seconds * rate)]
    planted.write(line, np.concatenate([np.zeros(5 * rate), speech, np.zeros(5 * rate)]))
    return line


def test_clips_at_the_edge_are_cut_to_find_out(source: Source, cache: Path, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    for steps in (0, 1, 2, 3):
        quiet(planted, steps)
    quiet(planted, 1, 44_100)
    for seconds in (0.3, 0.6, 1.2):
        lost_in_silence(planted, seconds)
    planted.settings = "[health]\nsilence_seconds = 9\n"
    report, _ = check(planted.finish(cache=cache))
    said = [(item["rule"], "after the silence was cut" in item["message"]) for item in report["findings"]]
    assert ("length.text", True) in said
    assert ("audio.silent", False) in said


def test_what_is_the_same_clip_is_dropped_once_and_what_only_sounds_the_same_is_not(
    source: Source, cache: Path, tmp_path: Path
) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    first, second, third, fourth = (planted.take() for _ in range(4))
    for line, name in ((first, "copy.wav"), (second, "other words.wav")):
        (planted.folder / "wavs" / name).write_bytes(planted.path(line).read_bytes())
    planted.insert(Line("copy.wav", first.text), first)
    planted.insert(Line("other words.wav", "Совсем другой текст."), second)
    planted.insert(Line(third.file, third.text), third)
    again = planted.insert(Line("again.wav", fourth.text), fourth)
    planted.write(again, planted.samples(fourth), format="FLAC")  # the same sound in other bytes
    report, clips = check(planted.finish(cache=cache))
    rules = {item["rule"] for item in report["findings"]}
    assert rules >= {"duplicate.clip", "duplicate.audio", "recording.repeated"}
    assert sum("same recording and text" in item.reason for item in clips.dropped) == 2


def test_excluded_rows_are_not_trained_and_counted_apart(source: Source, cache: Path, tmp_path: Path) -> None:
    folder = Planted.copy(source, tmp_path / "dataset").finish(cache=cache)
    rows = read_table(load_workspace(folder)).rows
    Curator(folder / "curation").exclude(rows[3:5], "noise outside")
    report, clips = check(folder)
    assert [item["why"] for item in report["utterances"] if item["becomes"] == "excluded"] == ["noise outside"] * 2
    assert len(clips.rows) == len(rows) - 2


# --- the split -------------------------------------------------------------------------------------------------------


def repeat(planted: Planted, clips: int) -> None:
    """Rows that say what earlier ones say, with another recording."""
    for line in [planted.take() for _ in range(clips)]:
        again = planted.insert(Line(f"again {line.file}", line.text), line)
        planted.write(
            again, planted.samples(line) * 0.5 + 1e-3 * planted.chance.normal(size=len(planted.samples(line)))
        )


def leaks(report: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    found = [item for item in report["findings"] if item["rule"] == "duplicate.split"]
    return {int(item["subject"].rpartition(":")[2]): item["evidence"] for item in found}


@pytest.mark.parametrize("seed", [1, 2])
def test_each_validation_clip_that_is_trained_as_well_is_named_with_its_pair(
    source: Source, cache: Path, tmp_path: Path, seed: int
) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    repeat(planted, 12)
    planted.take().file = ""  # a row that is dropped moves the split of all others
    folder = planted.finish(cache=cache)
    table = folder / "workbench.toml"
    table.write_text(
        table.read_text("utf-8").replace("batch_size", f"seed = {seed}\nvalidation_split = 0.3\nbatch_size")
    )
    report, clips = check(folder)
    parts = split_of(folder, clips, tmp_path / "run")
    assert {item["row"]: item["part"] for item in report["utterances"] if item["part"]} == parts
    texts: dict[str, list[int]] = {}
    for row in clips.rows:
        texts.setdefault(row.text, []).append(row.line)
    expected = {
        held: {line for line in lines if parts[line] == "train"}
        for lines in texts.values()
        for held in lines
        if parts[held] == "validation" and any(parts[line] == "train" for line in lines)
    }
    assert len(expected) > 1
    found = leaks(report)
    assert set(found) == set(expected)
    for line, evidence in found.items():
        assert evidence["other"] in expected[line]
        assert (evidence["part"], evidence["other_part"]) == ("validation", "train")
        assert evidence["alike"] in {"near", "text"}


def test_a_dataset_without_repetitions_is_not_split_to_find_out(source: Source, cache: Path, tmp_path: Path) -> None:
    report = scan(str(Planted.copy(source, tmp_path / "dataset").finish(cache=cache)))
    assert {item["part"] for item in report["utterances"]} == {None}


def test_a_run_that_goes_on_keeps_the_split_of_its_checkpoint(source: Source, cache: Path, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    repeat(planted, 8)
    folder = planted.finish(cache=cache)
    first = scan(str(folder))
    clips = prepared(folder)
    run = folder / "runs" / "2026-01-01_000000"
    (run / rundir.CHECKPOINTS).mkdir(parents=True)
    (run / rundir.IDENTITY).write_text("{}")
    half = len(clips.entries) // 2
    keys = [entry.key for entry in clips.entries]
    # Anything but what the seed would draw.
    (run / rundir.SPLIT).write_text(json.dumps({"train": keys[half:], "validation": keys[:half], "test": []}))
    trained = [{"key": entry.key, "file": entry.file} for entry in clips.entries]
    (run / rundir.PREPARED).write_text(json.dumps({"trained": trained}))
    checkpoint = run / rundir.CHECKPOINTS / "last.ckpt"
    checkpoint.write_bytes(b"")
    settings = folder / "workbench.toml"
    settings.write_text(settings.read_text("utf-8") + f'[start]\ncheckpoint = "{checkpoint}"\n')
    lines = [row.line for row in clips.rows]
    parts = {item["row"]: item["part"] for item in scan(str(folder))["utterances"] if item["part"]}
    assert parts == {line: "validation" if place < half else "train" for place, line in enumerate(lines)}
    assert parts != {item["row"]: item["part"] for item in first["utterances"]}
