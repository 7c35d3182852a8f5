"""Findings from a judgement, in the words of the table that the user wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.api import Finding, RuleKind
from workbench.mismatch import kinds
from workbench.mismatch.judgement import FEWEST_SOUNDS, Judged, Judgement, Verdict

_SHOWN_PHONES = 80
_SHOWN_TEXT = 50


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One row as the findings name it."""

    row: int
    """1-based line of the metadata file."""
    file: str
    text: str
    heard: str
    """Phones that were heard, in IPA."""
    expected: str
    """Phones of the text, in IPA."""


def findings_of(judgement: Judgement, lines: Sequence[Line], table: str) -> list[Finding]:
    """What is wrong, blocks first, then row by row, then what was not judged. A swap is one finding.

    Args:
        judgement: of the dataset.
        lines: its rows, in the same order.
        table: name of the metadata file.
    """
    found = []
    if judgement.unusable:
        found.append(
            _finding(
                kinds.UNUSABLE, table, f"{judgement.unusable}, so nothing is said of single recordings. "
                "Either the recogniser hears too little of this language, or most texts are wrong: listen to some.",
                median=judgement.median or 0.0,
            )
        )  # fmt: skip
    else:
        found += [_block(judgement, block, lines, table) for block in judgement.blocks]
        for place, clip in enumerate(judgement.clips):
            first = clip.verdict is not Verdict.SWAPPED or clip.match is None or place < clip.match.index
            if first and (kind := _KINDS.get(clip.verdict)) is not None:
                found.append(_clip(kind, judgement, place, clip, lines, table))
    for verdict, kind, why in _NOT_JUDGED:
        rows = [line.row for line, clip in zip(lines, judgement.clips, strict=True) if clip.verdict is verdict]
        if rows:
            found.append(_finding(kind, table, f"{len(rows)} {why} (the first: line {rows[0]}).", clips=len(rows)))
    return found


_KINDS = {
    Verdict.SWAPPED: kinds.SWAPPED,
    Verdict.ELSEWHERE: kinds.ELSEWHERE,
    Verdict.WRONG: kinds.WRONG,
    Verdict.DOUBTFUL: kinds.DOUBTFUL,
}
_NOT_JUDGED = (
    (
        Verdict.SHORT,
        kinds.SHORT,
        f"texts have fewer than {FEWEST_SOUNDS} sounds and can't be judged: so short a text comes near by luck",
    ),
    (Verdict.UNHEARD, kinds.UNHEARD, "rows could not be compared; `workbench health` says why"),
)


def _clip(kind: RuleKind, judgement: Judgement, place: int, clip: Judged, lines: Sequence[Line], table: str) -> Finding:
    line = lines[place]
    evidence: dict[str, str | int | float | bool] = {
        "distance": round(clip.distance or 0.0, 3),
        "threshold": round(judgement.limit, 3),
        "heard": _short(line.heard, _SHOWN_PHONES),
        "expected": _short(line.expected, _SHOWN_PHONES),
    }
    said = f"distance {clip.distance:.2f}, usual {judgement.median:.2f}, by chance 1"
    if clip.match is not None:
        other = lines[clip.match.index]
        evidence |= {"best_line": other.row, "best_distance": round(clip.match.distance, 3)}
        message = f"the audio of line {line.row} fits the text of line {other.row} ('{_short(other.text, _SHOWN_TEXT)}'"
        message += f", distance {clip.match.distance:.2f}), not its own ({said})"
        message += f", and that of line {other.row} the text of line {line.row}" if kind is kinds.SWAPPED else ""
    elif kind is kinds.WRONG:
        message = f"the audio does not say '{_short(line.text, _SHOWN_TEXT)}', nor clearly another text ({said})"
    else:
        message = f"the audio says '{_short(line.text, _SHOWN_TEXT)}' less clearly than the others theirs ({said})"
    return _finding(kind, f"{table}:{line.row}", f"{message}. {kind.fix}", **evidence)


def _block(judgement: Judgement, block: range, lines: Sequence[Line], table: str) -> Finding:
    first, last = judgement.clips[block[0]].match, judgement.clips[block[-1]].match
    if first is None or last is None:
        raise ValueError("a block ends with recordings that fit another text")
    inside = (judgement.clips[place] for place in block)
    shifted = [(clip.distance or 0.0, clip.match.distance) for clip in inside if clip.match is not None]
    offset = first.index - block[0]
    rows = f"{abs(offset)} row{'' if abs(offset) == 1 else 's'} {'below' if offset > 0 else 'above'}"
    message = (
        f"the audio of lines {lines[block[0]].row} to {lines[block[-1]].row} fits the texts {rows} "
        f"(lines {lines[first.index].row} to {lines[last.index].row}; {len(shifted)} recordings agree). "
        f"{kinds.SHIFTED.fix}"
    )
    return _finding(
        kinds.SHIFTED, f"{table}:{lines[block[0]].row}", message,
        first_line=lines[block[0]].row, last_line=lines[block[-1]].row, offset=offset, clips=len(shifted),
        distance=round(sum(own for own, _ in shifted) / len(shifted), 3),
        best_distance=round(sum(other for _, other in shifted) / len(shifted), 3),
    )  # fmt: skip


def _finding(kind: RuleKind, subject: str, message: str, **evidence: str | int | float | bool) -> Finding:
    return Finding(rule=kind.name, severity=kind.severity, subject=subject, message=message, evidence=evidence)


def _short(text: str, limit: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
