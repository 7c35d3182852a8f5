"""Phonemes of texts that were phonemized before, in the workspace's cache folder.

Some phonemizers need 10 ms a sentence, a scan of a thousand rows would wait for them each time. Only a convenience:
whatever goes wrong with the file, the phonemes are made again.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

Sentences = tuple[tuple[str, ...], ...]


class PhonemeMemo:
    """Remembers sentences > phonemes by text, for one engine, version and language."""

    def __init__(self, cache: Path | None, identity: Sequence[str]) -> None:
        """
        Args:
            cache: the workspace's cache folder, created when something is added; None: only this process remembers.
            identity: everything beside the text that decides the phonemes.
        """
        name = hashlib.blake2b(json.dumps(list(identity)).encode(), digest_size=16).hexdigest()
        self._file = cache / "phonemes" / f"{name}.jsonl" if cache is not None else None

    @functools.cached_property
    def _known(self) -> dict[str, Sentences]:
        # Read when it is asked for: a start whose clips are all prepared asks for nothing.
        known: dict[str, Sentences] = {}
        if self._file is None:
            return known
        try:
            lines = self._file.read_bytes().splitlines()
        except OSError:
            return known
        for line in lines:
            with contextlib.suppress(ValueError, TypeError, KeyError):  # a torn or foreign line
                record = json.loads(line)
                if isinstance(record["text"], str):
                    known[record["text"]] = tuple(tuple(map(str, sentence)) for sentence in record["sentences"])
        return known

    def known(self, texts: Sequence[str]) -> dict[str, Sentences]:
        """What is remembered of these texts."""
        return {text: self._known[text] for text in texts if text in self._known}

    def add(self, made: Mapping[str, Sentences]) -> None:
        """Remember more."""
        self._known.update(made)
        if self._file is None:
            return
        records = ({"text": text, "sentences": list(map(_short, sentences))} for text, sentences in made.items())
        data = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()
        with contextlib.suppress(OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            # One write with O_APPEND: two processes may add at the same time. A newline first ends a torn line.
            with self._file.open("ab", buffering=0) as file:
                file.write(b"\n" * (file.tell() > 0) + data)


def _short(sentence: tuple[str, ...]) -> str | list[str]:
    """A string when each phoneme is one character, as nearly always; it reads back the same."""
    return "".join(sentence) if all(len(phoneme) == 1 for phoneme in sentence) else list(sentence)
