"""Languages of a report: a catalogue of sentences, and how numbers, sizes, times and nouns are written.

A sentence is a format string. The word behind the colon says how a value is written: `{size:bytes}`, `{length:time}`,
`{count:clip}` for a number with its noun. `NOUNS` of a language holds the forms; a name with `.of` holds those after
words like "of", which other languages decline.
"""

from workbench.report.languages.choosing import LANGUAGES, choose_language, language
from workbench.report.languages.language import Language

__all__ = ["LANGUAGES", "Language", "choose_language", "language"]
