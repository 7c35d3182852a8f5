"""The table of recordings: every line is a row or a problem, never nothing."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from core_vits.manifest import (
    Manifest,
    ManifestError,
    Row,
    escapes,
    find_recording,
    read_metadata,
    speaker_ids,
    split_sizes,
)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    return tmp_path / "metadata.csv"


def read(table: Path, data: bytes | str, **options: object) -> Manifest:
    table.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read_metadata(table, **options)  # type: ignore[arg-type]


def kinds(manifest: Manifest) -> list[tuple[int, str]]:
    return [(problem.line, problem.kind) for problem in manifest.problems]


def test_rows_have_their_line_file_and_last_column(table: Path) -> None:
    manifest = read(table, "a.wav|Да.\nb|raw|Нет.\r\nc.wav|x|Ну.")
    assert [(row.line, row.file, row.text) for row in manifest.rows] == [
        (1, "a.wav", "Да."),
        (2, "b", "Нет."),
        (3, "c.wav", "Ну."),
    ]


def test_the_peers_dataset_is_read_as_the_peer_reads_it(shared: Path) -> None:
    manifest = read_metadata(shared / "fixtures/dataset/metadata.csv")
    assert [row.line for row in manifest.rows] == [1, 2, 3, 4, 5, 6]
    assert manifest.problems == ()
    found = [find_recording(shared / "fixtures/dataset/wavs", row.file) for row in manifest.rows]
    assert [path.name if path else None for path in found] == [
        "ru_0003.wav", "ru_0005_44k.wav", "ru_0006.wav", None, "ru_0008.wav", "ru_0004.wav",
    ]  # fmt: skip


def test_a_byte_order_mark_does_not_become_part_of_the_first_file_name(table: Path) -> None:
    manifest = read(table, b"\xef\xbb\xbfa.wav|text\n")
    assert manifest.rows[0].file == "a.wav"
    assert kinds(manifest) == [(1, "bom")]


def test_an_unclosed_quote_swallows_no_row(table: Path) -> None:
    manifest = read(table, 'a|"Да, сказал он.\nb|Нет.\nc|"Ну" и что\nd|"Совсем в кавычках"\n')
    assert [row.file for row in manifest.rows] == ["a", "b", "c", "d"]
    assert manifest.rows[0].text == '"Да, сказал он.'
    assert kinds(manifest) == [(1, "quote"), (3, "quote")]


def test_with_quoting_a_swallowed_row_is_reported_with_its_lines(table: Path) -> None:
    manifest = read(table, 'a|"Да"\nb|"Нет.\nc|Ну."\nd|"Да, ""так"""\n', quoting=True)
    assert [(row.line, row.text) for row in manifest.rows] == [(1, "Да"), (4, 'Да, "так"')]
    assert kinds(manifest) == [(2, "swallowed")]
    assert "lines 2 to 3" in manifest.problems[0].message


def test_a_quote_that_is_never_closed_reports_all_it_swallowed(table: Path) -> None:
    manifest = read(table, 'a|x\nb|"Нет.\n' + "c|Ну.\n" * 500, quoting=True)
    assert [row.file for row in manifest.rows] == ["a"]
    assert "lines 2 to 502" in manifest.problems[0].message


def test_lines_that_give_no_row_are_problems_with_their_numbers(table: Path) -> None:
    manifest = read(table, b"a|x\n\nonly\n|text\n\xff\xfe|x\nb\0|x\n  \nc|y\n\n")
    assert [row.line for row in manifest.rows] == [1, 8]
    assert kinds(manifest) == [
        (2, "blank"), (3, "columns"), (4, "file"), (5, "encoding"), (6, "control"), (7, "blank"), (9, "blank"),
    ]  # fmt: skip
    assert all(problem.skipped for problem in manifest.problems)


def test_a_delimiter_in_the_text_is_reported_but_a_third_column_everywhere_is_not(table: Path) -> None:
    odd = read(table, "a|x\nb|one|two\nc|z\n")
    assert kinds(odd) == [(2, "extra-columns")]
    assert "'two'" in odd.problems[0].message
    assert kinds(read(table, "a|x|X\nb|y|Y\n")) == []


def test_speakers_are_numbered_by_first_appearance(table: Path) -> None:
    manifest = read(table, "a|mia|x\nb|tom|y\nc|mia|z\nd|text only\n", multi_speaker=True)
    assert speaker_ids(manifest.rows) == {"mia": 0, "tom": 1}
    assert kinds(manifest) == [(4, "columns")]


def rows_of(*speakers: str) -> list[Row]:
    return [Row(line, f"{line}.wav", "Да.", speaker) for line, speaker in enumerate(speakers, 1)]


def test_speakers_are_numbered_by_falling_number_of_clips_as_pipers_first_version_did() -> None:
    rows = rows_of("mia", "tom", "ann", "ann", "bob", "bob")
    assert speaker_ids(rows, by_clips=True) == {"ann": 0, "bob": 1, "mia": 2, "tom": 3}
    assert speaker_ids(rows) == {"mia": 0, "tom": 1, "ann": 2, "bob": 3}


def test_known_speakers_keep_their_numbers_and_new_ones_get_the_free_ones() -> None:
    rows = rows_of("new", "mia", "newer", "newer", "newest")
    known = {"tom": 3, "mia": 1}
    assert speaker_ids(rows, known=known) == {"new": 0, "mia": 1, "newer": 2, "tom": 3, "newest": 4}
    assert speaker_ids(rows, by_clips=True, known=known) == {"newer": 0, "mia": 1, "new": 2, "tom": 3, "newest": 4}
    assert list(speaker_ids(rows, known=known).values()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("data", "multi_speaker", "row"),
    [
        ("a.wav|Да.|1 0 15  0 2", False, ("Да.", None, (1, 0, 15, 0, 2))),
        ("a.wav||1 0 2", False, ("", None, (1, 0, 2))),
        ("a.wav|1 0 2", False, ("", None, (1, 0, 2))),
        ("a.wav|mia|Да.|1 255", True, ("Да.", "mia", (1, 255))),
        ("a.wav|mia|raw|Да.|7", True, ("Да.", "mia", (7,))),
        ("a.wav|mia|7 8", True, ("", "mia", (7, 8))),
    ],
)
def test_a_table_of_phoneme_ids_gives_them_as_they_stand(
    table: Path, data: str, multi_speaker: bool, row: tuple[str, str | None, tuple[int, ...]]
) -> None:
    manifest = read(table, data, phoneme_ids=True, multi_speaker=multi_speaker)
    assert manifest.problems == ()
    assert [(item.text, item.speaker, item.phoneme_ids) for item in manifest.rows] == [row]


def test_what_is_no_phoneme_id_is_a_problem_with_its_line(table: Path) -> None:
    lines = [
        "a|x|1 2",
        "b|x|",
        "c|x|1 256 2",
        "d|x|1 -2",
        "e|x|1 2.5",
        f"f|x|{'9' * 5000}",
        "g|x|1 ٣",
        "h|Да, да.",
        "i",
    ]
    manifest = read(table, "\n".join(lines), phoneme_ids=True)
    assert [row.line for row in manifest.rows] == [1]
    assert kinds(manifest) == [*((line, "ids") for line in range(2, 9)), (9, "columns")]
    said = [problem.message for problem in manifest.problems]
    assert "has no phoneme ids" in said[0]
    assert "the phoneme id 256 is too high, wanted are numbers from 0 to 255" in said[1]
    assert "'-2' is no phoneme id" in said[2]
    assert '[dataset] type = "text"' in said[6]
    assert "wanted is file|text|ids" in said[7]
    assert all(problem.skipped and len(problem.message) < 200 for problem in manifest.problems)


@pytest.mark.parametrize("data", [b"", b"\n \n", "a|b".encode("utf-16")])
def test_a_file_that_is_no_table_is_one_clear_line(table: Path, data: bytes) -> None:
    with pytest.raises(ManifestError, match=r"metadata\.csv: is .*\.$"):
        read(table, data)


def test_a_missing_file_a_folder_and_a_pipe_are_one_clear_line(table: Path) -> None:
    with pytest.raises(ManifestError, match="no such file"):
        read_metadata(table)
    os.mkfifo(table)
    with pytest.raises(ManifestError, match="not a regular file"):
        read_metadata(table)
    with pytest.raises(ManifestError, match="not a regular file"):
        read_metadata(table.parent)


def test_whatever_the_bytes_are_every_line_is_accounted_for(table: Path) -> None:
    chance = random.Random(7)
    pieces = [b"a.wav|text", b"|", b'"', b"\xff", b"\0", b" ", "ё".encode(), b"b|c|d", b"\xef\xbb\xbf", b"x" * 50]
    for _ in range(2000):
        data = b"".join(chance.choice([*pieces, b"\n", b"\r\n", b"\n"]) for _ in range(chance.randint(1, 30)))
        try:
            manifest = read(table, data)
        except ManifestError:
            continue
        skipped = {problem.line for problem in manifest.problems if problem.skipped}
        used = {row.line for row in manifest.rows}
        assert not skipped & used
        lines = data.removeprefix(b"\xef\xbb\xbf").splitlines()
        assert skipped | used == set(range(1, len(lines) + 1))


def test_with_quoting_random_bytes_raise_nothing_but_manifest_errors(table: Path) -> None:
    chance = random.Random(8)
    for _ in range(1000):
        data = b"".join(chance.choice([b"a|b", b'"', b"\n", b"|", b'""', b"x"]) for _ in range(chance.randint(1, 30)))
        try:
            read(table, data, quoting=True)
        except ManifestError:
            continue


def test_recordings_are_found_as_written_then_with_a_suffix(tmp_path: Path) -> None:
    wavs = tmp_path / "wavs"
    (wavs / "sub").mkdir(parents=True)
    for name in ("a.wav", "b.flac", "sub/c.wav", "d"):
        (wavs / name).touch()
    (wavs / "folder.wav").mkdir()
    os.mkfifo(wavs / "pipe.wav")
    assert find_recording(wavs, "a") == wavs / "a.wav"
    assert find_recording(wavs, "b") == wavs / "b.flac"
    assert find_recording(wavs, "sub/c") == wavs / "sub/c.wav"
    assert find_recording(wavs, "d") == wavs / "d"
    for name in ("e", "folder", "pipe", "x" * 300, "A"):
        assert find_recording(wavs, name) is None


def test_what_leads_out_of_the_folder_is_never_found(tmp_path: Path) -> None:
    wavs = tmp_path / "wavs"
    wavs.mkdir()
    secret = tmp_path / "secret.wav"
    secret.touch()
    (wavs / "link.wav").symlink_to(secret)
    (wavs / "inside.wav").touch()
    (wavs / "alias.wav").symlink_to(wavs / "inside.wav")
    (wavs / "out").symlink_to(tmp_path)
    for name in ("../secret.wav", str(secret), "link.wav", "out/secret.wav", "sub/../../secret"):
        assert escapes(wavs, name), name
        assert find_recording(wavs, name) is None
    assert find_recording(wavs, "alias") == wavs / "alias.wav"
    assert find_recording(wavs, "link") is None, "the link has the suffix that the row leaves out"
    assert find_recording(wavs, "alias") == wavs / "alias.wav"
    assert not escapes(wavs, "inside.wav")


def test_a_linked_folder_of_recordings_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.wav").touch()
    (tmp_path / "wavs").symlink_to(tmp_path / "real")
    assert find_recording(tmp_path / "wavs", "a") == tmp_path / "wavs/a.wav"


@pytest.mark.parametrize(
    ("clips", "share", "test", "sizes"),
    [(8397, 0.1, 5, (7553, 839, 5)), (5, 0.1, 5, (1, 0, 4)), (2, 0.0, 0, (2, 0, 0)), (1, 0.5, 5, (1, 0, 0))],
)
def test_the_split_follows_pipers_arithmetic(clips: int, share: float, test: int, sizes: tuple[int, int, int]) -> None:
    assert split_sizes(clips, share, test) == sizes


@pytest.mark.parametrize(("encoding", "name"), [("cp1251", "Windows-1251"), ("koi8-r", "KOI8-R"), ("cp866", "DOS 866")])
def test_a_line_in_an_old_encoding_is_told_by_its_name(tmp_path: Path, encoding: str, name: str) -> None:
    table = tmp_path / "metadata.csv"
    table.write_bytes("01.wav|Усталый путник тихо прячет длинное письмо.\n".encode(encoding) + b"02.wav|caf\xe9 noir\n")
    told = [problem.message for problem in read_metadata(table).problems]
    assert f"is not UTF-8 but {name}; the row was skipped" in told[0]
    assert "is not UTF-8; the row was skipped" in told[1]
