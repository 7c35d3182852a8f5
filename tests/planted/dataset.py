"""A dataset of real clips that defects are planted into, with the line on which each must be found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

Samples = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Source:
    """Clips as they are before anything is planted."""

    rows: tuple[tuple[str, str], ...]
    """File and text."""
    audio: Path
    rate: int
    """Hz, of all recordings."""

    @classmethod
    def read(cls, metadata: Path, audio: Path) -> Source:
        """Read a table of two columns and look at the first recording."""
        lines = metadata.read_text("utf-8").splitlines()
        rows = tuple((line.split("|")[0], line.split("|")[-1]) for line in lines)
        return cls(rows, audio, int(soundfile.info(audio / rows[0][0]).samplerate))


@dataclass
class Line:
    """One line of the table."""

    file: str
    text: str
    raw: bytes | None = None
    """The whole line, where it is no row."""

    def as_bytes(self) -> bytes:
        """As it is written, without its end."""
        return f"{self.file}|{self.text}".encode() if self.raw is None else self.raw


@dataclass
class Planted:
    """A copy of some clips, to plant in."""

    folder: Path
    source: Source
    lines: list[Line]
    chance: np.random.Generator
    head: bytes = b""
    end: bytes = b"\n"
    settings: str = ""
    free: list[Line] = field(default_factory=list)
    """Lines that nothing was planted on."""

    @classmethod
    def copy(cls, source: Source, folder: Path, *, clips: int | None = None, seed: int = 1) -> Planted:
        """Copy the first clips as 16-bit WAVs; those that are WAVs already are hard links."""
        (folder / "wavs").mkdir(parents=True)
        lines = []
        for file, text in source.rows[:clips]:
            path = folder / "wavs" / Path(file).with_suffix(".wav").name
            if file.endswith(".wav"):
                path.hardlink_to(source.audio / file)
            else:
                samples, rate = soundfile.read(source.audio / file)
                soundfile.write(path, samples, rate, subtype="PCM_16")
            lines.append(Line(path.name, text))
        planted = cls(folder, source, lines, np.random.default_rng(seed))
        planted.free = list(lines)
        return planted

    def take(self, suits: Callable[[Line], bool] = lambda _: True) -> Line:
        """A line that nothing was planted on and that suits, by chance; it is no longer free."""
        suitable = [line for line in self.free if suits(line)]
        if not suitable:
            raise LookupError("no clip is left that this could be planted in")
        line = suitable[int(self.chance.integers(len(suitable)))]
        self.free.remove(line)
        return line

    def path(self, line: Line) -> Path:
        """Of a line's recording."""
        return self.folder / "wavs" / line.file

    def samples(self, line: Line) -> Samples:
        """Of a line's recording, mono."""
        samples: Samples = soundfile.read(self.path(line))[0]
        return samples

    def write(self, line: Line, samples: Samples, rate: int | None = None, **how: Any) -> None:
        """Put other samples in the place of a recording."""
        path = self.path(line)
        path.unlink(missing_ok=True)  # the source's file must not change through the hard link
        soundfile.write(path, samples, rate or self.source.rate, **{"format": "WAV", "subtype": "PCM_16", **how})

    def put(self, line: Line, data: bytes) -> None:
        """Put other bytes in the place of a recording."""
        path = self.path(line)
        path.unlink(missing_ok=True)
        path.write_bytes(data)

    def change(self, line: Line, changed: Callable[[Samples, int, np.random.Generator], Samples]) -> None:
        """Replace a recording by what a function makes of it."""
        self.write(line, changed(self.samples(line), self.source.rate, self.chance))

    def insert(self, line: Line, after: Line | None = None) -> Line:
        """Add a line to the table, at its begin or after another one."""
        self.lines.insert(0 if after is None else self.lines.index(after) + 1, line)
        return line

    def number(self, line: Line) -> int:
        """1-based number of a line."""
        return next(at for at, other in enumerate(self.lines, 1) if other is line)

    def finish(self, *, cache: Path | None = None, language: str = "ru") -> Path:
        """Write table and settings; the folder to scan."""
        table = self.head + self.end.join(line.as_bytes() for line in self.lines) + self.end
        (self.folder / "metadata.csv").write_bytes(table)
        settings = (
            f'[voice]\nname = "planted"\nlanguage = "{language}"\n[audio]\nsample_rate = {self.source.rate}\n'
            f'[training]\nbatch_size = 4\n[paths]\ncache = "{cache or "cache"}"\n{self.settings}'
        )
        (self.folder / "workbench.toml").write_text(settings, "utf-8")
        return self.folder


@dataclass(frozen=True)
class Plant:
    """One way to damage a dataset."""

    name: str
    kinds: frozenset[str]
    """Names of findings that tell it; one is enough."""
    do: Callable[[Planted], Line]
    """Plants once; gives the line that it must be found on."""
    whole: bool = False
    """Whether it is told of the dataset as a whole."""

    def is_found_in(self, findings: Sequence[dict[str, Any]], planted: Planted, line: Line) -> bool:
        """Whether a finding of the right kind is on the right line, or names it among others."""
        return any(
            item["rule"] in self.kinds and (self.whole or planted.number(line) in lines_of(item)) for item in findings
        )


def lines_of(finding: dict[str, Any]) -> set[int]:
    """The lines that a finding speaks of: that of its subject, or those that its evidence lists."""
    number = finding["subject"].rpartition(":")[2]
    if number.isdecimal():
        return {int(number)}
    lines: set[int] = set()
    for part in str(finding["evidence"].get("lines", "")).split():
        begin, _, end = part.replace("=", "-").partition("-")
        lines |= {int(begin), int(end or begin)} if "=" in part else set(range(int(begin), int(end or begin) + 1))
    return lines
