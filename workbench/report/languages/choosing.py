"""Which language a report is written in."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.report.languages.en import ENGLISH
from workbench.report.languages.language import Language
from workbench.report.languages.ru import RUSSIAN

LANGUAGES: Mapping[str, Language] = {"en": ENGLISH, "ru": RUSSIAN}

_SAYS_NOTHING = ("", "C", "POSIX")


def language(name: str) -> Language:
    """The language of that name."""
    return LANGUAGES[name]


def choose_language(environ: Mapping[str, str], voice: str) -> Language:
    """The reader's language by the locale; where that says nothing (`C`, as in containers), the voice's.

    Args:
        environ: variables of the process.
        voice: language of the voice, `ru` or `en-US`.
    """
    locale = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    said = "" if locale.partition(".")[0] in _SAYS_NOTHING else locale
    wanted = (said or voice).replace("_", "-").partition("-")[0].partition(".")[0].lower()
    return LANGUAGES.get(wanted, ENGLISH)
