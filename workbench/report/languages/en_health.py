"""What the health check prints, in English."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SENTENCES: Mapping[str, str] = {
    "health.metadata": "metadata: {value}",
    "health.rows": "rows: {value:plain}",
    "health.clips": "clips: {value:plain}",
    "health.usable": "usable: {value:plain}",
    "health.dropped": "dropped: {value:plain}",
    "health.excluded": "excluded: {value:plain}",
    "health.hours": "hours: {value:exact}",
    "health.usable_hours": "usable hours: {value:exact}",
    "health.speakers": "speakers: {value:plain}",
    "health.language": "language: {value}",
    "health.sample_rate": "sample rate: {value:plain}",
    "health.phonemizer": "phonemizer: {value}",
    "health.phonemizer_version": "phonemizer version: {value}",
    "health.compared": (
        "recordings and texts: {count:row} compared by {by}, {date:date}; new or changed since: {changed}"
    ),
    "health.not_compared": "recordings and texts: not compared; `workbench mismatch` does",
    "health.findings": "findings: {told}",
    "health.more": "… and {count:plain} more (--all prints them)",
    "health.fix": "[fix: {command}]",
    "health.progress": "looking at the dataset",
    "health.recordings": "recordings",
}

NOUNS: Mapping[str, Sequence[str]] = {
    "blocks": ("blocks", "blocks"), "drops": ("drops", "drops"), "warns": ("warns", "warns"), "info": ("info", "info"),
}  # fmt: skip
"""How findings of each severity are called and counted."""
