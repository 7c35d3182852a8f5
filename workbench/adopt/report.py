"""Tell an adoption: as plain lines, as data, and as comments in the workspace file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import tomli_w

from workbench.adopt.adoption import Adoption
from workbench.adopt.data_rules import size_told
from workbench.adopt.mapper import Mapped
from workbench.adopt.project import version_of
from workbench.adopt.script import FIT, LEGACY
from workbench.adopt.values import short
from workbench.config import TABLES, shown, workspace_to_toml

_PROGRAMS = {FIT: "piper.train fit", LEGACY: "piper_train"}
_LONGEST_GIVEN = 32


def toml(adoption: Adoption) -> str:
    """The workspace file: every setting with its meaning, and the option that it comes from."""
    notes = {
        item.setting: f"Piper: {item.flag}"
        + (f" {item.given}" if item.given else "")
        + (f" ({item.note})" if item.note else "")
        for item in adoption.mapped
        if item.flag and item.given != "(default)"
    }
    head = [
        f"Taken over from a Piper project by `workbench adopt`: {Path(adoption.source.name).name}.",
        "Nothing of that project was changed. The manual's page `piper` says what becomes of each option.",
    ]
    return workspace_to_toml(adoption.workspace, head=head, notes=notes)


def lines(adoption: Adoption) -> Iterator[str]:
    """What was read, what became of it, what has no effect, and what to look at."""
    # A line of ours is one line, whatever stands in a script between two quotes.
    return (re.sub(r"[\r\n]+", " ", line) for line in _lines(adoption))


def _lines(adoption: Adoption) -> Iterator[str]:
    yield from _read(adoption)
    yield ""
    yield "what becomes of it"
    order = {f"{table}.{key}": number for number, (table, key) in enumerate(_all_settings())}
    told = sorted((item for item in adoption.mapped if _worth_telling(item)), key=lambda item: order[item.setting])
    heads = [_option(item) for item in told]
    width = max((len(head) for head in heads), default=0)
    for item, head in zip(told, heads, strict=True):
        note = f"   ({item.note})" if item.note else ""
        yield f"  {head.ljust(width)}  {_setting(item)}{note}"
    if adoption.ignored:
        yield ""
        yield "no effect here"
        yield from (f"  {_given(item.flag, item.given)}: {item.reason}" for item in adoption.ignored)
    if adoption.unknown:
        yield ""
        yield "not an option of Piper"
        yield from (
            f"  {given.place}: {_given(given.flag, given.shown)}{f' ({hint}?)' if hint else ''}"
            for given, hint in adoption.unknown
        )
    if adoption.checks:
        yield ""
        yield "look at"
        yield from (f"  - {line}" for line in adoption.checks)


def _all_settings() -> list[tuple[str, str]]:
    return [(table, key) for table, settings in TABLES.items() for key in settings.__dataclass_fields__]


def _read(adoption: Adoption) -> Iterator[str]:
    source = adoption.source
    program = _PROGRAMS.get(source.options.program, source.options.program)
    yield f"read {source.name}: {program}, {len(source.options.given)} options"
    overlays = [f"with the options in {shown(path)}" for path in source.options.overlays]
    for line in (*overlays, *source.notes, *source.places.told()):
        yield f"  {line}"
    clips = adoption.clips
    if clips is not None and clips.rows:
        there = (
            "all with a recording"
            if clips.with_recording >= clips.rows
            else f"{clips.with_recording:,} with a recording"
        )
        hours = "" if clips.seconds is None else f", about {clips.seconds / 3600:.1f} hours"
        yield f"dataset: {clips.rows:,} rows, {there} ({clips.recordings:,} files, {size_told(clips.size)}{hours})"
    if adoption.logs is not None:
        yield f"Piper's runs: {adoption.versions} in {shown(adoption.logs)}"
    yield from _checkpoint(adoption)
    if adoption.start.voices:
        names = [voice.path.name for voice in adoption.start.voices]
        yield f"voices: {', '.join(names[:6])}{' …' if len(names) > 6 else ''}"
    cache = adoption.cache
    ours = f"ours will be {cache['ours']}" + (
        f", at most {size_told(cache['ours_bytes'])}" if cache["ours_bytes"] else ""
    )
    if cache["piper"] is None:
        yield f"cache: {ours}"
    else:
        yield f"cache: Piper's {cache['piper']} ({size_told(cache['piper_bytes'])}) is left alone; {ours}"


def _checkpoint(adoption: Adoption) -> Iterator[str]:
    start = adoption.start
    if start.checkpoint is None:
        yield "checkpoint: none, training begins from scratch"
        return
    number = version_of(start.checkpoint)
    where = [f"of version_{number}"] if number is not None else []
    by = [f"written by {start.generation}"] if start.generation else []
    found = len(start.checkpoints)
    others = [f"{found} checkpoints were found"] if found > 1 else []
    facts = ", ".join([f"mode {start.mode}", *where, *by, *others])
    yield f"checkpoint: {shown(start.checkpoint)} ({facts})"
    if start.verdict is not None:
        yield from (f"  {sentence}" for sentence in re.split(r"(?<=\.) (?=[A-Z])", start.verdict.message))


def _worth_telling(item: Mapped) -> bool:
    """Whether the user gave it, or would wonder about it."""
    table, _, key = item.setting.partition(".")
    default = TABLES[table].__dataclass_fields__[key].default
    # The mode follows from the option that names the checkpoint.
    return (item.written and item.setting != "start.mode") or item.value != default


def _option(item: Mapped) -> str:
    if not item.flag:
        return "-"
    return f"{item.flag} (default)" if item.given == "(default)" else _given(item.flag, item.given)


def _given(flag: str, value: str) -> str:
    flag = short(flag)
    return f"{flag} {value}".rstrip() if len(value) <= _LONGEST_GIVEN else f"{flag} …{value[-_LONGEST_GIVEN + 1 :]}"


def _setting(item: Mapped) -> str:
    table, _, key = item.setting.partition(".")
    plain = [list(value) for value in item.value] if isinstance(item.value, tuple) else item.value
    return f"[{table}] {' '.join(tomli_w.dumps({key: plain}).split())}"


def as_json(adoption: Adoption, *, written: Path | None) -> dict[str, Any]:
    """All of it as plain values."""
    start, clips = adoption.start, adoption.clips
    verdict = start.verdict
    return {
        "file": str(adoption.workspace.file),
        "written": written is not None,
        "read": {
            "kind": adoption.source.kind,
            "name": adoption.source.name,
            "program": _PROGRAMS.get(adoption.source.options.program, ""),
            "overlays": [str(path) for path in adoption.source.options.overlays],
            "notes": list(adoption.source.notes),
        },
        "settings": [asdict(item) for item in adoption.mapped],
        "no_effect": [asdict(item) for item in adoption.ignored],
        "unknown": [
            {"flag": given.flag, "given": given.shown, "place": given.place, "hint": hint}
            for given, hint in adoption.unknown
        ],
        "look_at": list(adoption.checks),
        "moved": {old: str(new) for old, new in adoption.moved.items()},
        "clips": None
        if clips is None
        else {key: value for key, value in asdict(clips).items() if key != "first_texts"},
        "checkpoint": None
        if start.checkpoint is None
        else {
            "file": str(start.checkpoint),
            "mode": start.mode,
            "version": version_of(start.checkpoint),
            "written_by": start.generation,
            "fits": None if verdict is None else list(verdict.fits),
            "batches_per_epoch": None if verdict is None else verdict.batches,
            "message": "" if verdict is None else verdict.message,
        },
        "checkpoints": [{"file": str(file.path), "bytes": file.size} for file in start.checkpoints],
        "voices": [{"file": str(voice.path), "epoch": voice.epoch} for voice in start.voices],
        "piper_runs": None if adoption.logs is None else str(adoption.logs),
        "cache": dict(adoption.cache),
    }
