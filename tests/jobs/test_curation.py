"""What was decided about single rows: obeyed by every reader of the table, undone to the byte, never lost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from small_project import Project, prepared

from core_vits.manifest import Row
from workbench.config import Workspace, load_workspace
from workbench.errors import DatasetError
from workbench.jobs.curating import Curator
from workbench.jobs.curation import RENAMED, identity, read_curation
from workbench.jobs.dataset import read_table

HEAD = '[voice]\nname = "probe"\nlanguage = "ru"\nquality = "tiny"\n'


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Four rows, two of one recording."""
    (tmp_path / "workbench.toml").write_text(HEAD)
    (tmp_path / "metadata.csv").write_text("a|один\nb|два\nc|три\nc|четыре\n", "utf-8")
    (tmp_path / "wavs").mkdir()
    return load_workspace(tmp_path)


def row(workspace: Workspace, line: int) -> Row:
    (found,) = [row for row in read_table(workspace).rows if row.line == line]
    return found


def tables(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.csv")}


def test_an_excluded_row_is_gone_from_the_table_and_named_with_its_reason(workspace: Workspace) -> None:
    Curator(workspace.curation).exclude([row(workspace, 2)], "a dog barks")
    manifest = read_table(workspace)
    assert [item.file for item in manifest.rows] == ["a", "c", "c"]
    (problem,) = manifest.problems
    assert (problem.line, problem.kind, problem.skipped) == (2, "excluded", True)
    assert problem.message == "'b' is excluded: a dog barks."


def test_of_two_rows_of_one_recording_one_can_be_excluded(workspace: Workspace) -> None:
    Curator(workspace.curation).exclude([row(workspace, 4)], "double", alone=False)
    assert [item.text for item in read_table(workspace).rows] == ["один", "два", "три"]


def test_a_corrected_text_is_read_until_the_table_itself_changes(workspace: Workspace) -> None:
    Curator(workspace.curation).correct(row(workspace, 1), "одна")
    assert row(workspace, 1).text == "одна"
    workspace.metadata.write_text("a|первый\nb|два\n", "utf-8")
    manifest = read_table(workspace)
    assert manifest.rows[0].text == "первый"
    assert [problem.kind for problem in manifest.problems] == ["correction"]


@pytest.mark.parametrize("text", ["", "  ", "zwei\nZeilen", "\x1b[2J"])
def test_a_text_that_is_no_line_is_refused(workspace: Workspace, text: str) -> None:
    with pytest.raises(DatasetError, match="one line"):
        Curator(workspace.curation).correct(row(workspace, 1), text)
    assert read_table(workspace).rows[0].text == "один"


def test_everything_can_be_undone_in_reverse_order_to_the_byte(workspace: Workspace) -> None:
    curator = Curator(workspace.curation)
    states = []
    for change in (
        lambda: curator.exclude([row(workspace, 2)], "noise"),
        lambda: curator.correct(row(workspace, 1), "одна"),
        lambda: curator.exclude([row(workspace, 1)], 'with "quotes" | and bars'),
        lambda: curator.include(["b"]),
        lambda: curator.take({"c": ("b", RENAMED, "")}, "c is b"),
    ):
        states.append(tables(workspace.curation))
        change()
    assert [done.undone for done in curator.history()] == [False] * 5
    for before in reversed(states):
        curator.undo()
        after = tables(workspace.curation)
        assert {name: after[name] for name in before} == before
    assert [item.text for item in read_table(workspace).rows] == ["один", "два", "три", "четыре"]
    with pytest.raises(DatasetError, match="nothing to undo"):
        curator.undo()


def test_what_was_changed_by_hand_is_not_undone_over(workspace: Workspace) -> None:
    curator = Curator(workspace.curation)
    curator.exclude([row(workspace, 2)], "noise")
    table = workspace.curation / "excluded.csv"
    table.write_text(table.read_text().replace("noise", "my own words"))
    with pytest.raises(DatasetError, match="changed by hand"):
        curator.undo()
    assert "my own words" in table.read_text()


def test_a_change_that_a_kill_left_in_the_journal_alone_is_undone_to_what_is_there(workspace: Workspace) -> None:
    curator = Curator(workspace.curation)
    curator.exclude([row(workspace, 2)], "noise")
    (workspace.curation / "excluded.csv").unlink()  # killed before the table was written
    with (workspace.curation / "journal.jsonl").open("a") as journal:
        journal.write('{"number": 2, "time"')  # and another one in the middle of its line
    curator.undo()
    assert len(read_table(workspace).rows) == 4


def test_tables_edited_by_hand_are_read_and_bad_lines_named(workspace: Workspace) -> None:
    workspace.curation.mkdir()
    (workspace.curation / "excluded.csv").write_bytes("\ufefffile|why|text\r\nb|шум\r\n\r\na|b|c|d\r\n|x\r\n".encode())
    curation = read_curation(workspace.curation)
    assert dict(curation.excluded) == {"b": ("шум", "")}
    assert [where for where, _ in curation.problems] == ["excluded.csv:4", "excluded.csv:5"]


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b'file|why|text\n"open', b"\x00" * 9])
def test_a_table_that_cannot_be_read_is_never_written_over(workspace: Workspace, content: bytes) -> None:
    workspace.curation.mkdir()
    table = workspace.curation / "excluded.csv"
    table.write_bytes(content)
    readable = not read_curation(workspace.curation).problems
    if readable:  # csv takes it for a row: then it must survive as one
        Curator(workspace.curation).exclude([row(workspace, 1)], "x")
        assert len(read_curation(workspace.curation).excluded) == 2
    else:
        with pytest.raises(DatasetError, match=r"excluded\.csv"):
            Curator(workspace.curation).exclude([row(workspace, 1)], "x")
        assert table.read_bytes() == content


def test_a_mended_copy_is_taken_until_the_recording_is_replaced(workspace: Workspace) -> None:
    original = workspace.audio_folder / "a.wav"
    soundfile.write(original, np.zeros(100), 16_000)
    copy = workspace.curation / "recordings" / "a-1.wav"
    copy.parent.mkdir(parents=True)
    soundfile.write(copy, np.zeros(50), 16_000)
    Curator(workspace.curation).take({"a": ("recordings/a-1.wav", "trimmed", identity(original))}, "trimmed a")
    assert read_curation(workspace.curation).recording(workspace.audio_folder, "a") == copy
    soundfile.write(original, np.zeros(200), 16_000)
    assert read_curation(workspace.curation).recording(workspace.audio_folder, "a") == original


@pytest.mark.parametrize("take", ["/etc/hostname", "../metadata.csv", "recordings/../../metadata.csv"])
def test_a_copy_outside_the_folder_is_not_opened(workspace: Workspace, take: str) -> None:
    original = workspace.audio_folder / "a.wav"
    soundfile.write(original, np.zeros(100), 16_000)
    workspace.curation.mkdir()
    line = f"a|{take}|trimmed|{identity(original)}\n"
    (workspace.curation / "recordings.csv").write_text("file|take|how|made from\n" + line)
    curation = read_curation(workspace.curation)
    assert curation.recording(workspace.audio_folder, "a") == original
    assert len(curation.problems) == 1


def test_a_recording_under_another_name_is_found(workspace: Workspace) -> None:
    soundfile.write(workspace.audio_folder / "B_old.wav", np.zeros(100), 16_000)
    Curator(workspace.curation).take({"b": ("B_old.wav", RENAMED, "")}, "b is B_old.wav")
    found = read_curation(workspace.curation).recording(workspace.audio_folder, "b")
    assert found == workspace.audio_folder / "B_old.wav"


def test_the_preparation_obeys(tmp_path: Path) -> None:
    project = Project(tmp_path)
    for number in range(5):
        project.clip(f"clip{number}", f"Привет номер {'один' if number % 2 else 'два'}, {number * 'раз '}", seed=number)
    before = prepared(project.run())
    curator = Curator(tmp_path / "curation")
    rows = {row["file"]: Row(row["line"], row["file"], text) for row, (_, text) in zip(before["trained"], project.rows,
                                                                                      strict=True)}  # fmt: skip
    curator.exclude([rows["clip1"]], "noise")
    curator.correct(rows["clip2"], "Совсем другой текст")
    after = prepared(project.run())
    keys = {item["file"]: item["key"] for item in before["trained"]}
    assert [item["file"] for item in after["trained"]] == ["clip0", "clip2", "clip3", "clip4"]
    assert {item["file"] for item in after["trained"] if item["key"] != keys[item["file"]]} == {"clip2"}
    assert after["dropped"] == [{"line": 2, "file": "", "reason": "'clip1' is excluded: noise."}]
