"""What was measured is remembered until the file changes, and whatever happens to the memo costs only time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from scan_sounds import speech, write

from core_vits import file_stamp
from core_vits.file_stamp import stamp_of
from workbench.scan import memo as memos
from workbench.scan.decoding import Examined, examine
from workbench.scan.memo import MeasureMemo


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    return write(tmp_path / "wavs" / "a.wav", speech())


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a test are always young."""
    monkeypatch.setattr(file_stamp, "SETTLED_NS", 0)


def seen(wav: Path) -> Examined:
    return examine(str(wav.parent), wav.name)


def known(folder: Path, wav: Path) -> Examined | None:
    return MeasureMemo(folder).known(wav.name, stamp_of(wav.lstat()))


def test_a_file_is_known_until_it_changes(tmp_path: Path, wav: Path) -> None:
    memo = MeasureMemo(tmp_path / "memo")
    assert known(tmp_path / "memo", wav) is None
    memo.add({wav.name: seen(wav)})
    assert known(tmp_path / "memo", wav) == memo.known(wav.name, stamp_of(wav.lstat())) == seen(wav)
    before = wav.stat()
    data = bytearray(wav.read_bytes())
    data[-1] ^= 1
    wav.write_bytes(data)
    os.utime(wav, ns=(before.st_atime_ns, before.st_mtime_ns))  # as `cp -p` and `rsync -t` do
    assert known(tmp_path / "memo", wav) is None


def test_a_file_that_replaced_another_is_not_taken_for_it(tmp_path: Path, wav: Path) -> None:
    MeasureMemo(tmp_path / "memo").add({wav.name: seen(wav)})
    other = write(tmp_path / "b.wav", speech()[::-1].copy())
    before = wav.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(wav)
    assert wav.stat().st_size == before.st_size
    assert known(tmp_path / "memo", wav) is None


def test_what_may_still_be_changing_is_not_remembered(
    tmp_path: Path, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    MeasureMemo(tmp_path / "memo").add({wav.name: seen(wav)})
    assert known(tmp_path / "memo", wav) is None
    assert not (tmp_path / "memo").exists()


def test_a_recording_that_can_t_be_decoded_is_remembered_as_well(tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"this is no recording")
    MeasureMemo(tmp_path / "memo").add({bad.name: seen(bad)})
    found = known(tmp_path / "memo", bad)
    assert found == seen(bad)
    assert found is not None
    assert found.container.problem


def test_a_damaged_memo_costs_a_measurement_and_never_gives_a_wrong_one(tmp_path: Path, wav: Path) -> None:
    right = seen(wav)
    MeasureMemo(tmp_path / "memo").add({wav.name: right})
    (file,) = (tmp_path / "memo").iterdir()
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
        assert known(tmp_path / "memo", wav) in (None, right)
        file.write_bytes(whole[:at])
        assert known(tmp_path / "memo", wav) in (None, right)
    file.write_bytes(b"\0\xff\n" + b"[" * 100_000 + b"\nnull\n" + whole)
    assert known(tmp_path / "memo", wav) == right
    file.unlink()
    file.mkdir()
    assert known(tmp_path / "memo", wav) is None
    MeasureMemo(tmp_path / "memo").add({wav.name: right})


def test_measures_of_another_version_are_measured_again(
    tmp_path: Path, wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    MeasureMemo(tmp_path / "memo").add({wav.name: seen(wav)})
    monkeypatch.setattr(memos, "VERSION", "another")
    assert known(tmp_path / "memo", wav) is None


def test_parts_are_read_together_and_merged_by_concatenation(tmp_path: Path, wav: Path) -> None:
    other = write(wav.with_name("b.wav"), speech(2))
    MeasureMemo(tmp_path / "memo", "1-of-2").add({wav.name: seen(wav)})
    MeasureMemo(tmp_path / "memo", "2-of-2").add({other.name: seen(other)})
    assert len(MeasureMemo(tmp_path / "memo")) == 2
    parts = sorted((tmp_path / "memo").iterdir())
    (tmp_path / "merged").mkdir()
    (tmp_path / "merged" / "measures.jsonl").write_bytes(b"".join(part.read_bytes() for part in parts))
    assert known(tmp_path / "merged", wav) == seen(wav)
    assert known(tmp_path / "merged", other) == seen(other)


def test_a_memo_full_of_what_is_gone_is_written_anew(tmp_path: Path, wav: Path) -> None:
    for part in ("", "1-of-1"):
        memo = MeasureMemo(tmp_path / "memo", part)
        for number in range(150):
            memo.add({f"{part}{number}.wav": seen(wav)})
        memo.add({wav.name: seen(wav)})
    memo = MeasureMemo(tmp_path / "memo")
    memo.tidy([(wav.name, stamp_of(wav.lstat()))])
    (file,) = (tmp_path / "memo").iterdir()
    assert len(file.read_bytes().splitlines()) == 1
    assert known(tmp_path / "memo", wav) == seen(wav)


def test_a_memo_that_can_t_be_written_is_no_fault(tmp_path: Path, wav: Path) -> None:
    (tmp_path / "memo").write_text("a file in its place")
    memo = MeasureMemo(tmp_path / "memo")
    memo.add({wav.name: seen(wav)})
    assert memo.known(wav.name, stamp_of(wav.lstat())) == seen(wav)
    memo.tidy([])
