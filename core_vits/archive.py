"""The outside of a checkpoint file: what kind of file it is, and the records of the archive that torch writes.

Nothing that a file says of itself is believed: sizes are compared with the file's own, and no more is read than is
needed. Standard library only, so that a process with a user in front of it may look at a file, too.
"""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from core_vits.errors import CheckpointFileError, in_one_line

LARGEST_DIRECTORY = 16_000_000
"""Bytes of an archive's table of contents. A voice has some 2,500 records, 250 kB."""
LARGEST_PICKLE = 16_000_000
"""Bytes of the record that describes all others. A voice with its optimizers needs 500 kB."""

OLD_FORMAT = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
"""How a file begins that torch saved before version 1.6: its magic number as a pickle of its own."""

BIG_ENDIAN = "the file was saved on a big-endian machine, and can't be read here. Save it on a usual one"
NO_CHECKPOINT = "this is not a checkpoint. Choose a .ckpt file of a training run"

_ARCHIVE = b"PK\x03\x04"
_FIRST_BYTES = 512
_CHUNK = 1_000_000
_ENCRYPTED = 0x1
_HEADER = 30
"""Bytes in front of a record, without its name."""

_OTHER_KINDS: tuple[tuple[bytes, str], ...] = (
    (b"version https://git-lfs", "a Git LFS pointer, which stands for a file that was not fetched. Run `git lfs pull`"),
    (b"<!DOCTYPE", "a web page, not a checkpoint (did the download want a login?). Download it again"),
    (b"<html", "a web page, not a checkpoint (did the download want a login?). Download it again"),
    (b"\x1f\x8b", "packed with gzip. Unpack it (gunzip), then choose the .ckpt file"),
    (b"BZh", "packed with bzip2. Unpack it (bunzip2), then choose the .ckpt file"),
    (b"\xfd7zXZ", "packed with xz. Unpack it (unxz), then choose the .ckpt file"),
    (b"\x28\xb5\x2f\xfd", "packed with zstd. Unpack it (unzstd), then choose the .ckpt file"),
    (b"7z\xbc\xaf\x27\x1c", "packed with 7-Zip. Unpack it, then choose the .ckpt file"),
    (b"Rar!", "packed with RAR. Unpack it, then choose the .ckpt file"),
    (b"\x93NUMPY", "a NumPy array, not a checkpoint. Choose a .ckpt file of a training run"),
    (b"RIFF", "a recording, not a checkpoint. Choose a .ckpt file of a training run"),
)


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a file that may turn out to be anything; a pipe or a device is refused and never waited for.

    Raises:
        CheckpointFileError: it is no file, or can't be read.
    """
    try:
        # Opening a device may do something, so its kind is asked for before; and after, should it have been exchanged.
        _check_regular(path, path.stat().st_mode)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            _check_regular(path, os.fstat(file.fileno()).st_mode)
            yield file
    except OSError as error:
        raise CheckpointFileError(f"{path}: can't be read ({error.strerror or error})") from None
    except ValueError:  # of stat and open: a NUL in the name
        raise CheckpointFileError(f"{path}: there can be no file of that name") from None


def _check_regular(path: Path, mode: int) -> None:
    if stat.S_ISDIR(mode):
        raise CheckpointFileError(f"{path}: can't be read (it is a folder). Choose a .ckpt file in it")
    if not stat.S_ISREG(mode):
        raise CheckpointFileError(f"{path}: can't be read (it is a pipe, a socket or a device). Choose a file")


def size_of(file: BinaryIO) -> int:
    """Bytes of an open file."""
    return os.fstat(file.fileno()).st_size


def kind_of(file: BinaryIO) -> str:
    """`archive`, `old` (torch before 1.6), `pickle`, or else one line that says what it is instead; rewinds."""
    file.seek(0)
    start = file.read(_FIRST_BYTES)
    file.seek(0)
    if start.startswith(_ARCHIVE):
        return "archive"
    if start.startswith(OLD_FORMAT):
        return "old"
    if not start:
        return "the file is empty. Choose another checkpoint"
    if not any(start):
        return "the file begins with zeros (a copy that did not finish?). Copy it again"
    for signature, about in _OTHER_KINDS:
        if start.startswith(signature):
            return f"this is {about}"
    if start[257:262] == b"ustar":
        return "this is a tar archive. Unpack it (tar -xf), then choose the .ckpt file in it"
    if start[8:9] == b"{" and int.from_bytes(start[:8], "little") <= LARGEST_DIRECTORY:
        return "this is a safetensors file, which holds no training. Choose a .ckpt file of a training run"
    if start[0] == 0x08 and start[1:2] < b"\x20" and start[2:3] in b"\x12\x1a\x22\x28\x32\x3a\x42":
        return "this is an ONNX model, from which no training can go on. Choose a .ckpt file of a training run"
    if start[0] == 0x80 and start[1:2] <= b"\x05":
        return "pickle"
    return NO_CHECKPOINT


class Unreadable(Exception):
    """A file can't be read, or must not be; the text is the line without the file's name."""


def damaged(what: str) -> Unreadable:
    """The file is not what was saved."""
    return Unreadable(f"the file is damaged ({what}). Use another checkpoint")


def refused(what: str) -> Unreadable:
    """The file is whole, and torch did not write it like this."""
    return Unreadable(f"refused: {what}. Nothing of it was run. Use a file from a source you trust")


def fill(target: memoryview, read: Callable[[int], bytes]) -> None:
    """Fill memory out of a stream.

    Raises:
        Unreadable: the stream ends before.
    """
    done = 0
    while done < len(target):
        part = read(min(_CHUNK, len(target) - done))
        if not part:
            raise damaged("it ends inside a record")
        target[done : done + len(part)] = part
        done += len(part)


class _BoundedReads:
    """A file of which no single read may take much: the length of a table of contents is the file's own claim."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.close, self.seekable = file.seek, file.tell, lambda: None, lambda: True

    def read(self, count: int = -1) -> bytes:
        """At most `LARGEST_DIRECTORY` bytes."""
        content = self._file.read(LARGEST_DIRECTORY + 1 if not 0 <= count <= LARGEST_DIRECTORY else count)
        if len(content) > LARGEST_DIRECTORY:
            raise damaged(f"its table of contents is larger than {LARGEST_DIRECTORY / 1e6:.0f} MB")
        return content


class Archive:
    """The records of a file that torch saved; every record that is read is compared with its checksum."""

    def __init__(self, file: BinaryIO) -> None:
        """Read the table of contents.

        Raises:
            Unreadable: there is none, it can't be true, or it is not one of torch's.
        """
        size = size_of(file)
        self._file = file
        try:
            self._zip = zipfile.ZipFile(_BoundedReads(file))  # all that it calls is there
            entries = self._zip.infolist()
        except (Unreadable, OSError, MemoryError):
            raise
        except Exception as error:  # a damaged table raises anything: BadZipFile, struct.error, UnicodeDecodeError, …
            raise Unreadable("the file is cut off (a copy that did not finish?). Copy it again") from error
        self._records: Mapping[str, zipfile.ZipInfo] = {entry.filename: entry for entry in entries}
        if len(self._records) != len(entries):
            raise refused("two of its records have the same name")
        _check_records(entries, size)
        self._prefix = self._find_prefix()

    def _find_prefix(self) -> str:
        """What all names begin with: torch takes the name that the file was saved under."""
        found = [name for name in self._records if name.count("/") == 1 and name.endswith("/data.pkl")]
        if not found:
            raise Unreadable(
                "this is an archive of other files, not a checkpoint. Choose a .ckpt file of a training run"
            )
        if len(found) > 1:
            raise refused("it holds two checkpoints in one archive")
        prefix = found[0].removesuffix("data.pkl")
        if f"{prefix}constants.pkl" in self._records or any(
            name.startswith(f"{prefix}code/") for name in self._records
        ):
            raise Unreadable(
                "this is a TorchScript program, which can't be trained. Choose a .ckpt file of a training run"
            )
        return prefix

    def pickle(self) -> bytes:
        """The record that describes all others.

        Raises:
            Unreadable: it is not what was saved, too large to be one, or for another kind of machine.
        """
        if self._size("data.pkl") > LARGEST_PICKLE:
            raise refused(f"its description is {self._size('data.pkl') / 1e6:.0f} MB long")
        order = self._small("byteorder") if f"{self._prefix}byteorder" in self._records else b"little"
        if order.strip() != b"little":
            raise Unreadable(BIG_ENDIAN) if order.strip() == b"big" else damaged("its byte order is none")
        return self._small("data.pkl")

    def storage_bytes(self, key: str) -> int | None:
        """Bytes of a tensor's memory; None when the file has no such record."""
        entry = self._records.get(f"{self._prefix}data/{key}")
        return entry.file_size if entry is not None else None

    def read_storage(self, key: str, target: memoryview) -> None:
        """Fill `target` with a tensor's memory; it is `storage_bytes` long.

        Raises:
            Unreadable: the record is not what was saved.
        """
        self._read(f"data/{key}", target)

    def place_of(self, key: str) -> int:
        """Where a tensor's memory begins in the file: behind a header that has its own word on its length.

        Raises:
            Unreadable: the header is not one.
        """
        entry = self._records[f"{self._prefix}data/{key}"]
        self._file.seek(entry.header_offset)
        header = self._file.read(_HEADER)
        if len(header) != _HEADER or not header.startswith(_ARCHIVE):
            raise damaged(f"the header of '{in_one_line(entry.filename, 100)}' is wrong")
        name, extra = (int.from_bytes(header[at : at + 2], "little") for at in (26, 28))
        return entry.header_offset + _HEADER + name + extra

    def compare(self, progress: Callable[[int, int], None]) -> None:
        """Compare every record with its checksum.

        Args:
            progress: called with bytes compared and bytes in all.

        Raises:
            Unreadable: one of them is not what was saved.
        """
        total, done = sum(entry.file_size for entry in self._records.values()), 0
        for name in self._records:
            with self._opened(name) as stream:
                while chunk := stream.read(_CHUNK):
                    done += len(chunk)
                    progress(done, total)

    def _size(self, name: str) -> int:
        return self._records[self._prefix + name].file_size

    def _small(self, name: str) -> bytes:
        content = bytearray(min(self._size(name), LARGEST_PICKLE))
        self._read(name, memoryview(content))
        return bytes(content)

    def _read(self, name: str, target: memoryview) -> None:
        with self._opened(self._prefix + name) as stream:
            fill(target, stream.read)

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        """A record as a stream that raises at its end where the checksum is wrong.

        Raises:
            Unreadable: the record is not what was saved.
        """
        try:
            with self._zip.open(self._records[name]) as stream:
                yield stream
        except (Unreadable, OSError, MemoryError):
            raise
        except zipfile.BadZipFile as error:
            said = "checksum" if "CRC" in str(error) else "header"
            raise damaged(f"the {said} of '{in_one_line(name, 100)}' is wrong") from error
        except Exception as error:  # EOFError, struct.error, whatever zipfile says to odd flags
            raise damaged(f"'{in_one_line(name, 100)}' can't be read, {type(error).__name__}") from error


def _check_records(entries: list[zipfile.ZipInfo], size: int) -> None:
    """
    Raises:
        Unreadable: they can't be where and what the table says, or torch would not have written them so.
    """
    for entry in entries:
        name = in_one_line(entry.filename, 100)
        if entry.flag_bits & _ENCRYPTED:
            raise refused(f"its record '{name}' is encrypted")
        if entry.compress_type != zipfile.ZIP_STORED:
            # Torch stores. What is not packed can't be larger than the file.
            raise refused(f"its record '{name}' is compressed, which torch never does")
        if entry.file_size != entry.compress_size or entry.header_offset + entry.file_size > size:
            raise damaged(f"the record '{name}' does not fit into the file")
        if entry.filename.startswith("/") or ".." in entry.filename.split("/") or "\\" in entry.filename:
            raise refused(f"its record '{name}' has the name of a path")
    if sum(entry.file_size for entry in entries) > size:
        raise damaged("its records together are larger than the file")


CONVERT = "workbench convert FILE --out NEW.ckpt"
OLD_FORMAT_ADVICE = f"the file was saved in the old format of torch. Convert it: {CONVERT}"


def why_no_checkpoint(path: Path) -> str:
    """Whether a file looks like a checkpoint by its first bytes and its table of contents; nothing of it is unpacked.

    Returns:
        Empty, or one line that says what it is or what is wrong with it.
    """
    try:
        with open_file(path) as file:
            kind = kind_of(file)
            if kind == "archive":
                Archive(file)
                return ""
        about = {"old": OLD_FORMAT_ADVICE, "pickle": NO_CHECKPOINT}.get(kind, kind)
    except CheckpointFileError as error:
        return str(error)
    except Unreadable as error:
        about = str(error)
    return in_one_line(f"{path}: {about}")
