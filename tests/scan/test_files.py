"""What a file is, whatever it pretends to be; and that nothing outside the folder, and no pipe, is ever opened."""

from __future__ import annotations

import builtins
import os
import socket
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from scan_sounds import RATE, speech, write

from core_vits.audio import AudioError, read_recording
from core_vits.manifest import find_recording
from workbench.scan.container import look
from workbench.scan.decoding import Examined, examine
from workbench.scan.listing import Listing


def seen(path: Path) -> Examined:
    return examine(str(path.parent.resolve()), path.name)


def agree(path: Path) -> Examined:
    """Examine a file; the trainer must refuse it in the same words, or take it."""
    found = seen(path)
    refusal = ""
    try:
        recording = read_recording(path)
    except AudioError as error:
        refusal = str(error)
    assert found.container.problem == refusal
    if not refusal:
        assert found.container.sample_rate == recording.sample_rate
        assert found.container.channels == recording.channels
        assert found.container.frames == found.container.frames_promised == len(recording.samples)
        assert found.measures is not None
        assert found.measures.seconds == len(recording.samples) / recording.sample_rate
        assert found.measures.peak == pytest.approx(recording.peak, abs=1e-4)
    return found


@pytest.mark.parametrize(
    ("name", "subtype", "kind"),
    [
        ("a.wav", "PCM_16", "wav"),
        ("a.wav", "PCM_24", "wav"),
        ("a.wav", "PCM_U8", "wav"),
        ("a.wav", "FLOAT", "wav"),
        ("a.wav", "DOUBLE", "wav"),
        ("a.wav", "ULAW", "wav"),
        ("a.wav", "IMA_ADPCM", "wav"),
        ("a.flac", "PCM_16", "flac"),
        ("a.flac", "PCM_24", "flac"),
        ("a.ogg", "VORBIS", "ogg"),
        ("a.mp3", "MPEG_LAYER_III", "mp3"),
        ("a.aiff", "PCM_16", "aiff"),
        ("a.au", "PCM_16", "au"),
        ("a.caf", "PCM_16", "caf"),
        ("a.w64", "PCM_16", "w64"),
    ],
)
def test_a_recording_is_known_by_its_bytes_and_measured_as_it_is_trained(
    tmp_path: Path, name: str, subtype: str, kind: str
) -> None:
    shorter = min(len(speech()), len(speech(2)))
    for samples in (speech(), np.stack([speech()[:shorter], speech(2)[:shorter]], 1)):
        found = agree(write(tmp_path / name, samples, subtype=subtype))
        assert (found.container.kind, found.container.encoding) == (kind, subtype)
    other = tmp_path / "other.wav"
    (tmp_path / name).rename(other)
    assert seen(other).container.kind == kind


def damaged(whole: bytes) -> dict[str, bytes]:
    """Ways to break a WAV of 16 bits."""
    longer = struct.pack("<I", len(whole) * 2)
    return {
        "empty": b"",
        "pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
        "page": b"<!DOCTYPE html><html>404</html>",
        "half": whole[: len(whole) // 2],
        "odd": whole[:-1],
        "header": whole[:44],
        "stump": whole[:30],
        "promises": whole[:40] + longer + whole[44:],
        "pipe": whole[:4] + b"\xff\xff\xff\xff" + whole[8:40] + b"\xff\xff\xff\xff" + whole[44:],
        "trailing": whole + b"LIST\x04\x00\x00\x00abcd",
        "zeros": bytes(5000),
        "no samples": whole[:40] + bytes(4),
        "riff of zeros": whole[:12] + bytes(5000),
    }


@pytest.mark.parametrize("way", damaged(bytes(100)))
def test_a_broken_file_is_refused_in_the_trainers_words(tmp_path: Path, way: str) -> None:
    whole = write(tmp_path / "whole.wav", speech()).read_bytes()
    file = tmp_path / "a.wav"
    file.write_bytes(damaged(whole)[way])
    found = agree(file)
    kinds = {"empty": "empty", "pointer": "lfs-pointer", "page": "unknown", "zeros": "unknown"}
    assert found.container.kind == kinds.get(way, "wav")
    assert bool(found.container.problem) == (way not in ("pipe", "trailing"))
    if way in ("half", "promises"):
        assert found.container.frames < found.container.frames_promised


def test_samples_that_are_no_numbers_are_refused_but_measured(tmp_path: Path) -> None:
    broken = speech().copy()
    broken[10] = np.nan
    found = agree(write(tmp_path / "a.wav", broken, subtype="FLOAT"))
    assert found.measures is not None
    assert found.measures.not_finite == 1
    assert "not finite" in found.container.problem


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "wavs"
    write(tmp_path / "secret.wav", speech())
    write(folder / "good.wav", speech())
    os.mkfifo(folder / "pipe.wav")
    (folder / "folder.wav").mkdir()
    (folder / "loop.wav").symlink_to("loop.wav")
    (folder / "out.wav").symlink_to("../secret.wav")
    (folder / "passwd.wav").symlink_to("/etc/passwd")
    (folder / "null.wav").symlink_to("/dev/null")
    (folder / "nowhere.wav").symlink_to("gone.wav")
    (folder / "inside.wav").symlink_to("good.wav")
    (folder / "sub").symlink_to(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        monkeypatch.chdir(folder)  # the name of a socket must be short
        server.bind("socket.wav")
    opened: list[str] = []
    original = os.open

    def watched(path: Any, *rest: Any, **named: Any) -> int:
        opened.append(os.fspath(path))
        return original(path, *rest, **named)

    monkeypatch.setattr(os, "open", watched)
    monkeypatch.setattr(builtins, "open", None)
    root = str(folder.resolve())
    kinds = {
        "pipe.wav": "fifo", "folder.wav": "directory", "loop.wav": "link-loop", "out.wav": "outside",
        "passwd.wav": "outside", "null.wav": "outside", "nowhere.wav": "unreadable", "socket.wav": "socket",
        "sub/secret.wav": "outside",
    }  # fmt: skip
    for name, kind in kinds.items():
        assert examine(root, name).container.kind == kind, name
        place = look(root, folder, name)
        assert place is not None, name
        assert place.kind == ("outside" if kind == "outside" else kind), name
        assert examine(root, name).measures is None
    assert look(root, folder, "gone.wav") is None
    assert look(root, folder, "../secret.wav").kind == "outside"  # type: ignore[union-attr]
    assert look(root, folder, str(tmp_path / "secret.wav")).kind == "outside"  # type: ignore[union-attr]
    assert look(root, folder, "x" * 5000) is None
    assert opened == []
    inside = examine(root, "inside.wav").container
    assert (inside.kind, inside.link, inside.problem) == ("wav", True, "")
    assert [Path(path).name for path in opened] == ["good.wav"]


def test_a_huge_file_is_judged_by_its_size_and_its_beginning(tmp_path: Path) -> None:
    zeros = tmp_path / "zeros.wav"
    with zeros.open("wb") as file:
        file.truncate(40 << 30)
    found = seen(zeros)
    assert (found.container.kind, found.container.bytes) == ("unknown", 40 << 30)
    assert "can't be decoded" in found.container.problem
    wide = tmp_path / "wide.w64"
    soundfile.write(wide, speech(), RATE, format="W64", subtype="PCM_16")
    head = wide.read_bytes()
    data = head.index(b"data")
    size = (40 << 30) - (data + 24)
    with wide.open("r+b") as file:
        file.seek(data + 16)
        file.write(struct.pack("<Q", size + 24))
        file.truncate(40 << 30)
    found = seen(wide)
    assert found.container.kind == "w64"
    assert found.container.frames == pytest.approx(20 << 30, rel=1e-3)
    assert found.measures is not None
    assert found.measures.seconds == pytest.approx((20 << 30) / RATE, rel=1e-3)


def test_a_header_that_promises_terabytes_takes_no_memory(tmp_path: Path) -> None:
    file = write(tmp_path / "a.flac", speech())
    data = bytearray(file.read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff\xff\xff\xff"  # 2**36 - 1 samples
    file.write_bytes(data)
    assert "can't be decoded" in seen(file).container.problem
    with pytest.raises(AudioError, match="more samples than memory can hold"):
        read_recording(file)


def test_a_listing_finds_what_the_trainer_finds(tmp_path: Path) -> None:
    for name in (
        "a.wav",
        "b.flac",
        "both.wav",
        "both.flac",
        "sub/c.wav",
        "sub/d",
        "e",
        "e.wav",
        ".hidden.wav",
        "f.wav",
    ):
        write(tmp_path / name, speech()) if "." in name else (tmp_path / name).write_bytes(b"x")
    (tmp_path / "f").mkdir()
    (tmp_path / "f.wav").touch()
    (tmp_path / "link").symlink_to("sub")
    (tmp_path / "linked.wav").symlink_to("a.wav")
    (tmp_path / "out.wav").symlink_to("/etc/hostname")
    listing = Listing(tmp_path)
    names = ("a.wav", "a", "b", "b.wav", "both", "sub/c", "sub//c.wav", "./a.wav", "sub/../a.wav", "../a.wav", "sub/d",
             "e", "e.wav", ".hidden.wav", ".hidden", "f", "f.wav", "link/c.wav", "linked", "linked.wav", "out.wav", "",
             "sub", "/a.wav", str(tmp_path / "a.wav"), "x" * 300, "A.wav")  # fmt: skip
    for name in names:
        found = find_recording(tmp_path, name)
        assert listing.find(name) == found, name
        assert listing.name_of(name) == (None if found is None else str(found.relative_to(tmp_path))), name


@pytest.mark.parametrize(
    ("file", "near", "by"),
    [
        ("Clip_1.wav", "clip_1.wav", "case"),
        ("CLIP_1", "clip_1.wav", "case"),
        ("мой.wav", "мои\u0306.wav", "unicode"),
        ("clip _1.wav", "clip_1.wav", "spaces"),
        ("clip_2.wav", "clip_2.mp3", "suffix"),
        ("clip_2", "clip_2.mp3", "suffix"),
        ("clip_3.wav", "day 2/clip_3.wav", "folder"),
        ("day2/clip_3.wav", "day 2/clip_3.wav", "spaces"),
        ("day 2\\clip_3.wav", "day 2/clip_3.wav", "spaces"),
        ("clip_9.wav", None, ""),
    ],
)
def test_a_name_that_was_probably_meant_is_told_with_the_difference(
    tmp_path: Path, file: str, near: str | None, by: str
) -> None:
    for name in ("clip_1.wav", "мои\u0306.wav", "clip_2.mp3", "day 2/clip_3.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = Listing(tmp_path).near(file)
    assert (None if found is None else found.name, "" if found is None else found.by) == (near, by)


def test_recordings_that_no_row_names_are_orphans(tmp_path: Path) -> None:
    for name in ("a.wav", "b.WAV", "notes.txt", ".c.wav", "sub/d.mp3", "runs/1/e.wav"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert Listing(tmp_path, skip=(tmp_path / "runs",)).orphans({"a.wav"}) == ("b.WAV", "sub/d.mp3")
