"""Rules for the options that say what the voice is: name, language, size of the model, phonemes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core_vits.config import DEFAULT_SPEAKER_CHANNELS, PRESETS, piper_hyperparameters
from core_vits.phonemes import ESPEAK_LANGUAGES, NUM_SYMBOLS, PHONEME_ID_MAP, espeak_voice_names
from workbench.adopt.documents import read_json
from workbench.adopt.flags import ARCHITECTURE
from workbench.adopt.mapper import Mapper, entry, first_text, same
from workbench.adopt.places import relative
from workbench.adopt.script import LEGACY
from workbench.adopt.values import short, unresolved
from workbench.errors import ConfigError

_LOW_RATE = 16_000
_LONGEST_NAME = 64
_LANGUAGES = {"cmn": "zh"}
# Phonemizers of Piper that no plugin of the workbench brings.
_FOREIGN = ("pinyin", "hebrew", "japanese", "thai")
_SHOWN_DIFFERENCES = 4


def map_voice(mapper: Mapper, language: str) -> None:
    """Name, language, quality, and how text becomes phonemes.

    Args:
        mapper: takes the settings.
        language: guessed from the texts, for a project that names none; may be empty.
    """
    _name(mapper)
    _language(mapper, language)
    _quality(mapper)
    _phonemes(mapper)
    _clusters(mapper)
    _compare_id_map(mapper)


def _name(mapper: Mapper) -> None:
    options = mapper.options
    given = options.value("data.voice_name") if "data.voice_name" in options.given else None
    prepared = mapper.preprocess.value("dataset_name") if mapper.preprocess else None
    name = first_text([given, prepared, mapper.config.get("dataset"), mapper.root.name]) or "voice"
    clean = re.sub(r"[^\w.]+", "_", name).strip("_.")[:_LONGEST_NAME] or "voice"
    note = "" if clean == name else f"'{name}' has characters that a voice's name can't have"
    mapper.set("voice.name", clean, "data.voice_name" if given else "", note)


def _language(mapper: Mapper, guessed: str) -> None:
    name = "data.espeak_voice"
    given = mapper.options.value(name)
    prepared = mapper.preprocess.value("language") if mapper.preprocess else None
    known = first_text([given, prepared, entry(mapper.config, "espeak", "voice")])
    language = language_of(known) or guessed or "en"
    if not known:
        mapper.check(f"no option names the language; '{language}' was guessed from the texts")
    elif language_of(known) == "" or language.partition("-")[0] not in ESPEAK_LANGUAGES:
        mapper.check(
            f"'{known}' is no eSpeak NG voice that is known here; [voice] language is '{language}', look at it"
        )
    mapper.set("voice.language", language, name if given else "")
    if known and espeak_voice_names(language)[0] != known.lower():
        mapper.set("text.espeak_voice", known, name if given else "")


def language_of(voice: str) -> str:
    """The language tag of an eSpeak NG voice: `en-us` is en-US, `cmn` is zh; empty for what is none."""
    parts = voice.strip().lower().replace("_", "-").partition("+")[0].split("-")
    if not re.fullmatch(r"[a-z]{2,3}", parts[0]):
        return ""
    language = _LANGUAGES.get(parts[0], parts[0])
    if len(parts) > 1 and re.fullmatch(r"[a-z]{2}", parts[1]):
        return f"{language}-{parts[1].upper()}"
    return f"{language}-{parts[1]}" if len(parts) > 1 and re.fullmatch(r"\d{3}", parts[1]) else language


def _quality(mapper: Mapper) -> None:
    """The preset that has the architecture; the nearest when none has it."""
    wanted = architecture(mapper)
    rate = mapper.options.value("model.sample_rate") or 22_050
    found = {quality: _differences(wanted, quality) for quality in ("medium", "high", "x-low")}
    nearest = min(found, key=lambda quality: len(found[quality]))
    differences = found[nearest]
    quality = "low" if nearest == "medium" and rate <= _LOW_RATE else nearest
    source = "quality" if "quality" in mapper.options.given else ""
    changed = [f"model.{name}" for name in ARCHITECTURE if f"model.{name}" in mapper.options.given]
    mapper.set("voice.quality", quality, source or (changed[0] if changed and nearest != "medium" else ""))
    if differences:
        told = ", ".join(
            f"{name} {short(value)} ({quality} has {other})" for name, value, other in differences[:_SHOWN_DIFFERENCES]
        )
        more = f" and {len(differences) - _SHOWN_DIFFERENCES} more" if len(differences) > _SHOWN_DIFFERENCES else ""
        mapper.check(
            f"the model is none of the named qualities: {told}{more}; [voice] quality is '{quality}', the nearest, and "
            "can't be trained as this model was"
        )


def architecture(mapper: Mapper) -> dict[str, Any]:
    """What the model is made of, by Piper's names."""
    options = mapper.options
    quality = str(options.value("quality")) if options.program == LEGACY else "medium"
    if quality not in PRESETS:
        mapper.check(f"{mapper.flag('quality')} {short(quality)}: unknown; medium was set")
    values = dict(ARCHITECTURE)
    if quality in PRESETS:
        preset = piper_hyperparameters(PRESETS[quality])
        values |= {name: preset[name] for name in ARCHITECTURE}
    for name in ARCHITECTURE:
        if options.is_given(f"model.{name}"):
            values[name] = options.value(f"model.{name}")
    values["num_symbols"] = options.value("data.num_symbols")
    speakers = options.value("model.num_speakers") or 1
    channels = values["gin_channels"]
    empty = not isinstance(channels, int) or channels <= 0
    values["gin_channels"] = (DEFAULT_SPEAKER_CHANNELS if speakers > 1 else 0) if empty else channels
    return values


def _differences(wanted: Mapping[str, Any], quality: str) -> list[tuple[str, Any, Any]]:
    """Fields in which an architecture is not that of a quality: name, value, the quality's."""
    preset = piper_hyperparameters(PRESETS[quality])
    several = wanted["gin_channels"] == DEFAULT_SPEAKER_CHANNELS
    expected = {name: preset[name] for name in ARCHITECTURE} | {"num_symbols": NUM_SYMBOLS}
    expected["gin_channels"] = DEFAULT_SPEAKER_CHANNELS if several else 0
    return [(name, wanted[name], value) for name, value in expected.items() if not same(wanted[name], value)]


def _phonemes(mapper: Mapper) -> None:
    options = mapper.options
    if options.value("data.dataset_type") == "phoneme_ids":
        mapper.set("dataset.type", "phoneme_ids", "data.dataset_type")
    elif options.value("data.dataset_type") != "text":
        mapper.check(f"{mapper.flag('data.dataset_type')} {options.value('data.dataset_type')}: unknown; text was set")
    name = "data.phoneme_type"
    given = options.value(name) if options.is_given(name) else None
    configured = mapper.config.get("phoneme_type") if options.program == LEGACY else None
    kind = first_text([given, mapper.preprocess.value("phoneme_type") if mapper.preprocess else None, configured])
    kind = kind.removeprefix("PhonemeType.").lower()
    if kind == "text":
        mapper.set("text.phonemizer", "text", name if given else "", "the text is its own phonemes")
    elif kind and kind != "espeak":
        by = "" if kind in _FOREIGN else ", which Piper is not known to have"
        mapper.check(
            f"phonemes of type '{kind}'{by}: no plugin here makes them; install one, then set [text] phonemizer"
        )
    name = "data.phonemes_path"
    if options.is_given(name):
        path = options.value(name)
        found = mapper.places.find(path)
        mapper.set("text.phoneme_map", relative(found or mapper.places.as_written(path), mapper.root), name)
        if found is None:
            mapper.check(f"{mapper.flag(name)} {path}: there is no such file here; correct [text] phoneme_map")


def _clusters(mapper: Mapper) -> None:
    name = "data.vowel_clusters"
    value: Any = mapper.options.value(name) if mapper.options.is_given(name) else None
    if isinstance(value, str):
        path = mapper.places.find(value)
        try:
            value = json.loads(path.read_bytes()[:1_000_000]) if path is not None else None
        except (ValueError, OSError, RecursionError):
            value = None
    if mapper.options.is_given(name) and not _are_clusters(value):
        given = mapper.options.given[name]
        if given.missing:
            raise unresolved(given)
        mapper.check(
            f"{given.flag} {given.shown[:60]}: no list of lists of phonemes was found there; set [text] vowel_clusters"
        )
    elif value is not None:
        mapper.set("text.vowel_clusters", tuple(tuple(cluster) for cluster in value), name)


def _are_clusters(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(
        isinstance(cluster, Sequence) and cluster and all(isinstance(phoneme, str) for phoneme in cluster)
        for cluster in value
    )  # fmt: skip


def _compare_id_map(mapper: Mapper) -> None:
    """A voice whose phonemes have other numbers than Piper's is not resumed by chance."""
    own = mapper.config.get("phoneme_id_map")
    if not isinstance(own, Mapping) or "text.phoneme_map" in mapper.settings:
        return
    other = [symbol for symbol, ids in own.items() if symbol in PHONEME_ID_MAP and list(PHONEME_ID_MAP[symbol]) != ids]
    foreign = [symbol for symbol in own if symbol not in PHONEME_ID_MAP]
    if other or foreign:
        told = " ".join((other or foreign)[:6])
        kind = "numbers phonemes otherwise than Piper's map" if other else "has phonemes that Piper's map lacks"
        mapper.check(
            f"{mapper.config_name} {kind} ({told}): save its phoneme_id_map as a file, and name that in "
            "[text] phoneme_map"
        )


def read_config(path: Path | None) -> Mapping[str, Any]:
    """Piper's config.json; empty when there is none that can be used."""
    if path is None:
        return {}
    try:
        return read_json(path)
    except ConfigError:
        return {}
