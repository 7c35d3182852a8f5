"""Phonemes for a voice, and the two engines that speak: torch for checkpoints, onnxruntime for exported voices.

Legend: S samples.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from core_vits.errors import CheckpointFileError
from core_vits.infer import Scales, SpeechError, load_generator, synthesize
from core_vits.phonemes import phonemes_to_ids
from workbench.config import WORKSPACE_FILE, TextSettings, VoiceSettings, Workspace
from workbench.config.settings import PHONEME_IDS
from workbench.errors import CheckpointError, ConfigError, PluginError
from workbench.host import Host
from workbench.workers.targets.frontend import TextFrontEnd
from workbench.workers.targets.onnx_voice import OnnxVoice, OnnxVoiceInParts
from workbench.workers.targets.voice_source import VoiceSource


class Voice(Protocol):
    """Something that speaks one sentence."""

    in_chunks: bool
    """Whether `stream` gives more than one piece of a sentence."""

    def speak(self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int) -> NDArray[np.float32]:
        """Audio [S], full scale = 1, not normalised.

        Raises:
            SpeechError: the ids or the speaker are not the voice's.
        """

    def stream(
        self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int
    ) -> Iterator[NDArray[np.float32]]:
        """The same in pieces, each as soon as it is made.

        Raises:
            SpeechError: the ids or the speaker are not the voice's.
        """


class CheckpointVoice:
    """A checkpoint, spoken by torch."""

    in_chunks = False

    def __init__(self, path: Path) -> None:
        """
        Raises:
            CheckpointError: it can't be read.
        """
        # One thread: a trainer may be running beside us and wants the cores.
        torch.set_num_threads(1)
        try:
            self._generator = load_generator(path)
        except CheckpointFileError as error:
            raise CheckpointError(str(error)) from None

    def speak(self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int) -> NDArray[np.float32]:
        """See `Voice`."""
        return synthesize(self._generator, ids, scales=scales, speaker=speaker, seed=seed)

    def stream(
        self, ids: Sequence[int], scales: Scales, speaker: int | None, seed: int
    ) -> Iterator[NDArray[np.float32]]:
        """See `Voice`."""
        yield self.speak(ids, scales, speaker, seed)


_loaded: dict[tuple[str, int, int], Voice] = {}
"""The voice that spoke last: loading a medium checkpoint takes seconds, and people listen to one again and again."""


def load_voice(source: VoiceSource) -> Voice:
    """The engine for a source; the same one as last time if the file is still the same.

    Raises:
        CheckpointError: it can't be loaded.
    """
    status = source.path.stat()
    key = (str(source.path.absolute()), status.st_mtime_ns, status.st_size)
    if key not in _loaded:
        _loaded.clear()
        _loaded[key] = _load(source)
    return _loaded[key]


def _load(source: VoiceSource) -> Voice:
    """
    Raises:
        CheckpointError: it can't be loaded.
    """
    if not source.exported:
        return CheckpointVoice(source.path)
    return (OnnxVoiceInParts if source.streaming else OnnxVoice)(source.path, source.config)


def sentences_of(text: str, source: VoiceSource) -> list[list[int]]:
    """Phoneme ids of each sentence, as the voice was trained to read them.

    Raises:
        SpeechError: there is nothing to speak, or the voice lacks a symbol.
        PluginError: there is no phonemizer for the language.
    """
    if not text.strip():
        raise SpeechError("the text is empty. Give a text to speak")
    id_map = source.config["phoneme_id_map"]
    ids: list[list[int]] = []
    missing: Counter[str] = Counter()
    for phonemes in _phonemes_of(text, source):
        if any(phoneme.strip() for phoneme in phonemes):
            try:
                numbers, unknown = phonemes_to_ids([phonemes], id_map)
            except ValueError as error:
                raise SpeechError(f"the voice can't be spoken: {error}") from None
            ids.append(numbers)
            missing += unknown
    if missing:
        names = ", ".join(f"'{symbol}' (U+{ord(symbol[0]):04X})" for symbol in missing)
        raise SpeechError(f"the voice has no symbol for {names}. Write the text without it")
    if not ids:
        raise SpeechError(f"there is nothing to speak in {text!r}. Give a text with letters")
    return ids


def _phonemes_of(text: str, source: VoiceSource) -> list[list[str]]:
    """sentence > phoneme.

    Raises:
        SpeechError: the text can't be phonemized.
        PluginError: there is no phonemizer for the language.
    """
    kind = source.config.get("phoneme_type", "espeak")
    if kind == "text":
        return [list(unicodedata.normalize("NFD", text))]
    front = _front_end(source)
    if front.phoneme_type != kind:
        raise SpeechError(
            f"the voice reads phonemes of type '{kind}', the phonemizer {front.name} makes '{front.phoneme_type}'. "
            "Name another one in [text] phonemizer, or speak it with Piper"
        )
    (spoken,) = front.speak([text])
    if spoken.error:
        raise SpeechError(f"the text can't be phonemized: {spoken.error}")
    return [list(sentence) for sentence in spoken.sentences]


_front: list[tuple[Workspace, Mapping[str, Sequence[int]], TextFrontEnd]] = []
"""The front end of the voice that spoke last: to find the plugins and load a phonemizer takes as long as half a second
of speech."""


def _front_end(source: VoiceSource) -> TextFrontEnd:
    """What makes a voice's phonemes; the same one as last time if nothing that decides about it has changed.

    Raises:
        SpeechError: the voice's clusters are none.
        PluginError: there is no phonemizer for the language.
    """
    workspace, id_map = _settings(source), source.config["phoneme_id_map"]
    if _front and _front[0][:2] == (workspace, id_map):
        return _front[0][2]
    while _front:
        _front.pop()[2].close()
    try:
        # What one listens to is not worth remembering beside the phonemes of a dataset.
        front = TextFrontEnd(workspace, Host.load(workspace), remember=False, id_map=id_map)
    except PluginError as error:
        if workspace.dataset.type != PHONEME_IDS:
            raise
        raise PluginError(f"the voice was trained on phoneme ids; a text must be phonemized first: {error}") from None
    _front.append((workspace, id_map, front))
    return front


def _settings(source: VoiceSource) -> Workspace:
    """The settings that the voice was trained with; for a voice from elsewhere, what its configuration implies.

    Map and clusters are always those of the configuration: it says what the voice learned, whatever was changed since.

    Raises:
        SpeechError: the clusters are none.
    """
    try:
        clusters = tuple(tuple(map(str, cluster)) for cluster in source.config.get("vowel_clusters") or ())
        trained = source.workspace.text if source.workspace else TextSettings(espeak_voice=source.espeak_voice)
        text = replace(trained, phoneme_map="", vowel_clusters=clusters)
    except (ConfigError, TypeError) as error:
        raise SpeechError(f"the voice's vowel_clusters can't be used: {error}. Mend its configuration") from None
    if source.workspace is not None:
        return replace(source.workspace, text=text)
    identity = source.identity()
    folder = source.path.absolute().parent
    return Workspace(
        file=folder / WORKSPACE_FILE,
        root=folder,
        voice=VoiceSettings(name=identity.name, language=_primary(source), quality="medium"),
        text=text,
    )


def _primary(source: VoiceSource) -> str:
    """The voice's language as a tag that the settings take: `pt_BR` becomes `pt-BR`."""
    language, *rest = source.language.split("-")
    return "-".join([language.lower(), *rest])
