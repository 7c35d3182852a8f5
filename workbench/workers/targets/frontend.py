"""From text to phoneme ids with what a workspace chose: its normalisers, then its phonemizer.

Used by whatever needs phonemes: the dataset scan, the preparation of a dataset, speaking.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from core_vits.cache import CacheSettings, id_map_md5
from core_vits.phonemes import phonemes_to_ids
from workbench.api import Normalizer, Phonemizer
from workbench.config import Workspace
from workbench.errors import PluginError
from workbench.host import Host
from workbench.workers.targets.phoneme_memo import PhonemeMemo, Sentences


@dataclass(frozen=True, kw_only=True, slots=True)
class Spoken:
    """Phonemes of one text."""

    sentences: Sentences = ()
    ids: tuple[int, ...] = ()
    missing: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """How often each phoneme occurs that the id map lacks; they are not in `ids`."""
    error: str = ""
    """Why there are no phonemes; empty when there are."""

    @property
    def phonemes(self) -> int:
        """Phonemes that the model will hear of."""
        return sum(map(len, self.sentences)) - sum(self.missing.values())


class TextFrontEnd:
    """The phonemizer and the normalisers of a workspace, loaded."""

    def __init__(self, workspace: Workspace, host: Host, *, remember: bool = True) -> None:
        """Choose and load.

        Args:
            workspace: says which.
            host: has them.
            remember: keep phonemes in the workspace's cache, so that a dataset is phonemized once and not by each scan.

        Raises:
            PluginError: no phonemizer speaks the language here, or one that was asked for isn't there or failed.
        """
        self.language = workspace.text.espeak_voice or workspace.voice.language
        registered = host.phonemizer_for(workspace.voice.language, workspace.text.phonemizer)
        self.name = registered.spec.name
        self._phonemizer: Phonemizer = host.create(registered)
        self.version = str(self._phonemizer.version)
        self.id_map: Mapping[str, Sequence[int]] = self._phonemizer.phoneme_id_map(self.language)
        self._normalizers: list[tuple[str, Normalizer]] = [
            (name, host.create(host.normalizer(name))) for name in workspace.text.normalizers
        ]
        identity = [self.name, self.version, self.language, *self.normalizers]
        self._memo = PhonemeMemo(workspace.cache, identity) if remember else None
        try:
            self._phonemizer.phonemize([""], language=self.language)
        except ValueError as error:
            raise PluginError(f"phonemizer {self.name}: {error}") from None

    @property
    def normalizers(self) -> tuple[str, ...]:
        """Name and version of each normaliser, in order."""
        return tuple(f"{name} {normalizer.version}" for name, normalizer in self._normalizers)

    def speak(self, texts: Sequence[str]) -> list[Spoken]:
        """Phonemes of each text; a text that can't be phonemized has its reason instead and stops no other."""
        try:
            return self._speak(texts)
        except ValueError as error:
            if len(texts) == 1:
                return [Spoken(error=" ".join(str(error).split()))]
            return [spoken for text in texts for spoken in self.speak([text])]

    def _speak(self, texts: Sequence[str]) -> list[Spoken]:
        known = {} if self._memo is None else self._memo.known(texts)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            made = dict(zip(new, self._phonemize(new), strict=True))
            known |= made
            if self._memo is not None:
                self._memo.add(made)
        spoken = []
        for text in texts:
            ids, missing = phonemes_to_ids(known[text], self.id_map)
            spoken.append(Spoken(sentences=known[text], ids=tuple(ids), missing=missing))
        return spoken

    def _phonemize(self, texts: Sequence[str]) -> list[Sentences]:
        normal = list(texts)
        for _, normalizer in self._normalizers:
            normal = normalizer.normalize(normal, language=self.language)
        made = self._phonemizer.phonemize(normal, language=self.language)
        return [tuple(map(tuple, sentences)) for sentences in made]

    def close(self) -> None:
        """Let the engine go."""
        self._phonemizer.close()


def cache_settings(workspace: Workspace, front: TextFrontEnd) -> CacheSettings:
    """What decides, beside recording, text and speaker, how a clip of this workspace is prepared."""
    audio = workspace.audio
    return CacheSettings(
        sample_rate=audio.sample_rate,
        trim_silence=audio.trim_silence,
        keep_seconds_before=audio.keep_seconds_before,
        keep_seconds_after=audio.keep_seconds_after,
        phonemizer=front.name,
        phonemizer_version=front.version,
        language=front.language,
        id_map_md5=id_map_md5(front.id_map),
        normalizers=front.normalizers,
    )
