"""Given phoneme ids, IPA, own maps and clusters through the preparation; and what of it makes clips anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from small_project import RATE, Project, prepared

import workbench_espeak
from core_vits.cache import CacheReader
from core_vits.phonemes import PHONEME_ID_MAP
from workbench.host import Host, Registered
from workbench.jobs import rundir
from workbench.train.prepare import main

NO_PHONEMIZER = {"disabled": ["espeak", "piper"]}
IDS = {"type": "phoneme_ids"}
needs_espeak = pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there")

# All that the trainer of Piper 1.8 writes, and what published voices have beside it.
WRITTEN_BY_PIPER = {
    "audio", "espeak", "phoneme_type", "num_symbols", "num_speakers", "inference", "phoneme_id_map", "speaker_id_map",
    "hop_length", "default_speaker_id", "piper_version",
}  # fmt: skip
OF_PUBLISHED_VOICES = {"dataset", "language", "phoneme_map"}
LANGUAGE = {"code", "family", "region", "name_native", "name_english", "country_english"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    made = Project(tmp_path / "project")
    for number in range(4):
        made.clip(f"clip{number}", f"Айва номер {number}.", seed=number)
    return made


def ids_of(summary: dict[str, Any]) -> dict[str, list[int]]:
    """Trained ids by file."""
    reader = CacheReader(Path(summary["cache"]))
    found = {clip["file"]: list(reader.entries[clip["key"]].phoneme_ids) for clip in summary["trained"]}
    reader.close()
    return found


def give_ids(project: Project, *columns: str) -> None:
    """Make the last column that of phoneme ids."""
    project.rows = [(name, column) for (name, _), column in zip(project.rows, columns, strict=True)]


# --- phoneme ids ---


def test_given_ids_are_trained_as_they_stand_and_need_no_phonemizer(project: Project) -> None:
    give_ids(project, "Да.|1 0 14 0 2", "|9 9 9", "Ну.|200 1", "Нет.|1 0 300 0 2")
    run = project.run(dataset=IDS, text={"phonemizer": "auto"}, plugins=NO_PHONEMIZER)
    summary = prepared(run)
    assert ids_of(summary) == {"clip0": [1, 0, 14, 0, 2], "clip1": [9, 9, 9], "clip2": [200, 1]}
    (dropped,) = summary["dropped"]
    assert dropped["line"] == 4
    assert "phoneme id 300 is too high" in dropped["reason"]
    config = rundir.read_json(run / "config.json")
    assert (config["phoneme_type"], config["phoneme_id_map"]["a"]) == ("espeak", [14])


def test_other_ids_make_only_their_own_clip_anew_and_another_map_none(project: Project) -> None:
    give_ids(project, "Да.|1 5", "Да.|1 6", "Да.|1 7", "Да.|1 8")
    options: dict[str, Any] = {"dataset": IDS, "text": {"phonemizer": "auto"}, "plugins": NO_PHONEMIZER}
    assert prepared(project.run(**options))["made"] == 4
    give_ids(project, "Да.|1 5", "Да.|1 9", "Да.|1 7", "Да.|1 8")
    second = prepared(project.run(**options))
    assert (second["made"], second["reused"]) == (1, 3)
    (project.root / "map.json").write_text('{"_": 0, "^": 1, "$": 2, "q": 9}', "utf-8")
    named = {**options, "text": {"phonemizer": "auto", "phoneme_map": "map.json"}, "voice": {"language": "kk"}}
    run = project.run(**named)
    assert prepared(run)["reused"] == 4
    assert rundir.read_json(run / "config.json")["phoneme_id_map"] == {"_": [0], "^": [1], "$": [2], "q": [9]}


def test_ids_of_voices_that_read_text_say_so(project: Project) -> None:
    give_ids(project, *(f"|1 0 {number} 0 2" for number in (14, 15, 16, 17)))
    run = project.run(dataset=IDS, text={"phonemizer": "text"})
    prepared(run)
    assert rundir.read_json(run / "config.json")["phoneme_type"] == "text"


# --- IPA ---


def test_a_text_of_phonemes_is_one_sentence_of_its_code_points(project: Project) -> None:
    give_ids(project, "aj! ˈb", "ã", "b☃", "☃")
    run = project.run(text={"phonemizer": "text"})
    summary = prepared(run)
    numbers = {symbol: ids[0] for symbol, ids in PHONEME_ID_MAP.items()}

    def sentence(symbols: str) -> list[int]:
        return [1, 0, *(number for symbol in symbols for number in (numbers[symbol], 0)), 2]

    assert ids_of(summary) == {"clip0": sentence("aj! ˈb"), "clip1": sentence("a\u0303"), "clip2": sentence("b")}
    assert [item["reason"] for item in summary["dropped"]] == ["its text gives no phonemes"]
    assert rundir.read_json(run / "config.json")["phoneme_type"] == "text"


# --- maps and clusters ---


@needs_espeak
def test_an_own_map_numbers_the_phonemes_and_another_one_makes_all_clips_anew(project: Project) -> None:
    own = {symbol: ids[0] for symbol, ids in PHONEME_ID_MAP.items()}
    own["a"], own["b"] = own["b"], own["a"]
    file = project.root / "map.json"
    file.write_text(json.dumps(own), "utf-8")
    plain = prepared(project.run())
    run = project.run(text={"phoneme_map": "map.json"})
    mine = prepared(run)
    assert (mine["made"], mine["reused"]) == (4, 0)
    swapped = {own["a"]: own["b"], own["b"]: own["a"]}
    assert ids_of(mine) == {
        file: [swapped.get(number, number) for number in ids] for file, ids in ids_of(plain).items()
    }
    assert rundir.read_json(run / "config.json")["phoneme_id_map"]["a"] == [own["a"]]
    assert prepared(project.run(text={"phoneme_map": "map.json"}))["reused"] == 4
    assert prepared(project.run())["reused"] == 4


@needs_espeak
def test_clusters_merge_phonemes_are_in_the_config_and_make_clips_anew(project: Project) -> None:
    own = {**{symbol: ids[0] for symbol, ids in PHONEME_ID_MAP.items()}, "aj": 200}
    (project.root / "map.json").write_text(json.dumps(own), "utf-8")
    plain = prepared(project.run(text={"phoneme_map": "map.json"}))
    run = project.run(text={"phoneme_map": "map.json", "vowel_clusters": [["a", "j"]]})
    merged = prepared(run)
    assert (merged["made"], merged["reused"]) == (4, 0)
    for file, ids in ids_of(plain).items():
        text = " ".join(map(str, ids)).replace(f"{own['a']} 0 {own['j']} ", "200 ")
        assert text.count("200") >= 1
        assert " ".join(map(str, ids_of(merged)[file])) == text
    assert rundir.read_json(run / "config.json")["vowel_clusters"] == [["a", "j"]]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ({"phoneme_map": "no.json"}, "no.json: can't be read"),
        ({"phoneme_map": "bad.json"}, "bad.json: 'a' has the id 999"),
        ({"vowel_clusters": [["a", "j"]]}, "has no id for 'aj'"),
        ({"phonemizer": "text", "vowel_clusters": [["a", "ɪ"]]}, "not those of type 'text'"),
    ],
)
def test_maps_and_clusters_that_do_not_fit_are_one_line(
    project: Project, text: dict[str, object], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (project.root / "bad.json").write_text('{"_": 0, "^": 1, "$": 2, "a": 999}', "utf-8")
    assert main([str(project.run(text={"phonemizer": "text", **text}))]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


# --- what is noticed ---


@needs_espeak
def test_a_clip_that_was_recorded_again_is_noticed_whatever_its_size_and_date(project: Project) -> None:
    first = prepared(project.run())
    recording = project.wavs / "clip2.wav"
    before = recording.stat()
    samples = np.random.default_rng(77).normal(0, 0.1, 2 * RATE).clip(-0.9, 0.9)
    soundfile.write(recording, samples, RATE)
    os.utime(recording, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (recording.stat().st_size, recording.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    second = prepared(project.run())
    assert (second["made"], second["reused"]) == (1, 3)
    keys = {clip["file"]: clip["key"] for clip in first["trained"]}
    assert [clip["file"] for clip in second["trained"] if keys[clip["file"]] != clip["key"]] == ["clip2"]


class Shouting:
    """A normaliser."""

    version = "1"

    def normalize(self, texts: list[str], *, language: str) -> list[str]:
        return [text.replace(".", "!") for text in texts]


@needs_espeak
def test_a_normaliser_and_its_version_are_noticed(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = prepared(project.run())
    create = Host.create
    monkeypatch.setattr(Host, "normalizer", lambda _, name: name)
    monkeypatch.setattr(
        Host, "create", lambda self, entry: create(self, entry) if isinstance(entry, Registered) else Shouting()
    )
    loud = prepared(project.run(text={"normalizers": ["shouting"]}))
    assert (loud["made"], loud["reused"]) == (4, 0)
    assert ids_of(loud)["clip0"][-3] == PHONEME_ID_MAP["!"][0] != ids_of(plain)["clip0"][-3]
    assert prepared(project.run(text={"normalizers": ["shouting"]}))["reused"] == 4
    monkeypatch.setattr(Shouting, "version", "2")
    assert prepared(project.run(text={"normalizers": ["shouting"]}))["made"] == 4


@needs_espeak
def test_another_speaker_makes_only_his_own_clips_anew(project: Project) -> None:
    texts = [text for _, text in project.rows]
    give_ids(project, *(f"mia|{text}" for text in texts))
    assert prepared(project.run(dataset={"multi_speaker": True}))["made"] == 4
    give_ids(project, *(f"{who}|{text}" for who, text in zip(("mia", "tom", "mia", "mia"), texts, strict=True)))
    second = prepared(project.run(dataset={"multi_speaker": True}))
    assert (second["made"], second["reused"]) == (1, 3)


# --- the configuration ---


def test_the_configuration_has_every_key_of_pipers_and_of_published_voices(project: Project) -> None:
    give_ids(project, "um", "dois", "tres", "quatro")
    run = project.run(voice={"language": "pt-BR"}, text={"phonemizer": "text"})
    prepared(run)
    config = rundir.read_json(run / "config.json")
    assert set(config) == WRITTEN_BY_PIPER | OF_PUBLISHED_VOICES
    assert set(config["language"]) == LANGUAGE
    assert (config["language"]["code"], config["language"]["country_english"]) == ("pt_BR", "Brazil")
    assert config["espeak"] == {"voice": "pt-br"}
    assert config["audio"] == {"sample_rate": RATE, "quality": "tiny"}
    assert config["speaker_id_map"] == {}
