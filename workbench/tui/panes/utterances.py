"""What the data pane says about utterances: columns, orders, details. No drawing here."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.tui.format import MISSING
from workbench.tui.panes.scan import SEVERITIES
from workbench.tui.widgets.rows import Column

Utterance = Mapping[str, Any]

COLUMNS = (
    Column("line", 5, right=True, narrowest=60),
    Column("", 1),
    Column("file", 16),
    Column("s", 5, right=True),
    Column("kHz", 5, right=True, narrowest=70),
    Column("peak", 5, right=True, narrowest=90),
    Column("cps", 5, right=True, narrowest=90),
    Column("text", 0),
)
_DETAILS = (
    ("path", ""),
    ("seconds", " s"),
    ("sample_rate", " Hz"),
    ("channels", ""),
    ("peak", " of full scale"),
    ("chars_per_second", ""),
    ("speaker", ""),
    ("phonemes", ""),
)
"""Fields of an utterance in the order of the detail panel, and their units."""
_SHOWN_EVIDENCE = ("heard", "expected")
"""What a message does not say."""
_MEASURES = (
    ("loudness", "loudness", "{:.1f} LUFS"),
    ("speech_db", "speech", "{:.1f} dB"),
    ("noise_db", "noise", "{:.1f} dB"),
    ("leading_silence", "silence", "{:.2f} s before"),
    ("trailing_silence", "", "{:.2f} s after"),
    ("bandwidth", "bandwidth", "{:.0f} Hz"),
    ("f0", "pitch", "{:.0f} Hz"),
)
"""Measures that are shown: name, label, how."""

FIT = "misfit of the text"
"""Order that a comparison of recordings and texts knows."""
EXCLUDED = "–"
"""Glyph of a row that is not trained because its owner said so."""


def _measure(name: str) -> Callable[[Utterance], float | None]:
    def value(item: Utterance) -> float | None:
        measures = item.get("measures")
        found = measures.get(name) if isinstance(measures, Mapping) else None
        return float(found) if isinstance(found, (int, float)) else None

    return value


def _field(name: str) -> Callable[[Utterance], float | None]:
    def value(item: Utterance) -> float | None:
        found = item.get(name)
        return float(found) if isinstance(found, (int, float)) else None

    return value


ORDERS: Mapping[str, Callable[[Utterance], float | str | None]] = {
    "line": _field("row"),
    "file": lambda item: str(item.get("file", "")),
    "seconds": _field("seconds"),
    "peak": _field("peak"),
    "characters a second": _field("chars_per_second"),
    "length of the text": lambda item: float(len(str(item.get("text", "")))),
    "loudness": _measure("loudness"),
    "noise": _measure("noise_db"),
    "silence before": _measure("leading_silence"),
    "silence after": _measure("trailing_silence"),
    "pitch": _measure("f0"),
}
"""What the list can be sorted by."""


def cells(item: Utterance, found: Sequence[Mapping[str, Any]], *, excluded: bool) -> Sequence[str]:
    """A row of the list."""
    glyphs = (SEVERITIES.get(str(finding.get("severity")), ("·", ""))[0] for finding in found)
    worst = EXCLUDED if excluded else min(glyphs, key="✗▲·✓".find, default="")
    seconds, rate = item.get("seconds"), item.get("sample_rate")
    return (
        str(item.get("row", "")),
        worst,
        str(item.get("file", "")),
        _decimals(seconds, 2),
        f"{int(rate) / 1000:g}" if rate else MISSING,
        _decimals(item.get("peak"), 2),
        _decimals(item.get("chars_per_second"), 1),
        f"«{item.get('text', '')}»",
    )


def detail(item: Utterance, found: Sequence[Mapping[str, Any]], why_excluded: str | None) -> str:
    """Everything about one utterance."""
    lines = [f"«{item.get('text', '')}»", ""]
    if why_excluded is not None:
        lines += [f"{EXCLUDED} excluded: {why_excluded or 'no reason given'}   (e includes it again)", ""]
    if item.get("becomes") == "dropped":
        lines += [f"✗ not trained: {item.get('why')}", ""]
    for finding in found:
        glyph, word = SEVERITIES.get(str(finding.get("severity")), ("·", ""))
        lines += [f"{glyph} {word} {finding.get('rule')}: {finding.get('message')}"]
        evidence = finding.get("evidence") or {}
        lines += [f"{name:<12} {evidence[name]}" for name in _SHOWN_EVIDENCE if evidence.get(name)]
        lines += [f"fix: {finding['fix']}", ""] if finding.get("fix") else [""]
    if item.get("becomes") == "trained":
        lines.append(f"{'becomes':<12} trained{', in ' + str(item['part']) if item.get('part') else ''}")
    for name, unit in _DETAILS:
        value = item.get(name)
        if value not in {None, ""}:
            lines.append(f"{name.replace('_', ' ').replace('chars per second', 'chars/s'):<12} {value}{unit}")
    return "\n".join([*lines, *_measured(item)])


def _measured(item: Utterance) -> list[str]:
    shown = []
    for name, label, how in _MEASURES:
        value = _measure(name)(item)
        if value is not None:
            shown.append(f"{label:<12} {how.format(value)}")
    return shown


def _decimals(value: Any, digits: int) -> str:
    return MISSING if value is None else f"{float(value):.{digits}f}"
