"""Kinds of findings that the scan itself makes: about the table, the settings and the caches of Piper."""

from __future__ import annotations

from types import MappingProxyType

from workbench.api import RuleKind, Severity
from workbench.workers.targets.health_russian import RUSSIAN


def _kind(name: str, severity: Severity, summary: str, effect: str, fix: str) -> RuleKind:
    words = {"ru": RUSSIAN[name]}
    return RuleKind(name=name, severity=severity, summary=summary, effect=effect, fix=fix, words=words)


DRIFT = _kind(
    "phonemes.drift",
    Severity.WARNS,
    summary="another phonemizer, or another version, than a run was prepared with",
    effect="The same words have other phonemes now, so a training that goes on learns two pronunciations.",
    fix="Install the version that the run was prepared with, or train from the beginning.",
)


_TABLE_SEVERITY = MappingProxyType(
    {
        "blank": Severity.INFO,
        "bom": Severity.INFO,
        "correction": Severity.WARNS,
        "excluded": Severity.INFO,
        "extra-columns": Severity.WARNS,
        "quote": Severity.INFO,
    }
)
_UNREAD = "The row is not trained."


def _table_kind(name: str, summary: str, effect: str, fix: str) -> RuleKind:
    severity = _TABLE_SEVERITY.get(name, Severity.DROPS)
    return _kind(f"metadata.{name}", severity, summary, effect, fix)


OWN_KINDS = (
    _table_kind("blank", "a blank line", "Piper stops at it; here it is skipped.", "Delete the line."),
    _table_kind(
        "bom",
        "a byte order mark",
        "Piper takes it for a part of the first file's name.",
        "Save the file as UTF-8 without it.",
    ),
    _table_kind("columns", "too few columns", _UNREAD, "Complete the row."),
    _table_kind("control", "a NUL character", _UNREAD, "Delete the character."),
    _table_kind(
        "correction",
        "a correction of a text that was changed since",
        "The table's text is trained.",
        "Delete the correction, or make it anew.",
    ),
    _table_kind("encoding", "a byte that is not UTF-8", _UNREAD, "Save the file as UTF-8."),
    _table_kind("excluded", "a row that you excluded", _UNREAD, "Include it again if that was a mistake."),
    _table_kind(
        "extra-columns",
        "more columns than most rows",
        "Only the last column is trained as the text.",
        "Remove the delimiter from the text.",
    ),
    _table_kind("file", "no name of a recording", _UNREAD, "Complete the row."),
    _table_kind("ids", "no phoneme ids", _UNREAD, "Correct the last column."),
    _table_kind("long", "a line that is no row", _UNREAD, "Check that this is the table."),
    _table_kind("quote", "an open quote", "Piper joins the following rows to it.", "Write « » or “ ” instead."),
    _table_kind(
        "swallowed", "rows that a quote swallowed", "They are not trained.", "Close the quote, or set quoting = false."
    ),
    _kind(
        name="phonemes.map",
        severity=Severity.BLOCKS,
        summary="a phoneme map that can't be used",
        effect="Training can't start.",
        fix="Correct the file that [text] phoneme_map names.",
    ),
    _kind(
        name="phonemes.none-installed",
        severity=Severity.BLOCKS,
        summary="no phonemizer for the language",
        effect="Training can't start.",
        fix="Install one, or name one in [text] phonemizer.",
    ),
    DRIFT,
    _kind(
        name="curation.line",
        severity=Severity.WARNS,
        summary="a decision about a row that can't be read, or that no row is meant by",
        effect="It changes nothing.",
        fix="Correct or delete the line.",
    ),
    _kind(
        name="health.limit",
        severity=Severity.WARNS,
        summary="a threshold that no rule knows",
        effect="It changes nothing.",
        fix="Correct its name in [health].",
    ),
)
"""What the scan itself finds."""


def table_severity(kind: str, *, skipped: bool) -> Severity:
    """How bad a problem of the metadata file is."""
    return _TABLE_SEVERITY.get(kind, Severity.DROPS if skipped else Severity.WARNS)


def _cache_kind(name: str, severity: Severity, summary: str, effect: str, fix: str) -> RuleKind:
    return _kind(f"cache.{name}", severity, summary, effect, fix)


_AGAIN = "Delete the folder if Piper is to train; it makes it anew."

CACHE = (
    _cache_kind(
        "stale",
        Severity.WARNS,
        "entries that belong to no row of the table",
        "They only take room: Piper never removes any.",
        _AGAIN,
    ),
    _cache_kind(
        "incomplete",
        Severity.INFO,
        "rows without an entry",
        "Piper prepares them at its next start, with the phonemizer and the cutting of that day.",
        "Nothing, or delete the folder for entries of one kind.",
    ),
    _cache_kind(
        "damaged",
        Severity.WARNS,
        "files that are cut off, or hold no tensor",
        "Piper stops in the middle of an epoch when it comes to them.",
        "Delete these entries.",
    ),
    _cache_kind(
        "rate",
        Severity.WARNS,
        "audio of another sample rate than the voice's",
        "Piper takes it as it is, and the voice speaks too fast or too slowly, at another pitch.",
        _AGAIN,
    ),
    _cache_kind(
        "hop",
        Severity.WARNS,
        "spectrograms of another hop or window",
        "Piper stops, or trains on the wrong audio for each spectrogram.",
        _AGAIN,
    ),
    _cache_kind(
        "sound",
        Severity.WARNS,
        "audio of another recording than the row's",
        "Piper trains the old recording.",
        _AGAIN,
    ),
    _cache_kind(
        "trim",
        Severity.WARNS,
        "silence that would be cut today",
        "The voice learns to wait; Piper before 1.5 never cut the beginning.",
        _AGAIN,
    ),
    _cache_kind(
        "text",
        Severity.WARNS,
        "another text than the table's",
        "Piper trains the old text, since an entry's name holds only the beginning.",
        "Delete these entries.",
    ),
    _cache_kind(
        "phonemes",
        Severity.WARNS,
        "other phonemes than the phonemizer makes today",
        "What Piper trains is not what will be spoken.",
        _AGAIN,
    ),
)
"""Of Piper's own caches. The workbench makes its own clips and uses none of them."""
