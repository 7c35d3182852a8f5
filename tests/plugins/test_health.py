"""The rules and the scan: each defect is found once, on its row, and clean datasets give no finding."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from speech_like import speech_like

from core_vits.phonemes import PHONEME_ID_MAP
from workbench.api import DatasetFacts, Finding, Severity, Utterance
from workbench.api.testing import (
    make_facts,
    make_measures,
    make_utterance,
    one_line,
)
from workbench.errors import DatasetError
from workbench.report.findings import translated
from workbench.report.languages import language
from workbench.workers.targets.health import scan
from workbench_health.audio import AudioRule
from workbench_health.lengths import LengthRule
from workbench_health.phonemes import PhonemeRule
from workbench_health.texts import TextRule
from workbench_health.whole import DatasetRule

SPEECH = speech_like(99, 2.0, 16_000)
CLIPPED = (8 * SPEECH).clip(-1, 1)


def finished(rule: type, utterances: list[Utterance], facts: DatasetFacts) -> list[Finding]:
    made = rule(facts)
    for utterance in utterances:
        list(made.check(utterance))
    return list(made.finish())


def test_outliers_in_length_and_pace_are_found_among_ordinary_clips(tmp_path: Path) -> None:
    ordinary = [
        make_utterance(row=row, subject=f"m.csv:{row}", text="Добрый день, как дела?", seconds=2.0, phonemes=None)
        for row in range(1, 41)
    ]
    assert finished(LengthRule, ordinary, make_facts(tmp_path)) == []
    long = replace(ordinary[3], seconds=25.0, text="слово " * 45)
    fast = replace(ordinary[7], text="слово " * 20)
    found = finished(LengthRule, [*ordinary[:3], long, *ordinary[4:7], fast, *ordinary[8:]], make_facts(tmp_path))
    assert [(finding.rule, finding.subject) for finding in found] == [
        ("length.long", "m.csv:4"),
        ("length.pace", "m.csv:8"),
    ]


def test_other_rates_and_channels_are_one_finding_each(tmp_path: Path) -> None:
    utterances = [make_utterance(sample_rate=rate, channels=2) for rate in (44_100, 44_100, 8000, 22_050)]
    found = finished(AudioRule, utterances, make_facts(tmp_path))
    assert [(item.rule, item.severity, item.evidence["recordings"]) for item in found] == [
        ("audio.rate", Severity.WARNS, 1),
        ("audio.rate", Severity.INFO, 2),
        ("audio.channels", Severity.INFO, 4),
    ]


def test_recordings_that_were_resampled_upwards_are_found(tmp_path: Path) -> None:
    def heard(bandwidth: float) -> list[Utterance]:
        return [make_utterance(row=row, measures=make_measures(bandwidth=bandwidth)) for row in range(6)]

    assert finished(AudioRule, heard(10_000.0), make_facts(tmp_path)) == []
    (found,) = finished(AudioRule, heard(3_900.0), make_facts(tmp_path))
    assert found.rule == "audio.bandwidth"
    assert found.evidence["highest_hz"] == 3_900
    assert "sample_rate = 16000" in found.message


@pytest.mark.parametrize(
    ("clips", "batch", "share", "rules"),
    [
        (0, 16, 0.1, ["dataset.too-few"]),
        (1, 16, 0.1, ["dataset.too-few"]),
        (5, 16, 0.1, ["dataset.batch", "dataset.validation"]),
        (50, 16, 0.1, []),
        (5, 4, 0.0, []),
    ],
)
def test_too_few_clips_are_said_for_the_split_that_is_set(
    tmp_path: Path, clips: int, batch: int, share: float, rules: list[str]
) -> None:
    facts = make_facts(tmp_path, batch_size=batch, validation_split=share)
    found = finished(DatasetRule, [make_utterance(row=row) for row in range(clips)], facts)
    assert [finding.rule for finding in found] == rules


def test_a_map_with_ids_beyond_the_voice_blocks_the_training(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, phoneme_id_map={"a": [256]}, num_symbols=256)
    (found,) = finished(PhonemeRule, [], facts)
    assert found.severity == Severity.BLOCKS


# --- the scan, on datasets on disk ---


def in_words(number: int) -> str:
    """Numbers from 1 to 29."""
    units = ("ноль", "один", "два", "три", "четыре", "пять", "шесть", "семь", "восемь", "девять")
    teens = ("", "один", "две", "три", "четыр", "пят", "шест", "сем", "восем", "девят")
    if number < 10:
        return units[number]
    if number < 20:
        return f"{teens[number - 10]}надцать" if number > 10 else "десять"
    return f"двадцать {units[number - 20]}" if number > 20 else "двадцать"


@pytest.fixture
def dataset(tmp_path: Path) -> Callable[..., Path]:
    """Makes a workspace with recordings and the rows that are given; ordinary ones are added first."""

    def make(rows: dict[str, str] | None = None, *, ordinary: int = 24, settings: str = "") -> Path:
        wavs = tmp_path / "wavs"
        wavs.mkdir(exist_ok=True)
        lines = []
        for number in range(1, ordinary + 1):
            seconds = 2.0 + number % 5 / 10
            soundfile.write(wavs / f"clip_{number:03}.wav", speech_like(number, seconds, 16_000), 16_000)
            lines.append(f"clip_{number:03}.wav|Это предложение номер {in_words(number)}.")
        lines += [f"{file}|{text}" for file, text in (rows or {}).items()]
        (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n", "utf-8")
        (tmp_path / "workbench.toml").write_text(
            '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n[audio]\nsample_rate = 16000\n'
            f"[training]\nbatch_size = 4\n{settings}",
            "utf-8",
        )
        return tmp_path

    return make


def found_in(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(item["severity"], item["rule"], item["subject"]) for item in report["findings"]]


def test_the_demo_voice_has_nothing_wrong_with_it(repo: Path, tmp_path: Path) -> None:
    text = (repo / "workbench.toml").read_text("utf-8")
    for folder in ("metadata.csv", "wavs"):
        text = text.replace(f'"workbench/demo/{folder}"', f'"{repo}/workbench/demo/{folder}"')
    (tmp_path / "workbench.toml").write_text(text.replace('cache = ".cache"', 'cache = "cache"'), "utf-8")
    report = scan(str(tmp_path))
    assert found_in(report) == []
    assert report["summary"]["usable"] == report["summary"]["rows"] >= 40
    assert {item["verdict"] for item in report["utterances"]} == {"ok"}


def test_the_peers_recordings_give_no_false_alarm(shared: Path, tmp_path: Path) -> None:
    folder = shared / "fixtures/dataset"
    (tmp_path / "workbench.toml").write_text(
        f'[voice]\nname = "probe"\nlanguage = "ru"\n[dataset]\nmetadata = "{folder}/metadata.csv"\n'
        f'audio = "{folder}/wavs"\n[paths]\ncache = "cache"\n',
        "utf-8",
    )
    report = scan(str(tmp_path))
    # What Piper's cache there differs in, tests/planted/test_caches.py looks at.
    assert [item for item in found_in(report) if not item[1].startswith("cache.")] == [
        ("drops", "recording.missing", "metadata.csv:4"),
        ("warns", "dataset.batch", "metadata.csv"),
        ("warns", "dataset.validation", "metadata.csv"),
        ("info", "audio.rate", "metadata.csv"),
        ("info", "text.abbreviation", "metadata.csv:6"),  # 'где/куда': the stroke is read as a word
    ]
    assert report["summary"]["sample_rates"] == {"22050": 4, "44100": 1}


def test_a_clean_dataset_gives_no_finding_and_a_complete_summary(dataset: Callable[..., Path]) -> None:
    seen: list[tuple[float, float, str]] = []
    report = scan(str(dataset()), lambda *progress: seen.append(progress))
    assert found_in(report) == []
    summary = report["summary"]
    assert (summary["rows"], summary["usable"], summary["speakers"]) == (24, 24, 0)
    assert summary["lengths"]["min"] == 2.0
    assert sum(bin_["clips"] for bin_ in summary["lengths"]["bins"]) == 24
    assert summary["phonemes"]["different"] > 10
    assert seen[-1][:2] == (24, 24)
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    first = report["utterances"][0]
    assert first["row"] == 1
    assert first["phonemes"].startswith("ˈɛ")
    assert first["chars_per_second"] == pytest.approx(len(first["text"]) / first["seconds"], abs=0.01)
    json.dumps(report)


def test_each_defect_is_found_once_on_its_row(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        {
            "Clip_001.WAV": "Регистр имени другой.",  # 25
            "lost_900.wav": "Этого файла нет.",
            "../outside.wav": "Этот снаружи.",
            "empty.wav": "Пустой файл.",
            "cut.wav": "Обрезанный файл.",
            "silent.wav": "Тишина.",  # 30
            "antiphase.wav": "Каналы гасят друг друга.",
            "clipped.wav": "Перегруз на записи.",
            "short.wav": "Этот текст намного длиннее, чем такая короткая запись могла бы вместить.",
            "clip_002.wav": "",
            "clip_003.wav": "\u200b",  # 35
            "clip_004.wav": "Хоpошо сказано.",
            "good.wav": "Это предложение номер пять.",
        }
    )
    wavs = folder / "wavs"
    whole = (wavs / "clip_001.wav").read_bytes()
    soundfile.write(folder / "outside.wav", SPEECH, 16_000)
    (wavs / "empty.wav").touch()
    (wavs / "cut.wav").write_bytes(whole[: len(whole) // 2])
    soundfile.write(wavs / "silent.wav", np.zeros(32_000), 16_000)
    soundfile.write(wavs / "antiphase.wav", np.stack([SPEECH, -SPEECH], 1), 16_000)
    soundfile.write(wavs / "clipped.wav", CLIPPED, 16_000)
    soundfile.write(wavs / "short.wav", speech_like(98, 0.75, 16_000), 16_000)
    soundfile.write(wavs / "good.wav", speech_like(97, 2.0, 16_000), 16_000)
    report = scan(str(folder))
    assert found_in(report) == [
        ("drops", "recording.missing", "metadata.csv:25"),
        ("drops", "recording.missing", "metadata.csv:26"),
        ("drops", "recording.outside", "metadata.csv:27"),
        ("drops", "audio.unusable", "metadata.csv:28"),
        ("drops", "audio.unusable", "metadata.csv:29"),
        ("drops", "audio.silent", "metadata.csv:30"),
        ("drops", "audio.silent", "metadata.csv:31"),
        ("drops", "length.text", "metadata.csv:33"),
        ("drops", "text.empty", "metadata.csv:34"),
        ("drops", "phonemes.none", "metadata.csv:35"),
        ("warns", "audio.clipped", "metadata.csv:32"),
        ("warns", "recording.twice", "metadata.csv:34"),
        ("warns", "recording.twice", "metadata.csv:35"),
        ("warns", "text.invisible", "metadata.csv:35"),
        ("warns", "length.pace", "metadata.csv:36"),  # two words in a clip of a whole sentence
        ("warns", "recording.twice", "metadata.csv:36"),
        ("warns", "text.mixed-script", "metadata.csv:36"),
        ("info", "audio.channels", "metadata.csv"),
        ("info", "text.repeated", "metadata.csv:37"),
    ]
    messages = {item["subject"]: item["message"] for item in report["findings"]}
    assert "the folder has 'clip_001.wav'" in messages["metadata.csv:25"]
    assert "(the folder has" not in messages["metadata.csv:26"]
    assert "cancel each other out" in messages["metadata.csv:31"]
    for item in report["findings"]:
        assert one_line(item["message"])
        assert item["message"].endswith(".")
    dropped = {item["row"] for item in report["utterances"] if item["verdict"] == "drops"}
    assert dropped == {25, 26, 27, 28, 29, 30, 31, 33, 34, 35}
    assert report["summary"]["usable"] == 24 + 3


def test_defects_of_the_table_are_found_on_their_lines(dataset: Callable[..., Path]) -> None:
    folder = dataset()
    table = folder / "metadata.csv"
    lines = table.read_bytes().splitlines()
    lines[2:2] = [b"", b"only one column", 'clip_001.wav|"Да, сказал он'.encode(), b"clip_002.wav|\xff\xfe"]
    table.write_bytes(b"\xef\xbb\xbf" + b"\n".join(lines) + b"\n")
    found = [item for item in found_in(scan(str(folder))) if item[1].startswith("metadata.")]
    assert found == [
        ("drops", "metadata.columns", "metadata.csv:4"),
        ("drops", "metadata.encoding", "metadata.csv:6"),
        ("info", "metadata.bom", "metadata.csv:1"),
        ("info", "metadata.blank", "metadata.csv:3"),
        ("info", "metadata.quote", "metadata.csv:5"),
    ]


def test_text_in_nfd_is_found_and_its_fix_mends_it(dataset: Callable[..., Path]) -> None:
    import subprocess

    folder = dataset({"clip_001.wav": "Мои\u0306 дом."}, ordinary=23)
    report = scan(str(folder))
    (found,) = [item for item in report["findings"] if item["rule"] == "text.nfd"]
    subprocess.run(found["fix"].replace("python3", sys.executable), shell=True, check=True, cwd=folder)
    assert "text.nfd" not in {rule for _, rule, _ in found_in(scan(str(folder)))}


def test_a_name_that_differs_in_unicode_form_is_recognized(dataset: Callable[..., Path]) -> None:
    folder = dataset({"мой.wav": "Это мой дом."})
    soundfile.write(folder / "wavs" / "мои\u0306.wav", SPEECH, 16_000)
    if (folder / "wavs" / "мой.wav").exists():
        pytest.skip("this file system does not tell the two forms apart")
    (found,) = [item for item in scan(str(folder))["findings"] if item["rule"] == "recording.missing"]
    assert found["evidence"]["close"] == "мои\u0306.wav"


def test_no_usable_row_blocks_and_missing_files_are_one_clear_line(dataset: Callable[..., Path]) -> None:
    folder = dataset({"a.wav": "Да.", "b.wav": "Нет."}, ordinary=0)
    severities = {rule: severity for severity, rule, _ in found_in(scan(str(folder)))}
    assert severities["dataset.too-few"] == "blocks"
    (folder / "wavs").rmdir()
    with pytest.raises(DatasetError, match="no such folder"):
        scan(str(folder))
    (folder / "metadata.csv").unlink()
    with pytest.raises(DatasetError, match="no such file"):
        scan(str(folder))


def test_a_table_of_ids_is_scanned_without_any_phonemizer(dataset: Callable[..., Path]) -> None:
    folder = dataset(
        {"clip_001.wav": "1 0 14 0 2", "clip_002.wav": "Да.|1 0 200 0 2", "clip_003.wav": "Да.|1 0 256 0 2"},
        ordinary=3,
        settings='[dataset]\ntype = "phoneme_ids"\n[plugins]\ndisabled = ["espeak", "piper"]\n',
    )
    table = folder / "metadata.csv"
    table.write_text("\n".join(table.read_text("utf-8").splitlines()[3:]) + "\n", "utf-8")
    report = scan(str(folder))
    assert found_in(report) == [
        ("drops", "metadata.ids", "metadata.csv:3"),
        ("warns", "dataset.batch", "metadata.csv"),
        ("warns", "dataset.validation", "metadata.csv"),
        ("warns", "ids.unnamed", "metadata.csv"),
        ("info", "recording.orphan", "metadata.csv"),  # of the row that gave no clip
    ]
    assert [item["phonemes"] for item in report["utterances"]] == ["a", ""]
    assert report["summary"]["phonemes"]["unknown"] == {"#200": 1}
    assert report["summary"]["usable"] == 2


def test_a_phoneme_map_is_checked_and_decides_the_coverage(dataset: Callable[..., Path]) -> None:
    folder = dataset(settings='[text]\nphoneme_map = "map.json"\n')
    assert ("blocks", "phonemes.map", "[text]") in found_in(scan(str(folder)))
    own = {symbol: ids[0] for symbol, ids in PHONEME_ID_MAP.items() if symbol != "ˈ"}
    (folder / "map.json").write_text(json.dumps({**own, "☃": 7}), "utf-8")
    report = scan(str(folder))
    (warned,) = [item for item in report["findings"] if item["subject"] == "[text]"]
    assert (warned["rule"], warned["severity"]) == ("phonemes.map", "warns")
    assert "have the same id 7" in warned["message"]
    assert set(report["summary"]["phonemes"]["unknown"]) == {"ˈ"}
    assert sum(item["rule"] == "phonemes.unknown" for item in report["findings"]) == 24


def test_without_a_phonemizer_the_rest_is_still_scanned(dataset: Callable[..., Path]) -> None:
    folder = dataset(settings='[text]\nphonemizer = "none-such"\n')
    report = scan(str(folder))
    assert ("blocks", "phonemes.none-installed", "[text]") in found_in(report)
    assert report["summary"]["clips"] == 24


def test_a_rule_that_raises_is_reported_and_does_not_end_the_scan(
    dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: object, utterance: Utterance) -> list[Finding]:
        raise RuntimeError("no idea\nwhat happened")

    monkeypatch.setattr(TextRule, "check", broken)
    report = scan(str(dataset({"lost.wav": "Нет такого файла."})))
    assert ("warns", "text.failed", "rule text") in found_in(report)
    russian = translated(report, language("ru"))["findings"]
    (told,) = [item["message"] for item in russian if item["rule"] == "text.failed"]
    assert told.startswith("правило text перестало работать: ")
    assert ("drops", "recording.missing", "metadata.csv:25") in found_in(report)
    assert all(one_line(item["message"]) for item in report["findings"])


def test_a_second_scan_reads_the_phonemes_instead_of_making_them(
    dataset: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(dataset())
    first = scan(folder)
    from workbench.workers.targets.frontend import TextFrontEnd

    def refuse(self: object, texts: list[str]) -> list[object]:
        raise AssertionError(f"phonemized again: {texts}")

    monkeypatch.setattr(TextFrontEnd, "_phonemize", refuse)
    assert scan(folder) == first
    (memo,) = (Path(folder) / ".cache" / "phonemes").iterdir()
    memo.write_bytes(memo.read_bytes()[:-20] + b"\n{}\nnull\n")  # a torn line and foreign ones
    monkeypatch.undo()
    assert scan(folder) == first


def test_a_pipe_in_the_place_of_a_recording_does_not_hang_the_scan(dataset: Callable[..., Path]) -> None:
    folder = dataset({"pipe.wav": "Труба."})
    os.mkfifo(folder / "wavs" / "pipe.wav")
    assert ("drops", "recording.special", "metadata.csv:25") in found_in(scan(str(folder)))
