"""Phonemes as Piper numbers them: the id map, and the rule that turns phonemes into the model's input.

A phoneme is one Unicode code point in NFD, so `aɪ` is two. The table is data of Piper's voice format: the same symbol
has the same number in every voice, which is what makes a checkpoint usable with another phonemizer.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

PAD: Final = "_"
"""Stands between all phonemes."""
BOS: Final = "^"
EOS: Final = "$"

# The position of a symbol is its id. Combining marks are written as escapes: alone they can't be read.
_SYMBOLS = (
    "_^$ !'(),-.:;?abcdefhijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛ"
    'ʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ0123456789\u0327\u0303\u032a\u032f\u0329ʰˤε↓#"↑\u033a\u033bgʦX\u031d\u030aɝʷ'
)
# Piper 1.5 and newer number these vowel clusters too; they are used only by voices that ask for clusters.
_CLUSTERS = ("aɪ", "aʊ", "ɔɪ", "eɪ", "oʊ")

PHONEME_ID_MAP: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {symbol: (index,) for index, symbol in enumerate((*_SYMBOLS, *_CLUSTERS))}
)
"""Piper's `phoneme_id_map` (1.5 and newer): 166 symbols, ids 0 to 165."""

NUM_SYMBOLS: Final = 256
"""Rows of the embedding table in every Piper voice; ids must be below it."""

_ESPEAK_LANGUAGES = """
    af am an ar as az ba be bg bn bpy bs ca cmn cs cv cy da de el en eo es et eu fa fi fr ga gd gn grc gu hak haw he
    hi hr ht hu hy hyw ia id io is it ja jbo ka kk kl kn ko kok ku ky la lb lfn lt ltg lv mi mk ml mr ms mt my nb nci ne
    nl no nog om or pa pap pl pt qdb qu quc qya ro ru sd shn si sjn sk sl smj sq sr sv sw ta te th tk tn tr tt ug uk ur
    uz vi yue zh
"""
ESPEAK_LANGUAGES: frozenset[str] = frozenset(_ESPEAK_LANGUAGES.split())
"""BCP 47 primary languages that eSpeak NG 1.51 and 1.52 have a voice for."""

# Languages whose eSpeak NG voice has another name than their tag.
_ESPEAK_NAMES = MappingProxyType({"zh": "cmn", "no": "nb", "zh-hk": "yue"})
# Language and country that have a voice of their own; other countries speak the language's only voice.
_ESPEAK_COUNTRIES = frozenset({"en-gb", "en-us", "fr-be", "fr-ch", "fr-fr", "pt-br", "ru-lv"})


def espeak_voice_names(language: str) -> tuple[str, ...]:
    """Names of eSpeak NG voices that may speak a language, the best first.

    `ru-RU` gives `ru` and `ru-ru`, `en-US` gives `en-us` and `en`, the name of a voice gives itself first.
    """
    tag = language.strip().replace("_", "-").lower()
    primary = tag.partition("-")[0]
    general = _ESPEAK_NAMES.get(tag) or _ESPEAK_NAMES.get(primary) or primary
    of_a_country = re.fullmatch(r"[a-z]{2,3}-[a-z]{2}", tag) and tag not in _ESPEAK_COUNTRIES
    names = (general, tag) if of_a_country or tag == primary else (tag, general)
    return tuple(dict.fromkeys(name for name in (*names, primary) if name))


def espeak_data_fingerprint(folder: Path) -> str:
    """md5 of phoneme tables and dictionaries of an `espeak-ng-data` folder: what the phonemes depend on.

    All dictionaries count, because a foreign word switches to its own language's. About 20 ms.
    """
    digest = hashlib.md5(usedforsecurity=False)
    for path in sorted([*folder.glob("phon*"), *folder.glob("*_dict")]):
        digest.update(path.name.encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


# Symbols that phonetic writing has and hardly any spelling: not ə ɛ ɔ ŋ and the like, which are letters somewhere.
_PHONETIC_ONLY = frozenset("ɐɑɒɕɖɘɚɜɞɟɠɢɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾʀʁʂʃʄʈʉʊʌʍʎʏʐʑʒʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞ᵻⱱʰˤʷ")
_PHONETIC_SHARE = 0.05


def looks_phonetic(texts: Iterable[str]) -> bool:
    """Whether texts are phonemes in IPA rather than words."""
    characters = Counter(character for text in texts for character in text if not character.isspace())
    phonetic = sum(count for character, count in characters.items() if character in _PHONETIC_ONLY)
    return phonetic > _PHONETIC_SHARE * characters.total()


# A sentence of ids has at least a begin, a sound, an end and the pads between.
_IDS = re.compile(r"\d+(\s+\d+){3,}")


def looks_like_ids(texts: Sequence[str]) -> bool:
    """Whether most texts are phoneme ids, numbers between spaces, rather than words."""
    return sum(bool(_IDS.fullmatch(text.strip())) for text in texts) * 2 > len(texts)


def phonemes_to_ids(
    sentences: Sequence[Sequence[str]], id_map: Mapping[str, Sequence[int]]
) -> tuple[list[int], Counter[str]]:
    """Number the phonemes of one utterance as Piper does: per sentence BOS, PAD, then each phoneme and PAD, then EOS.

    Args:
        sentences: sentence > phoneme.
        id_map: ids of each phoneme; must have PAD, BOS and EOS.

    Returns:
        The ids of all sentences, one after the other, and how often each phoneme that the map lacks occurred
        (those are left out, as Piper does).

    Raises:
        ValueError: the map lacks PAD, BOS or EOS.
    """
    absent = [symbol for symbol in (PAD, BOS, EOS) if not id_map.get(symbol)]
    if absent:
        raise ValueError(f"the phoneme id map has no {' '.join(absent)}. Use a map made for Piper voices.")
    pad, begin, end = (list(id_map[symbol]) for symbol in (PAD, BOS, EOS))
    ids: list[int] = []
    missing: Counter[str] = Counter()
    for sentence in sentences:
        ids += begin + pad
        for phoneme in sentence:
            numbers = id_map.get(phoneme)
            if not numbers:
                missing[phoneme] += 1
                continue
            ids += numbers
            ids += pad
        ids += end
    return ids, missing
