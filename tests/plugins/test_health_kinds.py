"""The rules on datasets of other kinds: given ids, IPA, several speakers."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.api import DatasetFacts, Finding, Utterance
from workbench.api.testing import HealthRuleContract, make_facts, make_measures, make_utterance, one_line
from workbench_health.duplicates import DuplicateRule
from workbench_health.ids import IdsRule
from workbench_health.lengths import LengthRule
from workbench_health.phonemes import PhonemeRule
from workbench_health.signals import SignalRule
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
    assert [(item.rule, item.evidence) for item in found] == [
        ("ids.marks", {"rows": 3, "of": 5}),
        ("ids.unnamed", {"ids": 2}),
    ]
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


def heard(changes: list[dict[str, float]], **facts: float) -> list[tuple[str, str]]:
    """What is found among thirty ordinary clips and some with other measures, which stand from line 101 on."""
    usual = [
        make_utterance(
            row=row, subject=f"m.csv:{row}", measures=make_measures(f0=138.0 + row % 5, loudness=-20 - row % 3)
        )
        for row in range(1, 31)
    ]
    others = [
        make_utterance(row=row, subject=f"m.csv:{row}", measures=make_measures(**change))
        for row, change in enumerate(changes, 101)
    ]
    found = finished(SignalRule, [*usual, *others], make_facts(Path("data"), limits=facts))
    return [(item.rule, item.subject) for item in found]


def test_what_is_unlike_the_speakers_other_clips_is_found_and_a_limit_can_be_set() -> None:
    unlike: list[dict[str, float]] = [{"f0": 230.0}, {"loudness": -35.0}, {"bandwidth": 3_400.0}]
    assert heard(unlike) == [
        ("signal.pitch", "m.csv:101"),
        ("signal.level", "m.csv:102"),
        ("signal.dull", "m.csv:103"),
    ]
    assert heard([{"f0": 170.0}, {"loudness": -24.0}, {"bandwidth": 9_000.0}]) == []
    assert heard([{"loudness": -30.0}], level_step_db=12.0) == []


def test_each_speaker_is_compared_with_own_clips(tmp_path: Path) -> None:
    clips = [("mia", 220.0, row) for row in range(20)] + [("tom", 110.0, row) for row in range(20, 40)]
    utterances = [
        make_utterance(row=row, speaker=name, subject=f"m.csv:{row}", measures=make_measures(f0=f0))
        for name, f0, row in [*clips, ("tom", 220.0, 99)]
    ]
    (found,) = finished(SignalRule, utterances, make_facts(tmp_path, multi_speaker=True))
    assert (found.rule, found.subject) == ("signal.pitch", "m.csv:99")


def test_copies_of_a_recording_are_found_and_a_file_named_twice_is_not_told_again(tmp_path: Path) -> None:
    first = make_measures()
    flipped = f"{int(first.sketch, 16) ^ 0xFF:064x}"
    rows = [
        make_utterance(row=1, text="Один.", measures=first),
        make_utterance(row=2, text="Два.", path=Path("2.wav"), measures=first),
        make_utterance(row=3, text="Три.", path=Path("3.wav"), measures=make_measures(sketch=flipped, seconds=3.1)),
        make_utterance(row=4, text="Четыре.", path=Path("4.wav"), measures=make_measures(sketch=flipped, seconds=9.0)),
        make_utterance(row=5, text="Пять.", measures=first),
        make_utterance(row=6, text="Шесть.", path=Path("6.wav"), measures=make_measures()),
    ]
    found = finished(DuplicateRule, rows, make_facts(tmp_path))
    assert [(item.rule, item.evidence.get("other")) for item in found] == [
        ("duplicate.audio", 1),
        ("duplicate.near", 1),
    ]


def test_a_pair_that_the_split_parts_is_told_by_its_clearest_likeness(tmp_path: Path) -> None:
    sound = make_measures()
    near = f"{int(sound.sketch, 16) ^ 0xFF:064x}"
    rows = [
        make_utterance(row=1, text="Один.", measures=sound),
        make_utterance(row=2, text="Два.", measures=sound),  # the same file
        make_utterance(row=3, text="Один.", path=Path("3.wav"), measures=sound),  # sound and text
        make_utterance(row=4, text="Четыре.", path=Path("4.wav"), measures=make_measures(sketch=near)),
        make_utterance(row=5, text="Шесть!", path=Path("5.wav"), measures=make_measures()),
        make_utterance(row=6, text="шесть", path=Path("6.wav"), measures=make_measures()),
        make_utterance(row=7, text="Шесть.", path=Path("7.wav"), measures=make_measures()),
        make_utterance(row=8, text="Шесть", path=Path("8.wav"), measures=make_measures(), speaker="tom"),
    ]
    parts = {1: "train", 2: "validation", 3: "validation", 4: "validation", 5: "validation", 6: "test", 7: "train",
             8: "validation"}  # fmt: skip

    def leaks(parts: dict[int, str]) -> list[tuple[int, object, object]]:
        found = finished(DuplicateRule, rows, make_facts(tmp_path, parts=lambda: parts))
        told = [item.evidence for item in found if item.rule == "duplicate.split"]
        return [(index, item["alike"], item["other"]) for index, item in enumerate(told)]

    assert leaks(parts) == [(0, "file", 1), (1, "sound", 1), (2, "near", 1), (3, "text", 7)]
    assert leaks(dict.fromkeys(parts, "train")) == []
    assert leaks({}) == []


def test_only_speakers_with_few_clips_make_the_split_worth_asking(tmp_path: Path) -> None:
    def told(clips: dict[str, int], parts: dict[int, str]) -> list[str]:
        asked: list[bool] = []

        def ask() -> dict[int, str]:
            asked.append(True)
            return parts

        names = [name for name, count in clips.items() for _ in range(count)]
        rows = [make_utterance(row=row, speaker=name) for row, name in enumerate(names)]
        facts = make_facts(tmp_path, multi_speaker=True, parts=ask)
        found = [item for item in finished(SpeakerRule, rows, facts) if item.rule == "speakers.held-back"]
        return [str(item.evidence["names"]) for item in found] if asked else ["not asked"]

    assert told({"mia": 20, "tom": 20}, {}) == ["not asked"]
    held = {20: "validation", 21: "test"}
    trained = {**held, 21: "train"}
    assert told({"mia": 20, "tom": 2}, {**dict.fromkeys(range(20), "train"), **held}) == ["tom (2)"]
    assert told({"mia": 20, "tom": 2}, {**dict.fromkeys(range(20), "train"), **trained}) == []


def test_a_slow_or_fast_clip_is_judged_by_its_speech_and_not_by_its_silence(tmp_path: Path) -> None:
    text = "Добрый день, как ваши дела сегодня?"

    def clip(row: int, **changes: float) -> Utterance:
        measures = make_measures(leading_silence=changes.get("leading", 0.2))
        return make_utterance(
            row=row,
            subject=f"m.csv:{row}",
            text=text,
            phonemes=None,
            seconds=changes.get("seconds", 3.0),
            measures=measures,
        )

    usual = [clip(row) for row in range(30)]
    assert finished(LengthRule, [*usual, clip(40, seconds=8.0, leading=5.2)], make_facts(tmp_path)) == []
    (found,) = finished(LengthRule, [*usual, clip(40, seconds=8.0)], make_facts(tmp_path))
    assert (found.rule, found.subject, found.evidence["limit"]) == ("length.pace", "m.csv:40", 1.35)


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en-US", "The naïve café owner’s coöperation."),
        ("de", "Größe, Übung und Ärger."),
        ("uk", "Її подруга їхала потягом."),
        ("kk", "Қазақ тілі әдемі."),
        ("sr", "Добар дан, kako ste?"),
        ("zh", "今天天气很好。"),
        ("ja", "これはテストです。"),
        ("ko", "안녕하세요."),
        ("th", "สวัสดีครับ."),
        ("hi", "नमस्ते दुनिया।"),
        ("fa", "می\u200cخواهم."),
        ("ru", "Слово «λόγος» — за\u0301мок, д'Артаньян и Pink Floyd: 'ё'…"),
        ("ru", "C++, план B и витамин C."),
    ],
)
def test_texts_as_their_languages_write_them_are_in_order(tmp_path: Path, language: str, text: str) -> None:
    found = finished(TextRule, [make_utterance(text=text)], make_facts(tmp_path, language=language))
    assert [item.message for item in found] == []


@pytest.mark.parametrize(
    ("language", "text", "kind"),
    [
        ("ru", "Она пришлa домой.", "text.mixed-script"),
        ("ru", "Он пришёл c мамой.", "text.mixed-script"),
        ("en", "The wоrld is here.", "text.mixed-script"),
        ("en", "Это по-русски сказано.", "text.script"),
        ("ru", "Це і є їжа.", "text.script"),
        ("ru", "Да 😀 нет.", "text.symbols"),
        ("en", "He said 你好 to me.", "text.symbols"),
        ("ru", "Слово\u200b здесь.", "text.invisible"),
        ("ru", "<i>Да</i>, сказал он.", "text.markup"),
        ("ru", "Он *[смеётся]* сказал.", "text.markup"),
        ("ru", "Прив+ет всем.", "text.stress"),
        ("ru", "+Аист летит.", "text.stress"),
        ("ru", "Яблоки и т. д.", "text.abbreviation"),
        ("en", "Apples, pears etc.", "text.abbreviation"),
        ("ru", "ЭТО НАПИСАНО КРУПНО.", "text.capitals"),
        ("ru", "Это всё»", "text.unfinished"),
    ],
)
def test_what_is_read_otherwise_than_it_was_said_is_told(tmp_path: Path, language: str, text: str, kind: str) -> None:
    found = finished(TextRule, [make_utterance(text=text)], make_facts(tmp_path, language=language))
    assert [item.rule for item in found] == [kind]
