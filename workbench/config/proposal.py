"""Look at a folder of recordings and propose a workspace for it."""

from __future__ import annotations

import codecs
import csv
import itertools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from core_vits.manifest import escapes
from core_vits.phonemes import looks_like_ids, looks_phonetic
from workbench.config.headers import AUDIO_SUFFIXES, sample_rate
from workbench.config.settings import (
    PHONEME_IDS,
    TEXT,
    AudioSettings,
    DatasetSettings,
    TextSettings,
    VoiceSettings,
)
from workbench.config.workspace import WORKSPACE_FILE, Workspace

_ROWS_LOOKED_AT = 200
_RECORDINGS_LOOKED_AT = 50
_FILES_LOOKED_AT = 1000
_ANY_TEXT = (".txt", ".tsv", ".psv")
_AUDIO_FOLDERS = ("wavs", "wav", "audio", "recordings", "clips", ".")

# Letters that only one language of the many that share a script writes often, then the script's commonest language.
_TELLTALE = (
    ("іїєґ", "uk"), ("ў", "be"), ("ђћџљњ", "sr"), ("қғңұө", "kk"), ("äöüß", "de"), ("ñ¿¡", "es"), ("ąęłśż", "pl"),
    ("řěů", "cs"), ("ışğ", "tr"), ("ãõ", "pt"), ("çêèœ", "fr"), ("åø", "nb"), ("őű", "hu"),
)  # fmt: skip
_SCRIPTS = (
    ("\u0400", "\u04ff", "ru"), ("\u0370", "\u03ff", "el"), ("\u0590", "\u05ff", "he"), ("\u0600", "\u06ff", "ar"),
    ("\u0530", "\u058f", "hy"), ("\u10a0", "\u10ff", "ka"), ("\u0900", "\u097f", "hi"), ("\uac00", "\ud7af", "ko"),
    ("\u3040", "\u30ff", "ja"), ("\u4e00", "\u9fff", "zh"), ("a", "z", "en"),
)  # fmt: skip


class Proposal(NamedTuple):
    """A workspace that fits a folder, or why there is none."""

    workspace: Workspace | None
    reason: str
    """One line: what was found and guessed, or what is missing."""


def propose_workspace(folder: Path, *, unfit: bool = False) -> Proposal:
    """Propose a workspace for a dataset from the table of texts and the recordings that lie there. Writes nothing.

    Args:
        folder: of the dataset, or its table.
        unfit: whether a table will do that names none of the recordings, as for a check that says why.
    """
    root = Path(folder).absolute()
    tables = [root] if root.is_file() else []
    if tables:
        root = root.parent
    elif not root.is_dir():
        return Proposal(None, f"{folder}: there is no such folder")
    tables = tables or _tables(root)
    if not tables:
        return Proposal(
            None,
            f"{folder}: no metadata.csv here (a table with one recording a line: file|text); "
            "start workbench in the folder of a dataset",
        )
    for table in tables:
        form = _form(table)
        audio = _audio_folder(root, table, form.rows)
        if form.rows and audio is not None:
            return _proposal(root, table, audio, form)
        if table.suffix in _ANY_TEXT and len(tables) > 1:
            continue  # a read-me, more likely than a table
        if form.problem:
            return Proposal(None, f"{table.relative_to(root)}: {form.problem}")
        somewhere = _any_audio_folder(root, table) if unfit and form.rows else None
        if somewhere is not None:
            return _proposal(root, table, somewhere, form)
    return Proposal(
        None,
        f"{folder}: {tables[0].name} is here, but none of the recordings that it names; "
        "put them into a folder wavs/ beside it",
    )


def _proposal(root: Path, table: Path, audio: Path, form: Form) -> Proposal:
    rows = form.rows
    recordings = (_recording(audio, row[0]) for row in rows[:_RECORDINGS_LOOKED_AT])
    rates = Counter(rate for path in recordings if path is not None and (rate := sample_rate(path)) is not None)
    found_rate = rates.most_common(1)[0][0] if rates else None
    voice_rate = 16_000 if found_rate is not None and found_rate < 22_050 else 22_050
    given_ids = looks_like_ids([row[-1] for row in rows])
    texts = [row[-2] if given_ids and len(row) > 2 else row[-1] for row in rows]
    phonetic = looks_phonetic(texts)
    # Neither numbers nor IPA say which language they are of.
    told = not phonetic and any(letter.isalpha() for text in texts for letter in text)
    language = guess_language(texts) if told else "en"
    multi_speaker = _has_speakers(rows)
    workspace = Workspace(
        file=root / WORKSPACE_FILE,
        root=root,
        voice=VoiceSettings(
            name=re.sub(r"\W+", "_", root.name).strip("_") or "voice",
            language=language,
            quality="low" if voice_rate == 16_000 else "medium",
        ),
        dataset=DatasetSettings(
            metadata=str(table.relative_to(root)),
            audio=str(audio.relative_to(root)),
            delimiter=form.delimiter,
            quoting=form.quoting,
            multi_speaker=multi_speaker,
            type=PHONEME_IDS if given_ids else TEXT,
        ),
        text=TextSettings(phonemizer="text") if phonetic else TextSettings(),
        audio=AudioSettings(sample_rate=voice_rate),
    )
    at = f", recorded at {found_rate} Hz" if found_rate else ""
    what = ("; phoneme ids in the last column" * given_ids) + ("; phonemes (IPA) instead of words" * phonetic)
    guess = "guessed from the letters" if told else "is only assumed: correct it"
    speakers = ", several speakers" if multi_speaker else ""
    return Proposal(
        workspace,
        f"{workspace.dataset.metadata} and recordings in {workspace.dataset.audio}/{at}{what}; "
        f"language '{language}' {guess}{speakers}",
    )


def _tables(root: Path) -> list[Path]:
    """Tables that may be the metadata, the likeliest first."""
    exact = [root / "metadata.csv"]
    named = sorted(root.glob("metadata*.csv"))
    deeper = sorted(root.glob("*/metadata*.csv"))
    others = [path for pattern in ("*.csv", "*.tsv", "*.psv", "*.txt") for path in sorted(root.glob(pattern))]
    unique = dict.fromkeys(path for path in (*exact, *named, *deeper, *others) if path.is_file())
    return list(unique)


class Form(NamedTuple):
    """How a table is written."""

    rows: list[list[str]] = []  # noqa: RUF012 - a tuple's default, never changed
    """The first rows, split."""
    delimiter: str = "|"
    quoting: bool = False
    problem: str = ""
    """Why it can't be read; empty when it can."""


def _form(table: Path) -> Form:
    """Look at the first lines of a table; the delimiter is the one that splits most of them."""
    try:
        with table.open("rb") as stream:
            raw = [line for line in itertools.islice(stream, _ROWS_LOOKED_AT) if line.strip()]
    except OSError as error:
        return Form(problem=f"can't be read: {error.strerror or error}")
    if not raw:
        return Form(problem="is empty; write one row a clip: file|text")
    if raw[0].startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return Form(problem="is UTF-16, UTF-8 is wanted; convert it: iconv -f UTF-16 -t UTF-8")
    texts = [line.decode("utf-8-sig", "replace").rstrip("\r\n") for line in raw]
    lines = [text for text in texts if "\ufffd" not in text]
    # A few bad rows are for the health check to tell; most of them mean another encoding.
    if len(lines) * 2 < len(texts):
        return Form(problem="is not UTF-8; save it as UTF-8 (for instance: iconv -f CP1251 -t UTF-8)")
    counts = {delimiter: sum(delimiter in line for line in lines) for delimiter in ("|", "\t", ";", ",")}
    # A comma is in most texts: the others win when they split at least as many lines.
    delimiter = max(counts, key=lambda key: counts[key])
    split = [line for line in lines if delimiter in line]
    quoting = sum(line.endswith('"') and f'{delimiter}"' in line for line in split) * 2 > len(split)
    if quoting:
        return Form(list(csv.reader(split, delimiter=delimiter)), delimiter, quoting=True)
    return Form([line.split(delimiter) for line in split], delimiter)


def _audio_folder(root: Path, table: Path, rows: Sequence[Sequence[str]]) -> Path | None:
    """The folder in which most of the recordings lie that the table names."""
    places = dict.fromkeys(base / name for base in (table.parent, root) for name in _AUDIO_FOLDERS)
    best, best_count = None, 0
    for place in places:
        if not place.is_dir():
            continue
        count = sum(_recording(place, row[0]) is not None for row in rows[:20])
        if count > best_count:
            best, best_count = place, count
    return best


def _any_audio_folder(root: Path, table: Path) -> Path | None:
    """A folder that holds recordings, whatever the table calls them."""
    for base, name in itertools.product((table.parent, root), _AUDIO_FOLDERS):
        place = base / name
        if place.is_dir() and any(
            path.suffix.lower() in AUDIO_SUFFIXES for path in itertools.islice(place.iterdir(), 1000)
        ):
            return place
    return None


def _recording(folder: Path, name: str) -> Path | None:
    """The recording that the first column names; None when there is none."""
    if not name or "\0" in name or escapes(folder, name):
        return None
    try:
        return next((path for suffix in ("", *AUDIO_SUFFIXES) if (path := folder / f"{name}{suffix}").is_file()), None)
    except OSError:  # a transcript in the first column can be longer than a file name may be
        return None


def _has_speakers(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the second of three columns or more holds few short names instead of texts."""
    middle = [row[1] for row in rows if len(row) > 2]
    if len(middle) < len(rows) or len(rows) < 4:
        return False
    return len(set(middle)) <= len(rows) // 2 and all(
        0 < len(name.strip()) <= 40 and " " not in name.strip() for name in middle
    )


def guess_language(texts: Iterable[str]) -> str:
    """The language of texts by their letters; a guess, and `en` when there are none."""
    letters = Counter(letter for text in texts for letter in text.lower() if letter.isalpha())
    if not letters:
        return "en"
    total = letters.total()
    shares = {
        language: sum(count for letter, count in letters.items() if first <= letter <= last) / total
        for first, last, language in _SCRIPTS
    }
    language = max(shares, key=lambda key: shares[key])
    if language not in ("ru", "en"):
        return language
    family = "cyrillic" if language == "ru" else "latin"
    scores = {
        candidate: sum(letters[letter] for letter in telltale)
        for telltale, candidate in _TELLTALE
        if ("\u0400" <= telltale[0] <= "\u04ff") == (family == "cyrillic")
    }
    best = max(scores, key=lambda key: scores[key])
    return best if scores[best] / total > 0.005 else language
