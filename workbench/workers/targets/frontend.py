"""From text to phoneme ids with what a workspace chose: its normalisers, then its phonemizer, then its map.

Used by whatever needs phonemes: the dataset scan, the preparation of a dataset, speaking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from core_vits.cache import CacheSettings, Shard, cache_folder, id_map_md5, shards_of
from core_vits.manifest import Row
from core_vits.phonemes import BOS, EOS, PAD, PHONEME_ID_MAP, phonemes_to_ids
from core_vits.recordings import Recordings
from workbench.api import Normalizer, Phonemizer
from workbench.config import Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import PluginError
from workbench.host import Host
from workbench.jobs.dataset import own_phoneme_map, vowel_clusters
from workbench.workers.targets.phoneme_memo import PhonemeMemo, Sentences

IdMap = Mapping[str, Sequence[int]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """Phonemes of one text."""

    sentences: Sentences = ()
    ids: tuple[int, ...] = ()
    missing: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How often each phoneme occurs that the id map lacks; they are not in `ids`, unless those are given."""
    given: bool = False
    """Whether the ids stood in the table; then the sentences are what the map calls them."""
    error: str = ""
    """Why there are no phonemes; empty when there are."""

    @property
    def phonemes(self) -> int:
        """Phonemes that the model will hear of."""
        return len(self.ids) if self.given else sum(map(len, self.sentences)) - sum(self.missing.values())


class FrontEnd(Protocol):
    """What makes phoneme ids of a dataset's rows."""

    name: str
    """Of the phonemizer; empty when none is used."""
    version: str
    language: str
    """What the phonemizer is asked for: a language tag or the name of a voice."""
    phoneme_type: str
    """As the voice's configuration calls it."""
    id_map: IdMap
    spreads: bool
    """Whether other processes are to phonemize for this one."""

    def read(self, rows: Sequence[Row]) -> list[Spoken]:
        """Phonemes of each row; one that has none has its reason instead and stops no other."""

    def unknown(self, rows: Sequence[Row]) -> list[str]:
        """Texts of these rows that another process may phonemize for this one."""

    def learn(self, made: Mapping[str, Sentences]) -> None:
        """Take over phonemes that another process has made."""

    @property
    def decides(self) -> Mapping[str, Any]:
        """What of it decides the ids of a text: the fields of `CacheSettings` that speak of phonemes."""

    def close(self) -> None:
        """Let the engine go."""


def front_end(workspace: Workspace, host: Host, *, remember: bool = True) -> FrontEnd:
    """What the rows of a workspace's dataset are read with.

    Args:
        workspace: says which phonemizer, normalisers and map.
        host: has them.
        remember: see `TextFrontEnd`.

    Raises:
        PluginError: no phonemizer speaks the language here, or one that was asked for isn't there or failed.
        ConfigError: the phoneme map can't be used.
    """
    if workspace.dataset.type == PHONEME_IDS:
        return GivenIds(workspace, host)
    return TextFrontEnd(workspace, host, remember=remember)


class TextFrontEnd:
    """The phonemizer and the normalisers of a workspace, loaded."""

    def __init__(self, workspace: Workspace, host: Host, *, remember: bool = True, id_map: IdMap | None = None) -> None:
        """Choose and load.

        Args:
            workspace: says which.
            host: has them.
            remember: keep phonemes in the workspace's cache, so that a dataset is phonemized once and not by each scan;
                False: only as long as this lives.
            id_map: of a voice that is to be spoken; None: the user's own, or else the phonemizer's.

        Raises:
            PluginError: no phonemizer speaks the language here, or one that was asked for isn't there or failed.
            ConfigError: the phoneme map can't be used.
        """
        self.language = workspace.text.espeak_voice or workspace.voice.language
        registered = host.phonemizer_for(workspace.voice.language, workspace.text.phonemizer)
        self.name = registered.spec.name
        self.phoneme_type = registered.spec.phoneme_type
        self.spreads = self.phoneme_type == "espeak"  # eSpeak is small; another engine may hold a model that fits once
        own = own_phoneme_map(workspace) if id_map is None else None
        self._phonemizer: Phonemizer = host.create(registered)
        self.version = str(self._phonemizer.version)
        self.id_map: IdMap = id_map or (own.ids if own else self._phonemizer.phoneme_id_map(self.language))
        self._clusters = vowel_clusters(workspace, self.id_map, self.phoneme_type)
        self._normalizers: list[tuple[str, Normalizer]] = [
            (name, host.create(host.normalizer(name))) for name in workspace.text.normalizers
        ]
        identity = [self.name, self.version, self.language, *self.normalizers]
        self._memo = PhonemeMemo(workspace.cache if remember else None, identity)
        try:
            self._phonemizer.phonemize([""], language=self.language)
        except ValueError as error:
            raise PluginError(f"phonemizer {self.name}: {error}") from None

    @property
    def normalizers(self) -> tuple[str, ...]:
        """Name and version of each normaliser, in order."""
        return tuple(f"{name} {normalizer.version}" for name, normalizer in self._normalizers)

    def read(self, rows: Sequence[Row]) -> list[Spoken]:
        """See `FrontEnd`."""
        return self.speak([row.text for row in rows])

    def speak(self, texts: Sequence[str]) -> list[Spoken]:
        """Phonemes of each text; a text that can't be phonemized has its reason instead and stops no other."""
        try:
            return self._speak(texts)
        except ValueError as error:
            if len(texts) == 1:
                return [Spoken(error=" ".join(str(error).split()))]
            return [spoken for text in texts for spoken in self.speak([text])]

    def _speak(self, texts: Sequence[str]) -> list[Spoken]:
        known = self._memo.known(texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            made = dict(zip(new, self._phonemize(new), strict=True))
            known |= made
            self._memo.add(made)
        spoken = []
        for text in texts:
            sentences = tuple(map(self._clusters.merge, known[text]))
            ids, missing = phonemes_to_ids(sentences, self.id_map)
            spoken.append(Spoken(sentences=sentences, ids=tuple(ids), missing=missing))
        return spoken

    def unknown(self, rows: Sequence[Row]) -> list[str]:
        """See `FrontEnd`."""
        texts = dict.fromkeys(row.text for row in rows) if self.spreads else {}
        known = self._memo.known(list(texts))
        return [text for text in texts if text not in known]

    def phonemes(self, texts: Sequence[str]) -> dict[str, Sentences]:
        """Phonemes of each text, for another process to `learn`; a text that can't be phonemized is left out."""
        try:
            return dict(zip(texts, self._phonemize(texts), strict=True))
        except ValueError:
            return (
                {} if len(texts) == 1 else {text: made for one in texts for text, made in self.phonemes([one]).items()}
            )

    def learn(self, made: Mapping[str, Sentences]) -> None:
        """See `FrontEnd`."""
        if made:
            self._memo.add(made)

    def _phonemize(self, texts: Sequence[str]) -> list[Sentences]:
        normal = list(texts)
        for _, normalizer in self._normalizers:
            normal = normalizer.normalize(normal, language=self.language)
        made = self._phonemizer.phonemize(normal, language=self.language)
        return [tuple(map(tuple, sentences)) for sentences in made]

    @property
    def decides(self) -> Mapping[str, Any]:
        """See `FrontEnd`."""
        return {
            "phonemizer": self.name,
            "phonemizer_version": self.version,
            "language": self.language,
            "id_map_md5": id_map_md5(self.id_map),
            "normalizers": self.normalizers,
            "vowel_clusters": self._clusters.all,
        }

    def close(self) -> None:
        """Let the engine go."""
        self._phonemizer.close()


class GivenIds:
    """Phoneme ids that stand in the table and are trained as they are; nothing is phonemized.

    The map only says what they are called: the user's own, or that of the phonemizer that the settings name, or
    Piper's.
    """

    def __init__(self, workspace: Workspace, host: Host) -> None:
        """
        Raises:
            PluginError: the phonemizer that the settings name isn't there.
            ConfigError: the phoneme map can't be used.
        """
        self.name, self.version, self.phoneme_type, self.spreads = "", "", "espeak", False
        self.language = workspace.text.espeak_voice or workspace.voice.language
        self.id_map: IdMap = PHONEME_ID_MAP
        if workspace.text.phonemizer != "auto":
            registered = host.phonemizer_for(workspace.voice.language, workspace.text.phonemizer)
            self.phoneme_type = registered.spec.phoneme_type
            phonemizer: Phonemizer = host.create(registered)
            self.id_map = phonemizer.phoneme_id_map(self.language)
            phonemizer.close()
        if own := own_phoneme_map(workspace):
            self.id_map = own.ids
        vowel_clusters(workspace, self.id_map, self.phoneme_type)
        marks = {number for mark in (PAD, BOS, EOS) for number in self.id_map.get(mark, ())}
        self._known = {number for numbers in self.id_map.values() for number in numbers}
        self._symbols = {
            numbers[0]: symbol
            for symbol, numbers in self.id_map.items()
            if len(numbers) == 1 and numbers[0] not in marks
        }

    def read(self, rows: Sequence[Row]) -> list[Spoken]:
        """See `FrontEnd`; an id that no symbol has is trained all the same, and counted as missing."""
        return [
            Spoken(
                sentences=(tuple(self._symbols[number] for number in row.phoneme_ids if number in self._symbols),),
                ids=row.phoneme_ids,
                missing=Counter(f"#{number}" for number in row.phoneme_ids if number not in self._known),
                given=True,
            )
            for row in rows
        ]

    def unknown(self, rows: Sequence[Row]) -> list[str]:
        """See `FrontEnd`: there is nothing to phonemize."""
        return []

    def learn(self, made: Mapping[str, Sentences]) -> None:
        """See `FrontEnd`: there is nothing to learn."""

    @property
    def decides(self) -> Mapping[str, Any]:
        """See `FrontEnd`: neither map nor language changes ids that are given."""
        return {"phonemizer": PHONEME_IDS, "phonemizer_version": "", "language": "", "id_map_md5": ""}

    def close(self) -> None:
        """There is no engine."""


def cache_settings(workspace: Workspace, front: FrontEnd) -> CacheSettings:
    """What decides, beside recording, text, speaker and given ids, how a clip of this workspace is prepared."""
    audio = workspace.audio
    return CacheSettings(
        sample_rate=audio.sample_rate,
        trim_silence=audio.trim_silence,
        keep_seconds_before=audio.keep_seconds_before,
        keep_seconds_after=audio.keep_seconds_after,
        **front.decides,
    )


def known_recordings(
    workspace: Workspace, settings: CacheSettings, shard: Shard | None = None, *, trust: bool = True
) -> Recordings:
    """Hashes of recordings that the cache of these settings knows, from the folders of all shards."""
    folder = cache_folder(workspace.cache, settings)
    own = folder / shard.folder if shard is not None else folder
    others = [place for place in (*(folder / other.folder for other in shards_of(folder)), folder) if place != own]
    return Recordings(own, others, trust=trust)
