"""Piper's own caches beside a dataset: what in them is not what the table and the recordings say today.

Sizes and times tell of every entry; a few are opened to be sure. The workbench itself never uses these caches.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy.typing as npt

from core_vits.errors import CheckpointFileError
from core_vits.manifest import Row
from workbench.api import Finding, RuleKind, Severity, Utterance, ranges
from workbench.config import HOP_LENGTH, Workspace, shown
from workbench.config.settings import PHONEME_IDS
from workbench.scan.cached_sound import LONGEST_SECONDS, find_sound
from workbench.scan.named_caches import named_caches
from workbench.scan.piper_cache import (
    AUDIO,
    BINS,
    IDS,
    PHONEMES,
    SPECTRUM,
    TEXT,
    Cache,
    CacheEntry,
    cache_folders,
    read_cache,
)  # fmt: skip
from workbench.scan.tensor_file import is_whole, read_tensor
from workbench.workers.targets.frontend import FrontEnd
from workbench.workers.targets.health_kinds import CACHE

_KINDS = {kind.name: kind for kind in CACHE}
# So many entries are opened of a cache: ends of files, phonemes, sounds. Together some tenths of a second.
_ENDS, _TEXTS, _SOUNDS = 300, 64, 12
_MOST_TEXTS_READ = 10_000
_LARGEST_TEXT = 100_000
# Sizes tell lengths to some dozens of samples; trimming leaves at least this share of what is louder than the noise.
_SLACK, _LEAST_LEFT = 400, 0.75
_SECONDS_LATER = 2.0
_LONG_SILENCE = 1.0
"""Seconds of silence that trimming would have cut."""


@dataclass(frozen=True, slots=True)
class _Clip:
    """A row with what was measured of it, and its entry."""

    line: int
    path: Path
    text: str
    seconds: float
    loud: float
    """Seconds without the silence at both ends."""
    entry: CacheEntry


class PiperCaches:
    """Collects what a scan learns of the rows, and judges the caches at the end. Costs nothing where there are none."""

    def __init__(self, workspace: Workspace, rows: Sequence[Row]) -> None:
        """
        Args:
            workspace: whose dataset it is.
            rows: of the table as it is written; Piper knows nothing of excluded rows and corrected texts.
        """
        self._workspace = workspace
        own = workspace.cache.absolute()
        folders = cache_folders(workspace.root, workspace, _named(workspace))
        self._rows = rows
        caches = [read_cache(folder, self._rows, alien=folder != own) for folder in folders]
        self._caches = [cache for cache in caches if cache.entries]
        self._texts = {row.line: row.text for row in rows} if self._caches else {}
        self._entries = [cache.of_lines() for cache in self._caches]
        self._clips: list[list[_Clip]] = [[] for _ in self._caches]

    def add(self, utterance: Utterance) -> None:
        """Take what was measured of a row."""
        measures = utterance.measures
        if measures is None or utterance.path is None:
            return
        silence = max(0.0, measures.leading_silence) + max(0.0, measures.trailing_silence)
        for entries, clips in zip(self._entries, self._clips, strict=True):
            if entry := entries.get(utterance.row):
                loud = max(0.0, measures.seconds - silence)
                text = self._texts[utterance.row]
                clip = _Clip(utterance.row, utterance.path, text, measures.seconds, loud, entry)
                clips.append(clip)

    def findings(self, front: FrontEnd | None) -> Iterator[Finding]:
        """What is wrong with each cache.

        Args:
            front: gives the phonemes of today; without one they are not compared.
        """
        for cache, clips in zip(self._caches, self._clips, strict=True):
            yield from _Judge(self._workspace, self._rows, cache, clips).findings(front)


class _Judge:
    """Looks at one cache."""

    def __init__(self, workspace: Workspace, rows: Sequence[Row], cache: Cache, clips: Sequence[_Clip]) -> None:
        self._workspace = workspace
        self._rate = workspace.audio.sample_rate
        self._rows = rows
        self._cache = cache
        self._clips = clips
        self._damaged: dict[int | None, str] = {}
        """Line and file of what can't be read."""

    def findings(self, front: FrontEnd | None) -> Iterator[Finding]:
        yield from self._stale()
        yield from self._gaps()
        yield from self._shapes()
        yield from self._sounds()
        yield from self._texts()
        if front is not None and self._workspace.dataset.type != PHONEME_IDS:
            yield from self._phonemes(front)
        self._look_at_ends()
        if self._damaged:
            lines = ranges(line for line in self._damaged if line is not None)
            example = next(iter(self._damaged.values()))
            what = f"{len(self._damaged)} entries have files that are cut off or no tensors ('{example}')"
            yield self._finding("cache.damaged", what, entries=len(self._damaged), lines=lines, example=example)

    # --- by names and sizes ------------------------------------------------------------------------------------------

    def _stale(self) -> Iterator[Finding]:
        stale = [entry for entry in self._cache.entries if entry.line is None]
        if not stale:
            return
        moved = self._cache.moved(self._rows)
        generations = round(len(self._cache.entries) / max(1, len(self._rows)), 1)
        days = _days(stale)
        what = (
            f"{len(stale)} of {len(self._cache.entries)} entries ({self._cache.stale_bytes / 1e9:.2f} GB, of {days}) "
            "belong to no row of today's table"
            + (f"; {moved} hold texts that stand on other lines now: rows were put in or taken out" if moved else "")
        )
        severity = Severity.WARNS if 2 * len(stale) >= len(self._rows) else Severity.INFO
        yield self._finding(
            "cache.stale", what, severity, entries=len(stale), of=len(self._cache.entries), moved=moved,
            bytes=self._cache.stale_bytes, generations=generations, days=days,
        )  # fmt: skip

    def _gaps(self) -> Iterator[Finding]:
        """Rows that Piper would prepare at its next start, beside entries of another day."""
        here = self._cache.of_lines()
        wanted = {TEXT, PHONEMES, IDS, AUDIO, SPECTRUM}
        partly = {line for line, entry in here.items() if wanted - set(entry.files)}
        absent = {row.line for row in self._rows} - set(here)
        if here and (partly or absent):
            what = f"{len(absent)} of {len(self._rows)} rows have no entry, and {len(partly)} entries lack files"
            lines = ranges([*absent, *partly])
            yield self._finding("cache.incomplete", what, absent=len(absent), partly=len(partly), lines=lines)

    def _shapes(self) -> Iterator[Finding]:
        """Spectrograms of another hop or window than the voice's: by sizes, and those that differ by their shapes."""
        odd = []
        for clip in self._clips:
            entry = clip.entry
            if entry.samples and entry.spectrum:
                wanted = BINS * (entry.samples // HOP_LENGTH)
                if abs(entry.spectrum - wanted) > BINS + 0.01 * wanted:
                    odd.append(clip)
        real: dict[tuple[int, int], int] = {}
        confirmed = []
        for clip in _some(odd, _SOUNDS):
            audio, spectrum = self._tensor(clip, AUDIO), self._tensor(clip, SPECTRUM)
            if audio is None or spectrum is None or spectrum.ndim != 2:
                continue
            bins, frames = spectrum.shape
            if bins != BINS or abs(frames - len(audio) // HOP_LENGTH) > 1:
                hop = round(len(audio) / max(frames, 1))
                real[bins, hop] = real.get((bins, hop), 0) + 1
                confirmed.append(clip)
        if confirmed:
            (bins, hop), _ = max(real.items(), key=lambda item: item[1])
            lines = ranges([clip.line for clip in odd])
            what = (
                f"{len(odd)} of {len(self._clips)} entries have spectrograms of {bins} bins and a hop of about {hop} "
                f"samples, the voice's have {BINS} and {HOP_LENGTH}"
            )
            yield self._finding(
                "cache.hop", what, entries=len(odd), of=len(self._clips), bins=bins, hop=hop, lines=lines
            )

    # --- by content --------------------------------------------------------------------------------------------------

    def _sounds(self) -> Iterator[Finding]:
        """Audio of another rate, of another recording, or with the silence that is to be cut."""
        doubtful = [clip for clip in self._clips if self._is_doubtful(clip)]
        certain = {clip.line for clip in doubtful}
        others = [clip for clip in self._clips if clip.line not in certain]
        rates: dict[int, int] = {}
        for clip in (*_some(doubtful, _SOUNDS - 4), *_some(others, 4)):
            if clip.seconds <= LONGEST_SECONDS and (rate := self._rate_of(clip)) is not None:
                rates[clip.line] = rate
        yield from self._rates(doubtful, rates)
        changed = [line for line, rate in rates.items() if not rate]
        if changed:
            newer = sum(self._is_newer(clip) for clip in self._clips)
            what = (
                f"of {len(rates)} entries that were compared, {len(changed)} hold another sound than the recording "
                f"(line {min(changed)}); {newer} recordings were written after their entry"
            )
            yield self._finding(
                "cache.sound", what, compared=len(rates), differ=len(changed), newer=newer, lines=ranges(changed)
            )
        yield from self._untrimmed({line for line, rate in rates.items() if rate != self._rate})

    def _rates(self, doubtful: Sequence[_Clip], rates: dict[int, int]) -> Iterator[Finding]:
        found: dict[int, list[int]] = {}
        for line, rate in rates.items():
            if rate not in (0, self._rate):
                found.setdefault(rate, []).append(line)
        for rate, compared in sorted(found.items()):
            fit = [clip.line for clip in doubtful if self._fits(clip, rate)]
            lines = sorted({*fit, *compared})
            what = (
                f"{len(lines)} of {len(self._clips)} entries hold audio at {rate} Hz, the voice has {self._rate} Hz "
                f"({len(compared)} were compared with their recordings, the others have such a length)"
            )
            yield self._finding(
                "cache.rate", what, entries=len(lines), of=len(self._clips), rate=rate, wanted=self._rate,
                compared=len(compared), lines=ranges(lines),
            )  # fmt: skip

    def _untrimmed(self, strange: set[int]) -> Iterator[Finding]:
        audio = self._workspace.audio
        keep = audio.keep_seconds_before + audio.keep_seconds_after
        long = [
            clip
            for clip in self._clips
            if clip.line not in strange and clip.entry.samples and clip.seconds - clip.loud - keep > _LONG_SILENCE
        ]
        whole = [clip.line for clip in long if clip.entry.samples >= clip.seconds * self._rate - _SLACK]
        if audio.trim_silence and len(whole) > len(long) / 2:
            what = f"of {len(long)} entries of recordings with long silence, {len(whole)} hold all of it"
            yield self._finding("cache.trim", what, entries=len(whole), of=len(long), lines=ranges(whole))

    def _is_doubtful(self, clip: _Clip) -> bool:
        return bool(clip.entry.samples) and (not self._fits(clip, self._rate) or self._is_newer(clip))

    def _fits(self, clip: _Clip, rate: int) -> bool:
        """Whether an entry's length can be that of the recording at a rate, trimmed or not."""
        least = _LEAST_LEFT * clip.loud * rate - _SLACK
        return least <= clip.entry.samples <= clip.seconds * rate + _SLACK

    def _is_newer(self, clip: _Clip) -> bool:
        """Whether the recording was written after its entry."""
        try:
            return clip.path.stat().st_mtime > clip.entry.files[AUDIO].modified + _SECONDS_LATER
        except (OSError, KeyError):
            return False

    def _rate_of(self, clip: _Clip) -> int | None:
        """See `find_sound`."""
        audio = self._tensor(clip, AUDIO)
        if audio is None or audio.ndim != 1:
            return None
        return find_sound(audio.astype("float32"), clip.path, self._rate)

    def _texts(self) -> Iterator[Finding]:
        """Texts that were changed behind what the entry's name tells of them."""
        cut = [clip for clip in self._clips if clip.entry.is_cut and TEXT in clip.entry.files]
        changed = []
        for clip in cut[:_MOST_TEXTS_READ]:
            size = len(clip.text.encode())
            # Piper writes the text as it is; a final line end is nobody's change.
            if abs(clip.entry.files[TEXT].bytes - size) > 2 or _read_text(clip.entry, TEXT) != clip.text.strip():
                changed.append(clip.line)
        if changed:
            what = f"{len(changed)} texts were changed behind what their entries are called by"
            yield self._finding("cache.text", what, entries=len(changed), lines=ranges(changed))

    def _phonemes(self, front: FrontEnd) -> Iterator[Finding]:
        compared = [clip for clip in _some(self._clips, _TEXTS) if PHONEMES in clip.entry.files]
        rows = {row.line: row for row in self._rows}
        differ = []
        example = ""
        for clip, spoken in zip(compared, front.read([rows[clip.line] for clip in compared]), strict=True):
            then = (_read_text(clip.entry, PHONEMES) or "").split("\n")
            now = ["".join(sentence).strip() for sentence in spoken.sentences]
            if spoken.sentences and then != [""] and [line.strip() for line in then] != now:
                differ.append(clip.line)
                example = example or f"'{' '.join(then)[:60]}' there, '{' '.join(now)[:60]}' here"
        if differ:
            what = f"of {len(compared)} entries that were compared, {len(differ)} have other phonemes ({example})"
            yield self._finding(
                "cache.phonemes", what, compared=len(compared), differ=len(differ), lines=ranges(differ)
            )

    def _look_at_ends(self) -> None:
        """Find files that were cut off: empty ones by their size, of others some."""
        kinds = (IDS, AUDIO, SPECTRUM)
        files = [(entry, kind) for entry in self._cache.entries for kind in kinds if kind in entry.files]
        empty = [(entry, kind) for entry, kind in files if not entry.files[kind].bytes]
        for entry, kind in (*empty, *_some(files, _ENDS)):
            if not is_whole(entry.path(kind)):
                self._damaged.setdefault(entry.line, entry.path(kind).name)

    def _tensor(self, clip: _Clip, kind: str) -> npt.NDArray[Any] | None:
        try:
            return read_tensor(clip.entry.path(kind))
        except CheckpointFileError:
            self._damaged.setdefault(clip.line, clip.entry.path(kind).name)
            return None

    def _finding(
        self, rule: str, what: str, severity: Severity | None = None, **evidence: str | int | float
    ) -> Finding:
        kind: RuleKind = _KINDS[rule]
        return Finding(
            rule=rule,
            severity=severity or kind.severity,
            subject=shown(self._cache.folder),
            message=f"{what}. {kind.effect} {kind.fix}",
            evidence=evidence,
        )


def _named(workspace: Workspace) -> list[Path]:
    """Caches that scripts, runs and the workspace file name; without such a file only those inside of the dataset.

    A script in a folder that was only pointed at is nobody's word for opening what lies elsewhere.
    """
    named = named_caches(workspace.root, workspace)
    if workspace.file.exists():
        return named
    inside = [Path(os.path.realpath(place)) for place in (workspace.root, workspace.metadata.parent)]
    return [place for place in named if any(Path(os.path.realpath(place)).is_relative_to(own) for own in inside)]


Item = TypeVar("Item")


def _some(items: Sequence[Item], most: int) -> Sequence[Item]:
    """As many, spread over all of them; always the same ones."""
    return items if len(items) <= most else [items[at * len(items) // most] for at in range(most)]


def _days(entries: Sequence[CacheEntry]) -> str:
    """The days on which entries were written: `2026-01-05`, or the first and the last."""
    moments = [file.modified for entry in entries for file in entry.files.values()]
    first, last = (time.strftime("%Y-%m-%d", time.localtime(moment)) for moment in (min(moments), max(moments)))
    return first if first == last else f"{first} to {last}"


def _read_text(entry: CacheEntry, kind: str) -> str | None:
    """A text of an entry without a final line end; None when it can't be read."""
    try:
        with entry.path(kind).open("rb") as file:
            return file.read(_LARGEST_TEXT).decode("utf-8").strip()
    except (OSError, ValueError):
        return None
