"""What was found last, in the workspace's cache folder, so that a viewer shows it without hearing or asking again.

A clip's result holds as long as its line, its text and its recording are the ones that were judged; of a clip that has
changed nothing is said until it is judged anew. Only a convenience: a file that can't be read counts as absent.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core_vits.file_stamp import Stamp, is_settled, stamp_of
from workbench.api import Finding, Severity
from workbench.mismatch import kinds

HEARD, ASKED = "heard", "asked"
"""By a recogniser that heard the recordings; by a voice that was asked."""
_FOLDER = "mismatch"
_FORMAT = 1
_LINES = ("first_line", "last_line", "best_line")
"""Evidence that names other lines of the table."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """One clip, and what it was when it was judged."""

    row: int
    """1-based line of the metadata file."""
    file: str
    text: str
    stamp: Stamp | None
    """Of the recording; None where it can't be told from a later one."""
    suspicion: float | None
    """How far it is from its text; only the order counts. None where it was not judged."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """One row as it is now."""

    row: int
    file: str
    text: str
    stamp: Stamp | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """What one judge found."""

    by: str
    """Recogniser with its version, or checkpoint with its run."""
    time: float
    """Unix seconds."""
    findings: Sequence[Mapping[str, Any]]
    """`Finding.as_json`."""
    clips: Mapping[int, tuple[str, str, Stamp | None, float | None]]
    """File, digest of the text, stamp and suspicion of each line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Current:
    """What still holds of it."""

    findings: Sequence[Mapping[str, Any]]
    suspicion: Mapping[int, float]
    """Of each line that was judged and is as it was."""
    clips: int
    """Rows that are as they were, judged or not."""
    changed: int
    """Rows that are new or have changed."""
    outdated: int
    """Findings that no longer hold, though a row of theirs is still there to be judged."""


def stamp_before(path: Path | None, read: float) -> Stamp | None:
    """A recording's stamp, if it was left alone when it was read.

    Args:
        path: of the recording; None where there is none.
        read: when the reading began, Unix seconds.
    """
    try:
        stamp = stamp_of(path.stat()) if path is not None else None
    except OSError:
        return None
    return stamp if stamp is not None and is_settled(stamp, int(read * 1e9)) else None


def keep(
    cache: Path, kind: str, by: str, findings: Sequence[Mapping[str, Any]], clips: Iterable[Judged], *, read: float
) -> None:
    """Keep what was found in the place of what the same kind of judge found before.

    Args:
        cache: the workspace's cache folder.
        kind: `HEARD` or `ASKED`.
        by: see `Kept`.
        findings: `Finding.as_json`.
        clips: that were looked at, judged or not.
        read: when the recordings were read, Unix seconds.
    """
    lines = {
        str(clip.row): [clip.file, _digest(clip.text), clip.stamp, _finite(clip.suspicion)] for clip in clips
    }  # fmt: skip
    content = {"format": _FORMAT, "by": by, "time": read, "findings": [*findings], "clips": lines}
    file = _file(cache, kind)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.{threading.get_ident()}")
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
        temporary.replace(file)


def read_kept(cache: Path, kind: str) -> Kept | None:
    """What was found last; None where nothing was, or it can't be read."""
    try:
        content = json.loads(_file(cache, kind).read_text("utf-8"))
        if content["format"] != _FORMAT:
            return None
        return Kept(
            by=str(content["by"]),
            time=float(content["time"]),
            findings=[_finding(finding) for finding in content["findings"]],
            clips={int(row): _clip(*values) for row, values in content["clips"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def current(kind: str, kept: Kept, utterances: Iterable[Utterance], table: str) -> Current:
    """What still holds, with a note on how many rows are to be judged anew.

    Args:
        kind: see `keep`.
        kept: what was found.
        utterances: rows that would be judged now.
        table: name of the metadata file.
    """
    same: dict[int, float | None] = {}
    there: set[int] = set()
    changed = 0
    for item in utterances:
        there.add(item.row)
        file, digest, stamp, suspicion = kept.clips.get(item.row, ("", "", None, None))
        if stamp is not None and (file, digest, stamp) == (item.file, _digest(item.text), item.stamp):
            same[item.row] = suspicion
        elif item.stamp is not None:
            changed += 1
    findings = [finding for finding in kept.findings if lines_of(finding) <= set(same)] if same else []
    outdated = sum(bool(lines & there) and not lines <= set(same) for lines in map(lines_of, kept.findings))
    if changed:
        findings.append(_changed(kind, kept, changed, table))
    return Current(
        findings=findings,
        suspicion={row: value for row, value in same.items() if value is not None},
        clips=len(same),
        changed=changed,
        outdated=outdated,
    )


def lines_of(finding: Mapping[str, Any]) -> set[int]:
    """Lines of the table that must be as they were for a finding to hold; none where it speaks of the whole."""
    digits = str(finding.get("subject", "")).rpartition(":")[2]
    evidence = finding.get("evidence")
    found = [evidence[name] for name in _LINES if name in evidence] if isinstance(evidence, Mapping) else []
    return {int(line) for line in (*([digits] if digits.isdecimal() else ()), *found) if str(line).isdecimal()}


def _changed(kind: str, kept: Kept, changed: int, table: str) -> Mapping[str, Any]:
    then = time.strftime("%Y-%m-%d %H:%M", time.localtime(kept.time))
    rows = "1 row is" if changed == 1 else f"{changed} rows are"
    if kind == HEARD:
        message = f"{rows} new or changed since {kept.by} listened ({then}). {kinds.CHANGED.fix}"
    else:
        message = f"{rows} not among the clips that {kept.by} was asked about ({then}), or changed since the run began."
        message += " Ask a checkpoint of a run that was prepared with them."
    rule, severity = kinds.CHANGED.name, kinds.CHANGED.severity
    return Finding(
        rule=rule, severity=severity, subject=table, message=message, evidence={"clips": changed}
    ).as_json()  # fmt: skip


def _file(cache: Path, kind: str) -> Path:
    return cache / _FOLDER / f"{kind}.json"


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _finite(value: float | None) -> float | None:
    return round(value, 4) if value is not None and math.isfinite(value) else None


def _finding(found: Mapping[str, Any]) -> dict[str, Any]:
    severity, evidence = Severity(found["severity"]), dict(found["evidence"])
    named = {name: str(found[name]) for name in ("rule", "subject", "message")}
    return {**found, **named, "severity": str(severity), "evidence": evidence}


def _clip(file: str, digest: str, stamp: Any, suspicion: Any) -> tuple[str, str, Stamp | None, float | None]:
    known = None if stamp is None else tuple(map(int, stamp))
    if known is not None and len(known) != 4:
        raise ValueError("a stamp has four numbers")
    return str(file), str(digest), known, None if suspicion is None else float(suspicion)
