"""Broad classes of speech sounds, and how far two sounds are from each other.

A recogniser that was trained on one language hears those of another as the nearest ones it knows: a Russian `ы` as some
close vowel, `х` as `h` or `k`. What survives is the manner of a consonant, roughly its place, and roughly where a vowel
is spoken. Voicing, length, stress, tone and palatalisation are passed over.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

Sounds = npt.NDArray[np.int8]
"""The class of each sound, in their order."""
Costs = npt.NDArray[np.float32]

CLASSES: Mapping[str, str] = MappingProxyType(
    {
        "close front vowel": "iyɪʏ",
        "mid front vowel": "eøɛœε",
        "open front vowel": "æɶ",
        "close central vowel": "ɨʉᵻ",
        "mid central vowel": "əɘɵɜɞɚɝᵊ",
        "open central vowel": "aɐ",
        "close back vowel": "uɯʊ",
        "mid back vowel": "oɔɤʌ",
        "open back vowel": "ɑɒ",
        "labial plosive": "pbɓʙ",
        "coronal plosive": "tdʈɖɗ",
        "dorsal plosive": "kgɡɠcɟʄqɢʛ",
        "labial fricative": "fvɸβⱱθð",
        "sibilant": "szʃʒɕʑʂʐʦ",
        "dorsal fricative": "xɣχʁhɦħʕçʝɧʜʢX",
        "labial nasal": "mɱ",
        "other nasal": "nɲŋɳɴ",
        "lateral": "lɫɭʎʟɬɮɺ",
        "rhotic": "rɾɹɻɽʀ",
        "palatal glide": "jɥ",
        "labial glide": "wʋɰʍ",
    }
)
"""Symbols of the IPA, and those that espeak adds, by class. A θ is with the labials, for most languages have none and
hear `f`; what is missing (glottal stops, clicks, marks) is passed over."""

_CLASS_OF: Mapping[str, int] = MappingProxyType(
    {symbol: number for number, symbols in enumerate(CLASSES.values()) for symbol in symbols}
)
_SAME_MANNER = 0.5
_SAME_PLACE = 0.75
_VOWEL_STEP = 0.25
# A consonant and a vowel that are spoken in one place, and two sounds that differ in a closure that is easily missed.
_ALIKE = MappingProxyType(
    {
        ("palatal glide", "close front vowel"): 0.5,
        ("labial glide", "close back vowel"): 0.5,
        ("dorsal plosive", "dorsal fricative"): 0.5,
        ("coronal plosive", "sibilant"): _SAME_PLACE,
        ("labial plosive", "labial fricative"): _SAME_PLACE,
        ("labial glide", "labial fricative"): _SAME_PLACE,
    }
)
_MANNERS = MappingProxyType({"sibilant": "fricative", "lateral": "liquid", "rhotic": "liquid"})


def sounds_of(phones: Iterable[str]) -> Sounds:
    """The classes of phones in IPA; an affricate or diphthong gives two, marks and punctuation give none."""
    symbols = (symbol for phone in phones for symbol in unicodedata.normalize("NFD", phone))
    return np.array([_CLASS_OF[symbol] for symbol in symbols if symbol in _CLASS_OF], dtype=np.int8)


def cost(one: str, other: str) -> float:
    """What it costs to take a sound for one of another class: 0 for the same class to 1 for nothing in common."""
    if one == other:
        return 0.0
    if one.endswith("vowel") and other.endswith("vowel"):
        return _VOWEL_STEP * sum(a != b for a, b in zip(one.split(), other.split(), strict=True))
    if (alike := _ALIKE.get((one, other), _ALIKE.get((other, one)))) is not None:
        return alike
    return _SAME_MANNER if _manner(one) == _manner(other) else 1.0


def _manner(name: str) -> str:
    return _MANNERS.get(name, name.split()[-1])


COSTS: Costs = np.array([[cost(one, other) for other in CLASSES] for one in CLASSES], dtype=np.float32)
"""`cost` of each pair of classes, by their place in `CLASSES`. To leave a sound out, or to put one in, costs 1."""
