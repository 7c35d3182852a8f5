"""Files that lie or mean harm: nothing of them runs, nothing hangs, and each refusal is one clean line."""

from __future__ import annotations

import io
import os
import re
import struct
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hostile_files import (
    archive,
    exploits,
    mutations,
    numbers,
    program,
    small_checkpoint,
    tensor,
    text,
)
from tiny_voice import tiny_generator, tiny_model

from core_vits import restricted
from core_vits.archive import why_no_checkpoint
from core_vits.checkpoint import inspect_checkpoint, load_checkpoint
from core_vits.errors import LONGEST_LINE, CheckpointFileError
from core_vits.infer import load_generator
from core_vits.restricted import read_file

MUTATED = 3_000
CANARY = Path(tempfile.gettempdir()) / f"canary-{os.getpid()}"
"""What the hostile files would make."""
EXPLOITS = exploits(CANARY)
_RUNS_CODE = {"os.system", "os.exec", "os.fork", "os.posix_spawn", "subprocess.Popen", "socket.connect",
              "pickle.find_class", "shutil.rmtree", "os.remove", "os.rename"}  # fmt: skip

_watched: list[str] | None = None


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if _watched is None:
        return
    imported = event == "import" and arguments[0] not in sys.modules and not str(arguments[0]).startswith("encodings")
    written = (
        event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    )
    if event in _RUNS_CODE or imported or written:
        _watched.append(f"{event} {arguments!r}")


@contextmanager
def nothing_runs() -> Iterator[None]:
    """Python itself tells of every import, call of the system and file that is written to."""
    global _watched
    _watched = []
    try:
        yield
        happened = _watched
    finally:
        _watched = None
    assert happened == []
    assert not CANARY.exists()


@pytest.fixture(scope="module", autouse=True)
def listening() -> None:
    """A hook of Python's can't be taken away again; outside of `nothing_runs` it does nothing."""
    sys.addaudithook(_listen)


def refusal(path: Path) -> str:
    """The line about a file that must be refused, whoever looks at it."""
    with pytest.raises(CheckpointFileError) as caught:
        load_checkpoint(path)
    return clean(str(caught.value))


def clean(line: str) -> str:
    assert len(line) <= LONGEST_LINE
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e]", line), line
    return line


class TestExploits:
    @pytest.mark.parametrize("name", EXPLOITS)
    def test_it_is_refused_in_one_line_that_says_why(self, name: str, tmp_path: Path) -> None:
        hostile = EXPLOITS[name]
        path = tmp_path / "a.ckpt"
        path.write_bytes(hostile.content)
        with nothing_runs():
            assert hostile.said in refusal(path)
            clean(why_no_checkpoint(path))
            with pytest.raises(CheckpointFileError):
                inspect_checkpoint(path)

    def test_the_same_files_do_run_with_a_loader_that_trusts(self, tmp_path: Path) -> None:
        """Or the other tests would prove nothing."""
        loaders = {
            "a bare pickle without a version": "import pickle; pickle.load(open(sys.argv[1], 'rb'))",
            "a call inside lists and dictionaries": "import torch; torch.load(sys.argv[1], weights_only=False)",
        }
        for name, loader in loaders.items():
            path = tmp_path / "a.ckpt"
            path.write_bytes(EXPLOITS[name].content)
            command = [sys.executable, "-c", f"import sys; {loader}", str(path)]
            subprocess.run(command, check=False, capture_output=True, timeout=50)
            assert CANARY.exists(), name
            CANARY.unlink()


class Rewritten:
    """A file whose content is exchanged again and again, without opening it anew."""

    def __init__(self, path: Path, content: bytes) -> None:
        self.path = path
        path.write_bytes(content)
        self._handle = os.open(path, os.O_RDWR)

    def __enter__(self) -> Rewritten:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._handle)

    def holds(self, content: bytes) -> None:
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, content, 0)


class TestThousandsOfFiles:
    def test_no_mutation_crashes_hangs_or_runs_anything(self, tmp_path: Path) -> None:
        good = small_checkpoint()
        assert 12_000 < len(good) < 30_000
        read, slowest = 0, 0.0
        with Rewritten(tmp_path / "a.ckpt", good) as file:
            load_checkpoint(file.path)
            with nothing_runs():
                for name, content in mutations(good, MUTATED, seed=20):
                    file.holds(content)
                    begun = time.process_time()
                    try:
                        load_checkpoint(file.path)
                        read += 1
                    except CheckpointFileError as error:
                        clean(str(error))
                    except BaseException as error:
                        raise AssertionError(f"{name}: {type(error).__name__}") from error
                    slowest = max(slowest, time.process_time() - begun)
        assert 30 < read < MUTATED // 2  # some change nothing that matters, most must be noticed
        assert slowest < 10.0

    def test_no_mutation_of_the_old_format_does_either(self, tmp_path: Path) -> None:
        path = tmp_path / "a.ckpt"
        torch.save({"state_dict": {"w": torch.ones(40)}}, path, _use_new_zipfile_serialization=False)
        good = path.read_bytes()
        assert torch.equal(read_file(path, old_format=True).value["state_dict"]["w"], torch.ones(40))
        with Rewritten(path, good) as file, nothing_runs():
            for content in (good[: len(good) * part // 50] for part in range(50)):
                file.holds(content)
                with pytest.raises(CheckpointFileError) as caught:
                    read_file(path, old_format=True)
                clean(str(caught.value))
            for place in range(0, len(good), 3):
                file.holds(good[:place] + bytes([good[place] ^ 0x15]) + good[place + 1 :])
                try:
                    read_file(path, old_format=True)  # it has no checksums: what is read may be another number
                except CheckpointFileError as error:
                    clean(str(error))


class TestThingsThatAreNoFiles:
    """None of them may be waited for: pytest's time limit would end the test."""

    def test_a_named_pipe_is_refused(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.ckpt")
        assert "it is a pipe, a socket or a device" in refusal(tmp_path / "a.ckpt")
        assert "it is a pipe" in clean(why_no_checkpoint(tmp_path / "a.ckpt"))

    @pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
    def test_a_device_is_refused(self, device: str) -> None:
        assert "can't be read" in refusal(Path(device))

    def test_a_link_in_a_circle_is_refused_and_one_to_a_file_is_followed(self, tmp_path: Path) -> None:
        (tmp_path / "a.ckpt").symlink_to(tmp_path / "a.ckpt")
        assert "can't be read" in refusal(tmp_path / "a.ckpt")
        (tmp_path / "good.ckpt").write_bytes(small_checkpoint())
        (tmp_path / "last.ckpt").symlink_to("good.ckpt")
        assert load_checkpoint(tmp_path / "last.ckpt")["epoch"] == 3

    def test_a_name_with_a_nul_or_a_line_break_is_no_way_into_the_terminal(self, tmp_path: Path) -> None:
        assert "no file of that name" in refusal(Path("a\0b"))
        path = tmp_path / "a\n\x1b]0;x\x07.ckpt"
        path.touch()
        assert "\\x1b]0;x" in refusal(path)
        assert "No such file" in refusal(tmp_path / ("x" * 200) / ("y" * 200) / ("z" * 200))


class TestOtherKindsOfFiles:
    @pytest.mark.parametrize(
        ("content", "said"),
        [
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "git lfs pull"),
            (b"<!DOCTYPE html><html>", "a web page"),
            (b"\x1f\x8b\x08" + bytes(20), "gunzip"),
            (b"epoch.ckpt".ljust(257, b"\0") + b"ustar" + bytes(250), "a tar archive"),
            (b"\x40" + bytes(7) + b'{"__metadata__":{}}', "a safetensors file"),
            (b"\x08\x08\x12\x07pytorch", "an ONNX model"),
            (bytes(100_000), "begins with zeros"),
            (b"RIFF\x24\x08WAVEfmt ", "a recording"),
        ],
    )
    def test_it_is_named(self, tmp_path: Path, content: bytes, said: str) -> None:
        (tmp_path / "a.ckpt").write_bytes(content)
        assert said in refusal(tmp_path / "a.ckpt")
        assert said in clean(why_no_checkpoint(tmp_path / "a.ckpt"))

    def test_the_onnx_voice_of_a_run_under_the_name_of_a_checkpoint_is_named(self, shared: Path) -> None:
        assert "an ONNX model" in refusal(shared / "fixtures" / "run_minid" / "minid.onnx")

    def test_another_projects_file_is_told_by_what_it_holds(self, tmp_path: Path) -> None:
        torch.save({"model": {"w": torch.ones(2)}, "iteration": 1, "learning_rate": 1e-4}, tmp_path / "G_1000.pth")
        assert "no 'state_dict' but model, iteration, learning_rate" in refusal(tmp_path / "G_1000.pth")

    def test_the_old_format_is_named_with_the_way_around(self, tmp_path: Path) -> None:
        torch.save({"state_dict": {}}, tmp_path / "a.ckpt", _use_new_zipfile_serialization=False)
        for line in (refusal(tmp_path / "a.ckpt"), clean(why_no_checkpoint(tmp_path / "a.ckpt"))):
            assert "old format of torch. Convert it: workbench convert FILE --out NEW.ckpt" in line


class TestMemoryAndChange:
    def test_a_sparse_file_of_40_gb_is_refused_by_its_size(self, tmp_path: Path) -> None:
        """Its tensor is as large as it says, so only the limit keeps it from being read."""
        size = 40_000_000_000
        content = archive(program(text("state_dict").join((b"}", b"")) + _dictionary_of(size) + b"s"))
        path = tmp_path / "a.ckpt"
        _make_sparse(path, content, size)
        assert "its tensors have 40.0 GB, a voice has at most 8" in refusal(path)

    def test_hostile_files_fit_into_little_memory(self, tmp_path: Path) -> None:
        folder = tmp_path / "files"
        folder.mkdir()
        for index, hostile in enumerate(EXPLOITS.values()):
            (folder / f"{index}.ckpt").write_bytes(hostile.content)
        script = """
import resource, sys
from pathlib import Path
from core_vits.checkpoint import CheckpointFileError, load_checkpoint
files = sorted(Path(sys.argv[1]).iterdir())
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in files:
    try:
        load_checkpoint(path)
        raise SystemExit(f"{path} was read")
    except CheckpointFileError:
        pass
print(len(files), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
        done = subprocess.run(
            [sys.executable, "-c", script, str(folder)], capture_output=True, text=True, timeout=55, check=True
        )
        count, kilobytes = map(int, done.stdout.split())
        assert count == len(EXPLOITS)
        assert kilobytes < 300_000

    def test_shapes_that_fit_the_file_but_make_a_huge_model_ask_for_no_memory(self, tmp_path: Path) -> None:
        """A generator of 60,000 hidden channels would take a terabyte; its table of symbols is 240 kB."""
        state = {f"model_g.{key}": value for key, value in tiny_generator(tiny_model()).state_dict().items()}
        state["model_g.enc_p.emb.weight"] = torch.zeros(1, 60_000)
        torch.save({"state_dict": state}, tmp_path / "a.ckpt")
        with pytest.raises(CheckpointFileError, match=r"not a Piper model|has other tensors than Piper's"):
            load_generator(tmp_path / "a.ckpt")
        del state["model_g.enc_p.emb.weight"]
        state["model_g.enc_p.emb.weight"] = torch.zeros(256, 16)
        state["model_g.enc_p.encoder.attn_layers.99999999.emb_rel_k"] = torch.zeros(1, 9, 8)
        torch.save({"state_dict": state}, tmp_path / "a.ckpt")
        with pytest.raises(CheckpointFileError, match="one of them the number 99999999"):
            load_generator(tmp_path / "a.ckpt")

    def test_a_file_that_grows_while_it_is_read_is_noticed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.ckpt"
        path.write_bytes(small_checkpoint())
        real = restricted.unfold

        def grow(*arguments: Any) -> Any:
            with path.open("ab") as file:
                file.write(b"more")
            return real(*arguments)

        monkeypatch.setattr(restricted, "unfold", grow)
        assert "was changed while it was read" in refusal(path)

    def test_a_file_that_is_cut_off_while_it_is_read_is_a_message(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "a.ckpt"
        torch.save({"state_dict": {"w": torch.zeros(500_000)}}, path)
        real = restricted.unfold

        def cut(*arguments: Any) -> Any:
            os.truncate(path, 100_000)
            return real(*arguments)

        monkeypatch.setattr(restricted, "unfold", cut)
        assert "damaged" in refusal(path)


def _dictionary_of(size: int) -> bytes:
    """The value of a `state_dict` whose one tensor has so many bytes."""
    big = tensor(numbers(size // 4), numbers(1), elements=size // 4)
    return b"}" + text("w") + big + b"s"


def _make_sparse(path: Path, content: bytes, size: int) -> None:
    """An archive whose record `data/0` has so many bytes of zero, which take no room on the disk."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        description = file.read("archive/data.pkl")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("archive/data.pkl", description)
    head = stream.getvalue()
    table, end = head.index(b"PK\x01\x02"), head.index(b"PK\x05\x06")
    name = b"archive/data/0"
    extra = struct.pack("<HHQQ", 1, 16, size, size)
    with path.open("wb") as file:
        file.write(head[:table])
        place = file.tell()
        file.write(struct.pack("<4s5H3I2H", b"PK\x03\x04", 45, 0, 0, 0, 0, 0, 2**32 - 1, 2**32 - 1, len(name), 20))
        file.write(name + extra)
        file.seek(size, os.SEEK_CUR)
        start = file.tell()
        file.write(head[table:end])
        file.write(
            struct.pack(
                "<4s6H3I5H2I",
                b"PK\x01\x02",
                45,
                45,
                0,
                0,
                0,
                0,
                0,
                2**32 - 1,
                2**32 - 1,
                len(name),
                20,
                0,
                0,
                0,
                0,
                place,
            )
        )
        file.write(name + extra)
        length = file.tell() - start
        where = file.tell()
        file.write(struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 2, 2, length, start))
        file.write(struct.pack("<4sIQI", b"PK\x06\x07", 0, where, 1))
        file.write(struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 2, 2, length, 2**32 - 1, 0))


def test_the_collection_is_large_enough() -> None:
    assert len(EXPLOITS) >= 25
