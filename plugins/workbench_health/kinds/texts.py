"""Kinds of findings about texts, phonemes, ids and speakers."""

from __future__ import annotations

from types import MappingProxyType

from workbench.api import Severity
from workbench_health.kinds import kind

_BLOCKS, _DROPS, _WARNS, _INFO = Severity.BLOCKS, Severity.DROPS, Severity.WARNS, Severity.INFO

TEXT = (
    kind("text.empty", _DROPS, "no text",
         "The row is not trained; Piper trains the speech on silence.", "Write what is said."),
    kind("text.invisible", _WARNS, "characters that can't be seen",
         "They may change how a word is read.", "Delete them."),
    kind("text.lost", _WARNS, "a letter was lost when the file was converted (U+FFFD)",
         "The word is read without it.", "Put the letter back."),
    kind("text.nfd", _WARNS, "letters and accents apart (NFD)",
         "Phonemizers read them wrongly: й as и.", "Convert the file to NFC."),
    kind("text.mixed-script", _WARNS, "Latin and Cyrillic letters in one word",
         "It is read in two languages, or letter by letter.", "Write the word in one script."),
    kind("text.script", _WARNS, "another language or script than the voice's",
         "It is read by the rules of another language, or letter by letter.",
         "Take the row out, or write what is said in the voice's language."),
    kind("text.symbols", _WARNS, "emoji, or characters of a script that the language does not use",
         "The phonemizer reads out their names, which nobody said.", "Delete them."),
    kind("text.markup", _WARNS, "markup, an address or a note",
         "It is read aloud as it is written, and was hardly said so.", "Leave only the words that are said."),
    kind("text.stress", _WARNS, "stress marked with '+'",
         "It is read as the word for plus.", "Write U+0301 after the vowel (за́мок), or no mark."),
    kind("text.numbers", _INFO, "digits",
         "The phonemizer chooses case and gender, often not as was said.", "Write the numbers in words."),
    kind("text.abbreviation", _INFO, "abbreviations and signs",
         "They are read as they are written or in another form than was said.", "Write them out."),
    kind("text.capitals", _INFO, "written in capitals",
         "Short words in capitals are spelled letter by letter.", "Write it in small letters."),
    kind("text.unfinished", _INFO, "no punctuation at the end",
         "The voice can't learn how a sentence ends.", "Add a full stop, or what the speaker's voice says."),
    kind("text.repeated", _INFO, "the same text as another row",
         "If the split puts one of them into validation, its loss looks better than it is.",
         "Keep one of them, or correct the text if the recording says something else."),
    kind("text.kind", _WARNS, "the last column holds ids or phonemes",
         "They would be read aloud as if they were words.", "Set [dataset] type or [text] phonemizer."),
)  # fmt: skip

PHONEMES = (
    kind("phonemes.refused", _DROPS, "the phonemizer refuses the text",
         "The row is not trained.", "Correct the text."),
    kind("phonemes.none", _DROPS, "the text gives no phonemes",
         "The row is not trained.", "Write what is said in letters."),
    kind("phonemes.gap", _WARNS, "the phonemizer has no sound for a part of a word",
         "It writes '??', which the voice would learn as question marks.",
         "Choose another phonemizer in [text], or reword the text."),
    kind("phonemes.unknown", _WARNS, "phonemes that the voice has no number for",
         "They are left out, so the text says less than the recording.",
         "Reword the text, choose another phonemizer, or give them numbers with [text] phoneme_map."),
    kind("phonemes.switch", _WARNS, "marks of another language among the phonemes",
         "The voice would learn '(en)' as sounds.",
         "Choose another phonemizer in [text], or write the word as it is said."),
    kind("phonemes.map", _BLOCKS, "the map has ids that no voice has",
         "Training would crash.", "Use a map with smaller ids."),
    kind("phonemes.rare", _INFO, "sounds of the language that are rare or missing",
         "The voice can't learn them well.", "Record sentences with these sounds."),
)  # fmt: skip

IDS = (
    kind("ids.marks", _WARNS, "ids without the marks of a sentence",
         "Sentences that are spoken later begin and end badly.",
         "Add the ids, or name their map in [text] phoneme_map."),
    kind("ids.unnamed", _WARNS, "ids that no symbol has",
         "No text can ever speak them.", "Name the map that the ids were made with in [text] phoneme_map."),
)  # fmt: skip

SPEAKERS = (
    kind("speakers.silent", _WARNS, "a speaker without a clip that can be trained",
         "The name has a number in the voice, and nobody is heard under it.", "Mend the rows, or delete them."),
    kind("speakers.few", _WARNS, "a speaker with few clips",
         "They are too few to learn a voice from.", "Record more, or delete the rows."),
    kind("speakers.held-back", _WARNS, "a speaker all of whose clips fall into validation and samples",
         "None of them is trained, and nobody is heard under the name.",
         "Record more, or set another [training] seed."),
    kind("speakers.unnamed", _WARNS, "rows without a speaker's name",
         "They become a speaker of their own.", "Write the name into the second column."),
    kind("speakers.alike", _WARNS, "names that differ in case or spaces",
         "They are several speakers to the voice.", "Write a person's name the same way everywhere."),
)  # fmt: skip

KINDS = MappingProxyType({item.name: item for item in (*TEXT, *PHONEMES, *IDS, *SPEAKERS)})
