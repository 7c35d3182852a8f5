"""What a scan says about a dataset as a whole: counts, hours, lengths, sample rates, phoneme coverage."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from core_vits.manifest import Manifest
from core_vits.phonemes import BOS, EOS, PAD
from workbench.api import DatasetFacts, Severity
from workbench.config import Workspace
from workbench.workers.targets.frontend import FrontEnd, Spoken

TRAINED, DROPPED = "trained", "dropped"
"""What becomes of a row. The sum of these and the excluded ones is the number of rows."""
EXCLUDED = "excluded"
"""Verdict of a row that is not trained because its owner said so."""

# Upper edges of the length histogram, seconds; the last bin is open.
_EDGES = (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 12.0, 15.0, 20.0)


# Of an utterance, what the summary needs; a hundred thousand whole ones would be half a gigabyte.
_KEPT = ("row", "speaker", "seconds", "sample_rate", "verdict", "becomes")


@dataclass(slots=True)
class Seen:
    """What a scan has seen so far."""

    findings: Counter[str] = field(default_factory=Counter)
    """By severity."""
    utterances: list[dict[str, Any]] = field(default_factory=list)
    phonemes: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)

    def add(self, utterance: Mapping[str, Any]) -> None:
        """Count an utterance of the report."""
        self.utterances.append({name: utterance[name] for name in _KEPT})

    def heard(self, spoken: Spoken | None) -> None:
        """Count phonemes."""
        if spoken is not None:
            for sentence in spoken.sentences:
                self.phonemes.update(sentence)
            self.missing.update(spoken.missing)


def summary(
    workspace: Workspace, manifest: Manifest, state: Seen, facts: DatasetFacts, front: FrontEnd | None
) -> dict[str, Any]:
    """The `summary` of a scan; see `workbench.workers.targets.health.scan`."""
    usable = [item for item in state.utterances if item["becomes"] == TRAINED]
    skipped = sum(problem.skipped for problem in manifest.problems)
    excluded = sum(item["becomes"] == EXCLUDED for item in state.utterances)
    seconds = sorted(item["seconds"] for item in state.utterances if item["seconds"] is not None)
    rates = Counter(item["sample_rate"] for item in state.utterances if item["sample_rate"])
    symbols = set(facts.phoneme_id_map) - {PAD, BOS, EOS}
    return {
        "metadata": os.path.relpath(manifest.path, workspace.root),
        "rows": len(manifest.rows) + skipped,
        "clips": len(state.utterances),
        "usable": len(usable),
        "dropped": len(state.utterances) - len(usable) - excluded + skipped,
        "excluded": excluded,
        "hours": round(sum(seconds) / 3600, 4),
        "usable_hours": round(sum(item["seconds"] or 0.0 for item in usable) / 3600, 4),
        "speakers": len({item["speaker"] for item in state.utterances if item["speaker"] is not None}),
        "language": workspace.voice.language,
        "sample_rate": workspace.audio.sample_rate,
        "sample_rates": {str(rate): number for rate, number in sorted(rates.items())},
        "phonemizer": "" if front is None else front.name,
        "phonemizer_version": "" if front is None else front.version,
        "lengths": _lengths(seconds),
        "phonemes": {
            "different": len(state.phonemes),
            "in_map": len(symbols),
            "unknown": dict(state.missing.most_common()),
            "counts": dict(state.phonemes.most_common()),
        },
        "findings": {str(severity): state.findings[str(severity)] for severity in Severity},
    }


def _lengths(seconds: Sequence[float]) -> dict[str, Any]:
    """Distribution of the lengths, seconds; `seconds` is sorted."""
    if not seconds:
        return {"min": None, "median": None, "p95": None, "max": None, "bins": []}
    edges = (0.0, *_EDGES)
    numbers, _ = np.histogram(seconds, bins=[*edges, np.inf])
    tops: list[float | None] = [*_EDGES, None]
    return {
        "min": seconds[0],
        "median": round(median(seconds), 3),
        "p95": seconds[min(len(seconds) - 1, int(len(seconds) * 0.95))],
        "max": seconds[-1],
        "bins": [
            {"from": low, "to": high, "clips": int(number)}
            for low, high, number in zip(edges, tops, numbers, strict=True)
        ],
    }
