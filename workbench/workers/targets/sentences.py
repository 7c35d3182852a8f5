"""What a voice says when nobody gave it a text.

Standard library only: a screen shows the sentence before it is spoken.
"""

from __future__ import annotations

from types import MappingProxyType

SENTENCES = MappingProxyType(
    {
        "ar": "مرحبا، هذا صوت جديد.",
        "be": "Добры дзень, гэта новы голас.",
        "bg": "Добър ден, това е нов глас.",
        "ca": "Bon dia, aquesta és una veu nova.",
        "cs": "Dobrý den, tohle je nový hlas.",
        "da": "Goddag, dette er en ny stemme.",
        "de": "Guten Tag, das ist eine neue Stimme.",
        "el": "Καλημέρα, αυτή είναι μια νέα φωνή.",
        "en": "Good morning, this is a new voice.",
        "es": "Buenos días, esta es una voz nueva.",
        "et": "Tere päevast, see on uus hääl.",
        "fa": "سلام، این یک صدای تازه است.",
        "fi": "Hyvää päivää, tämä on uusi ääni.",
        "fr": "Bonjour, voici une nouvelle voix.",
        "hi": "नमस्ते, यह एक नई आवाज़ है।",
        "hr": "Dobar dan, ovo je novi glas.",
        "hu": "Jó napot, ez egy új hang.",
        "id": "Selamat pagi, ini suara baru.",
        "it": "Buongiorno, questa è una voce nuova.",
        "ja": "こんにちは、これは新しい声です。",
        "kk": "Сәлеметсіз бе, бұл жаңа дауыс.",
        "lt": "Laba diena, tai naujas balsas.",
        "lv": "Labdien, šī ir jauna balss.",
        "nl": "Goedendag, dit is een nieuwe stem.",
        "no": "God dag, dette er en ny stemme.",
        "pl": "Dzień dobry, to jest nowy głos.",
        "pt": "Bom dia, esta é uma voz nova.",
        "ro": "Bună ziua, aceasta este o voce nouă.",
        "ru": "Добрый день, это новый голос.",
        "sk": "Dobrý deň, toto je nový hlas.",
        "sl": "Dober dan, to je nov glas.",
        "sr": "Добар дан, ово је нови глас.",
        "sv": "God dag, det här är en ny röst.",
        "tr": "Merhaba, bu yeni bir ses.",
        "uk": "Добрий день, це новий голос.",
        "vi": "Xin chào, đây là một giọng nói mới.",
        "zh": "你好，这是一个新的声音。",
    }
)
"""By primary language."""

ANY_LANGUAGE = "1 2 3 4 5."
"""Numbers are read aloud in every language."""

_ALIASES = MappingProxyType({"cmn": "zh", "yue": "zh", "nb": "no", "nn": "no"})


def default_sentence(language: str) -> str:
    """The sentence of a language.

    Args:
        language: BCP 47 tag or name of an eSpeak NG voice: `ru`, `pt-BR`, `en-us`, `cmn`.
    """
    primary = language.replace("_", "-").partition("-")[0].lower()
    return SENTENCES.get(_ALIASES.get(primary, primary), ANY_LANGUAGE)
