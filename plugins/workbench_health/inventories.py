"""Sounds of languages as eSpeak NG writes them: what a voice of the language should have heard.

Only symbols that ordinary text has again and again; sounds of foreign words and rare variants are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

SOUNDS: Mapping[str, str] = MappingProxyType(
    {
        "ru": "abdefijkmnoprstuvxyzɑɕəɛɡɪɭɵʃʌʑʒʲ",
        "en": "abdefhijklmnopstuvwzæðŋɐɑɔəɚɛɜɡɪɹɾʃʊʌʒθᵻː",
        "de": "abcdefhijklmnoprstuvxyzøŋœɐɑɔəɛɜɡɪɾʃʊː",
        "uk": "abdefhijklmnoprstuxzɛɣɪɲʃʎʒʲβː",
        "kk": "abdeijklmnopqstuwzæŋɑəɡɪɫɵɾʀʃʊʒ",
        "fr": "abdefijklmnopstuvwyzøœɑɔəɛɡɲʁʃʒ\u0303",
        "es": "abdefijklmnoprstuwxðɛɣɲɾʃβθ",
    }
)
