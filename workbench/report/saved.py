"""Checkpoints and exported voices of a project, looked at from outside: nothing is loaded."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from core_vits.archive import Archive, Unreadable, kind_of, open_file, why_no_checkpoint
from core_vits.checkpoint_names import read_counters
from core_vits.descriptions import ITEM_BYTES, PickleError, TensorNote
from core_vits.errors import CheckpointFileError
from core_vits.unpickle import follow, unfold
from workbench.adopt.project import VoiceFile
from workbench.jobs.rundir import EXPORTS, read_lines

_MOST_LOOKED_INTO = 400
_SMALLEST_VOICE = 100_000
"""Bytes; the smallest voice that speaks, of quality tiny, has two million."""
_LARGEST_JSON = 16_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A checkpoint on disk."""

    path: Path
    epoch: int | None
    """The epoch that was just finished, from 0."""
    step: int | None
    """Optimizer steps."""
    bytes: int
    modified: float
    """Unix seconds."""
    problem: str
    """Why it is no whole checkpoint, by its table of contents; empty when it is one."""


def read_checkpoints(paths: Iterable[Path]) -> list[Saved]:
    """Each checkpoint once, the furthest last; the archive is checked, no weights are read."""
    found = []
    for path in list({path.absolute(): None for path in paths})[:_MOST_LOOKED_INTO]:
        try:
            about = path.stat()
        except (OSError, ValueError):
            continue
        name = read_counters(path)
        # The line names the file, and so does whoever shows it.
        problem = why_no_checkpoint(path).removeprefix(f"{path}: ")
        found.append(
            Saved(
                path=path, epoch=name.epoch, step=name.step, bytes=about.st_size, modified=about.st_mtime,
                problem=problem,
            )
        )  # fmt: skip
    return sorted(found, key=lambda saved: (-1 if saved.epoch is None else saved.epoch, saved.modified))


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """What a checkpoint describes."""

    generator: int
    """Parameters."""
    discriminators: int
    lacking: int
    """Tensors whose memory is not in the file, or too short."""


def look_inside(path: Path) -> Inside | None:
    """Count the parameters that a file describes, in a fraction of a second; None when it can't be followed."""
    counts = {"model_g": 0, "model_d": 0, "model_mrd": 0}
    lacking = 0
    try:
        with open_file(path) as file:
            if kind_of(file) != "archive":
                return None
            archive = Archive(file)
            plain = unfold(follow(io.BytesIO(archive.pickle()), {}), lambda note: note)
            state = plain.get("state_dict") if isinstance(plain, Mapping) else None
            for name, note in state.items() if isinstance(state, Mapping) else ():
                kind = str(name).partition(".")[0]
                if isinstance(note, TensorNote) and kind in counts:
                    counts[kind] += note.elements
                    lacking += (archive.storage_bytes(note.storage.key) or 0) < ITEM_BYTES[note.dtype] * note.elements
    except (CheckpointFileError, Unreadable, PickleError, OSError, ValueError, KeyError, MemoryError):
        return None
    return Inside(
        generator=counts["model_g"], discriminators=counts["model_d"] + counts["model_mrd"], lacking=lacking
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """An exported voice on disk."""

    path: Path
    epoch: int | None
    """What its name says."""
    bytes: int
    modified: float
    config: str
    """`ok`, `missing`, or why its `.onnx.json` can't be used."""
    difference: float | None
    """From its checkpoint, full scale = 1, when it was exported here; None when it was never compared."""
    ours: bool
    """Whether its name begins with the voice's."""

    @property
    def whole(self) -> bool:
        """Whether it can be a voice by its size."""
        return self.bytes >= _SMALLEST_VOICE


def read_voices(files: Iterable[VoiceFile], notes: Sequence[Path], name: str) -> list[Voice]:
    """Each voice once, the latest epoch last.

    Args:
        files: as they were found.
        notes: folders in which exports leave their notes.
        name: of the voice.
    """
    compared = _compared(notes)
    found = []
    for file in {file.path.absolute(): file for file in files}.values():
        try:
            about = file.path.stat()
        except (OSError, ValueError):
            continue
        found.append(
            Voice(
                path=file.path, epoch=file.epoch, bytes=about.st_size, modified=about.st_mtime,
                config=_config(file.path.with_name(f"{file.path.name}.json")),
                difference=compared.get(str(file.path.absolute())),
                ours=_plain(name) in _plain(file.path.stem),
            )
        )  # fmt: skip
    return sorted(found, key=lambda voice: (-1 if voice.epoch is None else voice.epoch, voice.modified))


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()


def _compared(notes: Sequence[Path]) -> dict[str, float]:
    """Difference by file, of exports that were accepted."""
    found = {}
    for folder in notes:
        for record in read_lines(folder / EXPORTS) if (folder / EXPORTS).is_file() else ():
            difference, files = record.get("largest_difference"), record.get("files")
            if record.get("accepted") is True and isinstance(difference, int | float) and isinstance(files, list):
                found.update({str(file): float(difference) for file in files})
    return found


def _config(path: Path) -> str:
    try:
        if not path.exists():
            return "missing"
        if not path.is_file() or path.stat().st_size > _LARGEST_JSON:
            return "unusable"
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return "unusable"
    return "ok" if isinstance(content, dict) and content.get("phoneme_id_map") else "unusable"
