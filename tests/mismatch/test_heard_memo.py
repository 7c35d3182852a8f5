"""What was heard is kept, whatever happens to its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.mismatch.heard_memo import HeardMemo, recording_digest

IDENTITY = ["hama", "1"]


def file_of(cache: Path) -> Path:
    (file,) = (cache / "heard").glob("*.jsonl")
    return file


def test_phones_are_remembered_by_the_next_memo_and_silence_too(tmp_path: Path) -> None:
    memo = HeardMemo(tmp_path, IDENTITY)
    memo.add("a", ["t͡ʃ", "ə"])
    memo.add("b", [])
    again = HeardMemo(tmp_path, IDENTITY)
    assert again.get("a") == ("t͡ʃ", "ə")
    assert again.get("b") == ()
    assert again.get("c") is None


def test_another_version_of_the_recogniser_has_heard_nothing(tmp_path: Path) -> None:
    HeardMemo(tmp_path, IDENTITY).add("a", ["p"])
    assert HeardMemo(tmp_path, ["hama", "2"]).get("a") is None


def test_a_torn_line_costs_one_recording_and_not_those_after_it(tmp_path: Path) -> None:
    memo = HeardMemo(tmp_path, IDENTITY)
    memo.add("a", ["p"])
    with file_of(tmp_path).open("ab") as file:
        file.write(b'{"recording": "b", "pho')
    HeardMemo(tmp_path, IDENTITY).add("c", ["k"])
    again = HeardMemo(tmp_path, IDENTITY)
    assert [again.get(name) for name in "abc"] == [("p",), None, ("k",)]


@pytest.mark.parametrize("line", [b"\xff\xfe", b"[]", b"null", b'{"recording": "x"}', b'{"recording":"x","phones":3}'])
def test_foreign_lines_are_passed_over(tmp_path: Path, line: bytes) -> None:
    HeardMemo(tmp_path, IDENTITY).add("a", ["p"])
    with file_of(tmp_path).open("ab") as file:
        file.write(line + b"\n")
    again = HeardMemo(tmp_path, IDENTITY)
    assert again.get("a") == ("p",)
    assert again.get("x") is None


def test_a_cache_that_can_not_be_written_still_serves_this_run(tmp_path: Path) -> None:
    (tmp_path / "heard").write_text("a file where the folder should be", "utf-8")
    memo = HeardMemo(tmp_path, IDENTITY)
    memo.add("a", ["p"])
    assert memo.get("a") == ("p",)


def test_a_recording_is_known_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    one, other = tmp_path / "one.wav", tmp_path / "other.wav"
    one.write_bytes(b"sound")
    other.write_bytes(b"sound")
    assert recording_digest(one) == recording_digest(other)
    other.write_bytes(b"other sound")
    assert recording_digest(one) != recording_digest(other)
