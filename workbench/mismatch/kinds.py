"""Every kind of finding about a recording that does not say what its text says."""

from __future__ import annotations

from workbench.api import RuleKind, Severity
from workbench.mismatch.russian import RUSSIAN


def _kind(name: str, severity: Severity, summary: str, effect: str, fix: str) -> RuleKind:
    words = {"ru": RUSSIAN[name]}
    return RuleKind(name=name, severity=severity, summary=summary, effect=effect, fix=fix, words=words)


_LEARNS_WRONG = "The voice learns these sounds for letters that do not stand for them."

SWAPPED = _kind(
    name="mismatch.swapped",
    severity=Severity.WARNS,
    summary="two recordings have each other's text",
    effect=_LEARNS_WRONG,
    fix="Listen to both, and exchange their file names in the table (or `workbench curate take`).",
)
SHIFTED = _kind(
    name="mismatch.shifted",
    severity=Severity.WARNS,
    summary="a block of recordings fits the texts some rows away",
    effect=_LEARNS_WRONG,
    fix="Move the file names of the block by that many rows.",
)
ELSEWHERE = _kind(
    name="mismatch.other-line",
    severity=Severity.WARNS,
    summary="a recording fits the text of another line",
    effect=_LEARNS_WRONG,
    fix="Listen to it, and give it the text that it says (`workbench curate correct`).",
)
WRONG = _kind(
    name="mismatch.text",
    severity=Severity.WARNS,
    summary="a recording is as far from its text as from any other",
    effect=_LEARNS_WRONG,
    fix="Listen to it, and correct the text or leave the row out (`workbench curate`).",
)
DOUBTFUL = _kind(
    name="mismatch.doubtful",
    severity=Severity.INFO,
    summary="a recording is further from its text than the others are from theirs",
    effect="A part of the text may not be said, or not be written; or the recording is hard to hear.",
    fix="Listen to it.",
)
SHORT = _kind(
    name="mismatch.short",
    severity=Severity.INFO,
    summary="texts too short to be judged",
    effect="A wrong text among them is not noticed.",
    fix="Listen to them if their texts may be wrong.",
)
UNHEARD = _kind(
    name="mismatch.unheard",
    severity=Severity.INFO,
    summary="recordings or texts that could not be compared",
    effect="A wrong text among them is not noticed.",
    fix="`workbench health` says why they can't be used.",
)
UNUSABLE = _kind(
    name="mismatch.unusable",
    severity=Severity.INFO,
    summary="the dataset can't be judged in this way",
    effect="Wrong texts are not noticed.",
    fix="Listen to some recordings and compare them with their texts.",
)
UNLIKELY = _kind(
    name="mismatch.unlikely",
    severity=Severity.WARNS,
    summary="a trained voice finds a clip much less likely under its text than the others",
    effect=_LEARNS_WRONG,
    fix="Listen to it, and correct the text, or leave the row out (`workbench curate`).",
)
CHANGED = _kind(
    name="mismatch.changed",
    severity=Severity.INFO,
    summary="rows that are new or have changed since the texts were compared",
    effect="A wrong text among them is not noticed.",
    fix="Compare again (m in the data pane, or `workbench mismatch`): only these take time.",
)

KINDS = (SWAPPED, SHIFTED, ELSEWHERE, WRONG, DOUBTFUL, SHORT, UNHEARD, UNUSABLE, UNLIKELY, CHANGED)
