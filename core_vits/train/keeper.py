"""The checkpoint folder of a run: which files there are, which stay, and which one to go on from.

`index.jsonl` has a line for each file that was saved or taken away. Only files that it names are ever deleted, and only
after a newer one was saved and read back.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core_vits.checkpoint import load_checkpoint, save_atomic, sweep_temporaries
from core_vits.checkpoint_names import OPTIMIZERS, OWN_NAME
from core_vits.errors import CheckpointFileError
from core_vits.hold import remove_unless_held
from core_vits.scores import Score, best_of
from core_vits.train.callbacks import SavedCheckpoint
from core_vits.train.settings import Position

INDEX = "index.jsonl"
SAVING = ".saving"
"""Holds the index line of the file that is being saved, for the case that we die between file and line."""


class CheckpointKeeper:
    """Saves checkpoints into a folder and keeps the best and the newest of them."""

    def __init__(self, folder: Path, *, keep_best: int, keep_last: int, only_read: bool = False) -> None:
        """Take over a folder.

        Args:
            folder: made if it is missing, but not its parent: a run that was removed is not made again.
            keep_best: checkpoints that stay for the lowest validation mel loss, of validations over the same clips;
                where these are too few, the best of earlier clips fill the number.
            keep_last: newest checkpoints that stay, at least 1.
            only_read: leave everything as it is; another process of the run saves.
        """
        self.folder = folder
        self._keep_best = keep_best
        self._keep_last = max(1, keep_last)
        if not only_read:
            folder.mkdir(exist_ok=True)
            sweep_temporaries(folder)
            self._adopt()

    def save(self, payload: Mapping[str, Any], position: Position, kind: str, score: Score) -> SavedCheckpoint:
        """Save a checkpoint, note it, and remove those that need not be kept.

        Raises:
            CheckpointFileError: it could not be saved; nothing was removed.
        """
        name = f"epoch={position.labelled_epoch}-step={position.optimizer_step}.ckpt"
        record = {
            "file": name,
            "epoch": position.labelled_epoch,
            "step": position.step,
            "optimizer_step": position.optimizer_step,
            "time": time.time(),
            **score.as_record(),
            "kind": kind,
        }
        with contextlib.suppress(OSError):
            (self.folder / SAVING).write_text(json.dumps(record), encoding="utf-8")
        size = save_atomic(self.folder / name, payload)
        self._note({**record, "bytes": size})
        with contextlib.suppress(OSError):
            (self.folder / SAVING).unlink()
        saved = SavedCheckpoint(
            path=self.folder / name,
            epoch=position.labelled_epoch,
            step=position.step,
            optimizer_step=position.optimizer_step,
            bytes=size,
            kind=kind,
            val_mel=score.loss,
        )
        return replace(saved, removed=tuple(self._prune(name)))

    def newest(self, problem: Callable[[str], None]) -> tuple[Path, dict[str, Any]] | None:
        """The newest checkpoint that can be read; None when there is none.

        Args:
            problem: told about each newer file that could not be read.
        """
        for path in sorted(self.folder.glob("epoch=*-step=*.ckpt"), key=_age, reverse=True):
            try:
                return path, load_checkpoint(path)
            except CheckpointFileError as error:
                problem(str(error))
        return None

    def scores(self) -> list[Score]:
        """Of all checkpoints, the oldest first."""
        records = self.known()
        return [Score.of_record(records[name]) for name in sorted(records, key=lambda name: _age(self.folder / name))]

    def known(self) -> dict[str, dict[str, Any]]:
        """The last record of each file of ours that has not been taken away, oldest first."""
        records: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(OSError):
            for line in (self.folder / INDEX).read_bytes().decode("utf-8", "replace").splitlines():
                with contextlib.suppress(ValueError):
                    record = json.loads(line)
                    if not isinstance(record, dict) or not OWN_NAME.fullmatch(str(record.get("file"))):
                        continue
                    records.pop(record["file"], None)
                    if not record.get("removed"):
                        records[record["file"]] = record
        return {name: record for name, record in records.items() if (self.folder / name).is_file()}

    def _adopt(self) -> None:
        """Note a file of ours whose saver died before it could: unknown files are never removed."""
        with contextlib.suppress(OSError, ValueError, AttributeError):
            record = json.loads((self.folder / SAVING).read_text(encoding="utf-8"))
            path = self.folder / str(record.get("file"))
            if OWN_NAME.fullmatch(path.name) and path.is_file() and path.name not in self.known():
                self._note({**record, "bytes": path.stat().st_size})
            (self.folder / SAVING).unlink()

    def _prune(self, newest: str) -> list[Path]:
        records = self.known()
        by_age = sorted(records, key=lambda name: _age(self.folder / name), reverse=True)
        oldest_first = by_age[::-1]
        ranked = best_of([Score.of_record(records[name]) for name in oldest_first])
        best = [oldest_first[place] for place in ranked[: self._keep_best]]
        kept = {newest, *by_age[: self._keep_last], *best}
        removed = []
        for name in by_age:
            if name not in kept:
                # One that somebody exports or listens to goes with the next checkpoint.
                with contextlib.suppress(OSError):
                    if remove_unless_held(self.folder / name):
                        removed.append(self.folder / name)
                        self._note({"file": name, "removed": True, "time": time.time()})
        return removed

    def _note(self, record: Mapping[str, Any]) -> None:
        """Append to the index. A full disk leaves a file without a line: it is found by its name and never removed."""
        line = b"\n" + json.dumps(record).encode() + b"\n"  # the first newline ends a line that a crash cut off
        with contextlib.suppress(OSError):
            handle = os.open(self.folder / INDEX, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                os.write(handle, line)
                os.fsync(handle)
            finally:
                os.close(handle)


def _age(path: Path) -> tuple[int, int]:
    """Sorts checkpoints by what they have learnt; names that are not ours come first."""
    match = OWN_NAME.fullmatch(path.name)
    return (int(match.group(2)) // OPTIMIZERS, int(match.group(1))) if match else (-1, -1)
