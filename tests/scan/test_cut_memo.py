"""What cutting left is remembered until the recording or the way to cut changes; damage costs only time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from core_vits import file_stamp
from core_vits.cutting import CutPlan
from core_vits.speech_detector import SpeechDetector
from workbench.scan.cut_memo import CutMemo, Left
from workbench.workers.targets import health_fate
from workbench.workers.targets.health import scan

PLAN = CutPlan(22_050, True, 0.25, 0.25)
DEMO = Path(__file__).parents[2] / "workbench" / "demo"


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a test are always young."""
    monkeypatch.setattr(file_stamp, "SETTLED_NS", 0)


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    (tmp_path / "a.wav").write_bytes(b"sound")
    return tmp_path / "a.wav"


def never(recording: Path) -> Left:
    raise AssertionError(f"{recording} is cut again")


def says(left: Left) -> Callable[[Path], Left]:
    return lambda _: left


@pytest.mark.parametrize("left", [0, 4711, "is digital silence. Наново"])
def test_it_is_known_until_the_recording_changes(left: Left, wav: Path) -> None:
    file = wav.parent / "memo" / "cuts.jsonl"
    first = CutMemo(file, PLAN)
    assert first.left(wav, says(left)) == left
    first.save()
    second = CutMemo(file, PLAN)
    assert second.left(wav, never) == left
    second.save()
    assert CutMemo(file, replace(PLAN, keep_after=0.5)).left(wav, says(1)) == 1
    wav.write_bytes(b"other")
    assert CutMemo(file, PLAN).left(wav, says(2)) == 2


def test_what_nobody_asked_for_is_forgotten(wav: Path) -> None:
    file, other = wav.parent / "cuts.jsonl", wav.with_name("b.wav")
    other.write_bytes(b"more sound")
    both = CutMemo(file, PLAN)
    both.left(wav, says(1))
    both.left(other, says(2))
    both.save()
    one = CutMemo(file, PLAN)
    one.left(other, never)
    one.save()
    assert CutMemo(file, PLAN).left(wav, says(3)) == 3


def test_a_young_recording_and_one_that_is_gone_are_not_remembered(wav: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stamp, "SETTLED_NS", 10**15)
    file = wav.parent / "cuts.jsonl"
    memo = CutMemo(file, PLAN)
    assert memo.left(wav, says(1)) == 1
    assert memo.left(wav.with_name("gone.wav"), says("is gone")) == "is gone"
    memo.save()
    assert not file.exists()


def test_each_byte_of_it_may_be_damaged(wav: Path) -> None:
    file = wav.parent / "cuts.jsonl"
    memo = CutMemo(file, PLAN)
    memo.left(wav, says(4711))
    memo.save()
    good = file.read_bytes()
    for place in range(len(good) - 1):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert CutMemo(file, PLAN).left(wav, says(4711)) == 4711
        file.write_bytes(good[:place])
        assert CutMemo(file, PLAN).left(wav, says(4711)) == 4711


def test_a_folder_in_its_way_costs_only_time(wav: Path) -> None:
    memo = CutMemo(wav.parent, PLAN)
    memo.left(wav, says(1))
    memo.save()
    assert memo.left(wav, says(1)) == 1


def test_a_second_scan_cuts_nothing_again_and_says_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(DEMO / "wavs", tmp_path / "wavs")
    rows = (DEMO / "metadata.csv").read_text("utf-8").splitlines()[:12]
    file, text = rows[3].split("|")
    rows[3] = f"{file}|{' '.join([text] * 3)}"
    (tmp_path / "metadata.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "u"\nlanguage = "ru"\n')
    heard: list[int] = []

    class Counted(SpeechDetector):
        def __init__(self) -> None:
            heard.append(1)
            super().__init__()

    monkeypatch.setattr(health_fate, "SpeechDetector", Counted)
    first, second = scan(str(tmp_path)), scan(str(tmp_path))
    assert len(heard) == 1, "a second scan heard recordings again, or the first heard none"
    assert first == second
    (dropped,) = [item for item in first["utterances"] if item["becomes"] == "dropped"]
    assert dropped["file"] == file
