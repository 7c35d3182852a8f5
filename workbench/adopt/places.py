"""Find the files that a Piper project names, also when it was moved or was written inside a container."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from workbench.config import shown
from workbench.errors import ConfigError

# Folders above the project in which the end of a path is looked for: `datasets/felix` beside `piper1-gpl`.
_ABOVE = 2
_MOST_FOLDERS = 200


@dataclass(slots=True)
class Places:
    """Where to look, and what was found elsewhere than it was said to be."""

    project: Path
    """Folder of the project."""
    starts: tuple[Path, ...] = ()
    """Folders that a relative path may start from, before the project."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Folders of a container and what they are here."""
    moved: dict[str, Path] = field(default_factory=dict)
    """Paths that are not here, and what was found in their place."""

    def find(self, text: str) -> Path | None:
        """The file or folder that a path names, absolute; None when nothing of it is here."""
        path = PurePosixPath(text)
        if not text or "\0" in text or not path.parts:
            return None
        expanded = _expanded(text)
        for candidate in self._direct(expanded):
            if exists(candidate):
                return absolute(candidate)
        found = self._by_what_is_known(expanded) or self._by_tail(PurePosixPath(expanded))
        if found is not None:
            self.moved[text] = found
        return found

    def as_written(self, text: str) -> Path:
        """The path as it was meant, though nothing is there."""
        expanded = Path(_expanded(text))
        return expanded if expanded.is_absolute() else absolute((self.starts or (self.project,))[0] / expanded)

    def _direct(self, text: str) -> Iterator[Path]:
        path = Path(text)
        if path.is_absolute():
            yield path
            for there, here in self.mounts:
                if path.is_relative_to(there):
                    yield self.project / Path(here).expanduser() / path.relative_to(there)
        else:
            yield from (start / path for start in (*self.starts, self.project))

    def _by_what_is_known(self, text: str) -> Path | None:
        """Something that was found elsewhere says where the rest of its folder is."""
        for old, new in self.moved.items():
            before, after = _without_common_end(PurePosixPath(_expanded(old)), PurePosixPath(new))
            path = PurePosixPath(text)
            if before.parts and path.is_relative_to(before):
                candidate = Path(after) / path.relative_to(before)
                if exists(candidate):
                    return absolute(candidate)
        return None

    def _by_tail(self, path: PurePosixPath) -> Path | None:
        """The longest end of the path that is under the project, then above it, then in one of its folders."""
        parts = [part for part in path.parts if part not in ("/", "..")]
        above = [*self.project.parents][:_ABOVE]
        for length in range(len(parts), 0, -1):
            tail = Path(*parts[-length:])
            # A name alone may mean anything outside of the project.
            bases: Iterable[Path] = (self.project, *above) if length > 1 else (self.project,)
            for base in bases:
                if exists(base / tail):
                    return absolute(base / tail)
        found = [folder / parts[-1] for folder in folders(self.project) if parts and exists(folder / parts[-1])]
        return absolute(found[0]) if len(found) == 1 else None

    def told(self) -> list[str]:
        """What was found elsewhere: the folders up to where both paths are the same, a line each."""
        lines = []
        for old, new in self.moved.items():
            before, after = _without_common_end(PurePosixPath(_expanded(old)), PurePosixPath(new))
            if before == PurePosixPath(".") or not before.parts:
                before, after = PurePosixPath(old), PurePosixPath(new)
            lines.append(f"{before} is {shown(Path(after))} here")
        return list(dict.fromkeys(lines))


def exists(path: Path) -> bool:
    """Whether something is there; False for every name that can't be."""
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def absolute(path: Path) -> Path:
    """Absolute, without `.` and `..`."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - resolve() would follow the links that users name folders by


def relative(path: Path, root: Path) -> str:
    """A path for the workspace file: relative when it lies below its folder, else absolute.

    Raises:
        ConfigError: its name is not UTF-8, which a workspace file has to be.
    """
    text = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    if any("\ud800" <= char <= "\udfff" for char in text):
        raise ConfigError(f"{shown(path)}: the name is not UTF-8 and can't be written into a workspace file; rename it")
    return text


def folders(parent: Path) -> list[Path]:
    """Its visible folders, sorted."""
    try:
        with os.scandir(parent) as entries:
            names = [entry.name for entry in entries if not entry.name.startswith(".") and entry.is_dir()]
    except (OSError, ValueError):
        return []
    return [parent / name for name in sorted(names)[:_MOST_FOLDERS]]


def free_name(root: Path, names: Sequence[str]) -> str:
    """The first of the names that nothing has yet; the last one numbered when all are taken."""
    for name in names:
        if not exists(root / name):
            return name
    number = 2
    while exists(root / f"{names[-1]}-{number}"):
        number += 1
    return f"{names[-1]}-{number}"


def _expanded(text: str) -> str:
    if not text.startswith("~"):
        return text
    try:
        return str(Path(text).expanduser())
    except RuntimeError:  # `~someone` who is not known here
        return text


def _without_common_end(old: PurePosixPath, new: PurePosixPath) -> tuple[PurePosixPath, PurePosixPath]:
    """Both paths up to where their ends begin to be the same."""
    while old.name and old.name == new.name:
        old, new = old.parent, new.parent
    return old, new
