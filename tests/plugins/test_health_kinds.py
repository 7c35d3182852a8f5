"""The rules on datasets of other kinds: given ids, IPA, several speakers."""

from __future__ import annotations

from pathlib import Path

from workbench.api import DatasetFacts, Finding, Utterance
from workbench.api.testing import HealthRuleContract, make_facts, make_utterance, one_line
from workbench_health.ids import IdsRule
from workbench_health.lengths import LengthRule
from workbench_health.phonemes import PhonemeRule
from workbench_health.speakers import SpeakerRule
from workbench_health.texts import TextRule


class TestIds(HealthRuleContract):
    name = "ids"
    make = staticmethod(IdsRule)


class TestSpeakers(HealthRuleContract):
    name = "speakers"
    make = staticmethod(SpeakerRule)


def finished(rule: type, utterances: list[Utterance], facts: DatasetFacts) -> list[Finding]:
    made = rule(facts)
    for utterance in utterances:
        list(made.check(utterance))
    return list(made.finish())


def test_ids_without_the_marks_of_a_sentence_and_ids_without_a_symbol_are_one_finding_each(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, dataset_type="phoneme_ids")
    good, rows = (1, 0, 14, 0, 2), [(1, 14, 2), (0, 1, 0, 14, 0, 2), (1, 0, 14, 0), (1, 0, 99, 0, 98, 0, 98, 0, 2)]
    utterances = [make_utterance(row=row, text="", phoneme_ids=ids) for row, ids in enumerate([good, *rows], 1)]
    found = finished(IdsRule, utterances, facts)
    assert [(item.rule, item.evidence) for item in found] == [("ids.marks", {"rows": 3}), ("ids.unnamed", {"ids": 2})]
    assert "3 of 5 rows (line 2) do not begin with 1 0 and end with 2" in found[0].message
    assert "2 ids have no symbol (98 99)" in found[1].message
    assert finished(IdsRule, utterances[:1], facts) == []
    assert finished(IdsRule, utterances, make_facts(tmp_path)) == []


def test_of_given_ids_the_text_is_only_shown(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, dataset_type="phoneme_ids")
    for text in ("", "1 2 3 4", "Хоpошо\u200b.", "dˈobrɨj"):
        utterance = make_utterance(text=text, phonemes=((),))
        for rule in (TextRule, PhonemeRule):
            made = rule(facts)
            assert list(made.check(utterance)) == []
            assert list(made.finish()) == []
    ordinary = [make_utterance(row=row, text="", phoneme_ids=(1,) * 60, seconds=2.0) for row in range(30)]
    fast = make_utterance(row=99, subject="m.csv:99", text="", phoneme_ids=(1,) * 170, seconds=2.0)
    (found,) = finished(LengthRule, [*ordinary, fast], facts)
    assert (found.rule, found.subject) == ("length.pace", "m.csv:99")
    assert "85.0 phoneme ids a second, the usual clip 30.0" in found.message


def test_texts_that_are_ids_or_phonemes_are_told_unless_the_settings_say_so(tmp_path: Path) -> None:
    def kinds(texts: list[str], **facts: str) -> list[str]:
        found = finished(TextRule, [make_utterance(row=row, text=text) for row, text in enumerate(texts)], make_facts(
            tmp_path, **facts
        ))  # fmt: skip
        return [item.message for item in found if item.rule == "text.kind"]

    (ids,) = kinds(["1 0 14 0 2", "1 0 15 0 2", "Да."])
    assert 'Set [dataset] type = "phoneme_ids".' in ids
    (ipa,) = kinds(["dˈobrɨj dʲˈenʲ", "kak dʲɪlˈa"])
    assert 'Set [text] phonemizer = "text".' in ipa
    assert kinds(["dˈobrɨj dʲˈenʲ", "kak dʲɪlˈa"], phoneme_type="text") == []
    assert kinds(["Добрый день.", "1 2 3 4"]) == []


def test_a_text_of_phonemes_may_be_in_nfd_and_mix_letters_but_an_unknown_symbol_is_told(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, phoneme_type="text")
    rule = TextRule(facts)
    assert list(rule.check(make_utterance(text="a\u0303 аa"))) == []
    (found,) = PhonemeRule(facts).check(make_utterance(text="a☃", phonemes=(("a", "☃"),)))
    assert "U+2603" in found.message
    assert "Correct the text, or give it a number with [text] phoneme_map." in found.message
    assert list(PhonemeRule(facts).check(make_utterance(phonemes=(("a", "?", "?"),)))) != []  # unknown, not a gap


def test_speakers_with_too_few_clips_and_doubtful_names_are_told(tmp_path: Path) -> None:
    facts = make_facts(tmp_path, multi_speaker=True)
    names = ["mia"] * 12 + ["Tom"] * 11 + ["tom "] * 10 + ["ann"] * 3 + [" "] * 10
    utterances = [make_utterance(row=row, speaker=name) for row, name in enumerate(names, 1)]
    utterances += [
        make_utterance(row=90, speaker="ghost", path=None),
        make_utterance(row=91, speaker="mute", phoneme_ids=()),
    ]
    found = finished(SpeakerRule, utterances, facts)
    messages = {item.rule: item.message for item in found}
    assert [item.rule for item in found] == ["speakers.alike", "speakers.unnamed", "speakers.silent", "speakers.few"]
    assert "'Tom' and 'tom ' (line 24) are 2 speakers" in messages["speakers.alike"]
    assert "line 37 names no speaker" in messages["speakers.unnamed"]
    assert "no clip of ghost, mute can be trained" in messages["speakers.silent"]
    assert "1 of 7 speakers have fewer than 10 clips, ann (3)" in messages["speakers.few"]
    assert all(one_line(item.message) for item in found)
    assert finished(SpeakerRule, utterances, make_facts(tmp_path)) == []
    assert finished(SpeakerRule, utterances[:12], facts) == []
