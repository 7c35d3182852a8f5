"""eSpeak NG through ctypes: Piper's rules for clauses and sentences, words by the installed dictionary."""

from __future__ import annotations

import difflib
import itertools
import json
import random
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import workbench_espeak
import workbench_piper
from workbench.api.testing import PhonemizerContract, PluginContract
from workbench_espeak.backend import EspeakPhonemizer, create
from workbench_espeak.clauses import Ending, clause_endings
from workbench_espeak.library import EspeakLibrary, EspeakLibraryError, find_library

needs_espeak = pytest.mark.skipif(bool(workbench_espeak.available()), reason=workbench_espeak.available() or "there")
needs_piper = pytest.mark.skipif(bool(workbench_piper.available()), reason=workbench_piper.available() or "there")
Sentences = list[list[str]]


@pytest.fixture(scope="module")
def espeak() -> EspeakPhonemizer:
    return create()


@pytest.fixture(scope="module")
def bundled() -> EspeakPhonemizer:
    """Our backend on the engine and the data inside piper-phonemize: only our rules differ from Piper's then."""
    import piper_phonemize

    package = Path(piper_phonemize.__file__).parent
    libraries = list((package.parent / "piper_phonemize.libs").glob("libespeak-ng*"))
    if not libraries:
        pytest.skip("this build of piper-phonemize has no libespeak-ng of its own")
    return EspeakPhonemizer(EspeakLibrary(str(libraries[0]), package / "espeak-ng-data"))


class TestPlugin(PluginContract):
    module = "workbench_espeak"


@needs_espeak
class TestPhonemizer(PhonemizerContract):
    language = "ru"
    texts = ("Привет, мир! Как дела?", "Он сказал Hello world и ушёл.", "Ну..", "Цена 3,14 рубля; курс $5.")

    @pytest.fixture
    def phonemizer(self, espeak: EspeakPhonemizer) -> Iterator[EspeakPhonemizer]:
        yield espeak
        espeak.close()


@pytest.mark.parametrize(
    ("consumed", "endings"),
    [
        (["Привет, м", "ир! К", "ак дела?"], [(",", False), ("!", True), ("?", True)]),
        (["Ну-ну, ч", "то-то будет…"], [(",", False), ("", False)]),
        (["да — н", "ет... в", "от"], [(";", False), ("", False), ("", True)]),
        (["«Да?»", " — сказал он."], [("?", True), (".", True)]),
        (["Нет.\n\nД", "а"], [("", True), ("", True)]),
        (["слово " * 66 + "с", "лово. "], [("", False), (".", True)]),
        (["А. С", ". П", "ушкин"], [(".", True), (".", True), ("", True)]),
        ([""], [("", True)]),
        (["..."], [("", True)]),
    ],
)
def test_the_ending_of_a_clause_is_read_off_the_consumed_text(
    consumed: Sequence[str], endings: Sequence[tuple[str, bool]]
) -> None:
    assert list(clause_endings(consumed)) == [Ending(*ending) for ending in endings]


def random_texts(count: int) -> Iterator[tuple[str, str]]:
    """Short texts full of punctuation in all neighbourhoods."""
    chance = random.Random(4)
    marks = [
        ".", ",", ":", ";", "?", "!", "…", "...", "—", " — ", " - ", ". ", ", ", ": ", "; ", "? ", "! ", "\n", "\n\n",
        " ", '"', "«", "»", "(", ")", "“", "”", "'", "?!", "!!!", "/", "-- ", "。", ", «", "». ", "», — ", "?» — ",
    ]  # fmt: skip
    words = {
        "ru": ["да", "Нет", "А", "Б", "5", "ёлка", "т", "Hello", "3,14", "12:30", "1.", "т.е.", "№5", "%", "$5"],
        "en-us": ["yes", "No", "Dr.", "A", "b", "1799", "St.", "etc.", "e.g.", "3.5", "a.m.", "U.S."],
        "de": ["ja", "Nein", "z.B.", "3.", "1,5", "Öl"],
    }
    for _ in range(count):
        language = chance.choice(list(words))
        text = ""
        for _ in range(chance.randint(1, 4)):
            text += chance.choice(words[language])
            text += "".join(chance.choice(marks) for _ in range(chance.choice([1, 1, 2, 3])))
        yield language, text


@needs_piper
def test_with_the_same_engine_random_punctuation_gives_exactly_pipers_phonemes(bundled: EspeakPhonemizer) -> None:
    from workbench_piper.backend import create as create_piper

    piper = create_piper()
    for language, text in random_texts(400):
        assert bundled.phonemize([text], language=language) == piper.phonemize([text], language=language), repr(text)


@needs_piper
def test_with_the_same_engine_650_sentences_give_exactly_pipers_phonemes(
    bundled: EspeakPhonemizer, shared: Path
) -> None:
    for line in (shared / "data/phonemes_piper_phonemize_1.1.0.jsonl").read_text("utf-8").splitlines():
        record = json.loads(line)
        assert bundled.phonemize([record["text"]], language=record["lang"]) == [record["phonemes"]], record["id"]


@needs_espeak
def test_a_process_starts_the_engine_once(espeak: EspeakPhonemizer) -> None:
    assert create()._library is espeak._library


@needs_espeak
@pytest.mark.parametrize("voice_before", ["en", "ru", "de"])
def test_after_a_start_no_voice_keeps_the_phonemes_it_had_before(
    voice_before: str, espeak: EspeakPhonemizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = [voice_before]
    monkeypatch.setattr(EspeakLibrary, "set_voice", lambda _, name: chosen.append(name) or True)
    EspeakLibrary(*find_library())
    # Only a change of the table has it made anew; the voice that is there now has to be chosen anew as well.
    assert any(before != after for before, after in itertools.pairwise(chosen))
    monkeypatch.undo()
    assert "".join(espeak.phonemize(["вода"], language="ru")[0][0]) == "vʌdˈɑ"


@needs_espeak
def test_two_backends_of_one_process_do_not_take_each_others_voice(espeak: EspeakPhonemizer) -> None:
    other = create()
    texts = {"ru": ["вода"], "de": ["Wasser"], "en-us": ["water"]}
    alone = {language: espeak.phonemize(text, language=language) for language, text in texts.items()}
    for language, text in texts.items():
        for before in texts:
            other.phonemize(texts[before], language=before)
            assert espeak.phonemize(text, language=language) == alone[language]


def punctuation(sentences: Sentences) -> list[list[str]]:
    """Punctuation of each sentence; `??` is no question but a sound that some versions of the engine lack."""
    return [re.findall(r"[.,:;?!]", "".join(sentence).replace("??", "")) for sentence in sentences]


@needs_espeak
@pytest.mark.parametrize("name", ["phonemes_piper_phonemize_1.1.0.jsonl", "phonemes_espeakbridge_1.8.0.jsonl"])
def test_the_systems_engine_differs_from_piper_in_words_only_and_little(
    espeak: EspeakPhonemizer, shared: Path, name: str
) -> None:
    different: dict[str, list[int]] = {}
    for line in (shared / "data" / name).read_text("utf-8").splitlines():
        record = json.loads(line)
        (ours,) = espeak.phonemize([record["text"]], language=record["lang"])
        theirs: Sentences = record["phonemes"]
        assert punctuation(ours) == punctuation(theirs), record["id"]
        a, b = list(itertools.chain(*theirs)), list(itertools.chain(*ours))
        same = sum(block.size for block in difflib.SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks())
        counts = different.setdefault(record["lang"], [0, 0])
        counts[0] += len(a) - same
        counts[1] += len(a)
    shares = {language: wrong / total for language, (wrong, total) in different.items()}
    bounds = {"uk": 0.4, "ru": 0.04}
    assert all(share < bounds.get(language, 0.02) for language, share in shares.items()), shares


@needs_espeak
def test_a_text_that_ends_in_two_dots_does_not_speak_in_the_next_one(espeak: EspeakPhonemizer) -> None:
    (alone,) = espeak.phonemize(["A; b"], language="en-us")
    espeak.phonemize(["Dr.."], language="en-us")
    assert espeak.phonemize(["A; b"], language="en-us") == [alone]


@needs_espeak
def test_language_flags_of_foreign_words_are_left_out(espeak: EspeakPhonemizer) -> None:
    (sentences,) = espeak.phonemize(["Он сказал Hello."], language="ru")
    assert "(" not in sentences[0]
    assert "h" in sentences[0]


@needs_espeak
def test_a_country_falls_back_to_its_language(espeak: EspeakPhonemizer) -> None:
    assert espeak.phonemize(["Да."], language="ru-RU") == espeak.phonemize(["Да."], language="ru")


@needs_espeak
def test_the_version_names_engine_and_data(espeak: EspeakPhonemizer) -> None:
    name, version, fingerprint = espeak.version.split()
    assert (name, len(fingerprint)) == ("espeak-ng", 32)
    assert version[0].isdigit()


def test_a_library_that_can_not_be_loaded_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "libfake.so").write_bytes(b"not a library")
    with pytest.raises(EspeakLibraryError, match="can't be loaded") as caught:
        EspeakLibrary(str(tmp_path / "libfake.so"))
    assert "\n" not in str(caught.value)


@needs_espeak
def test_missing_data_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    code = (
        "import sys\nfrom pathlib import Path\n"
        "from workbench_espeak.library import EspeakLibrary, EspeakLibraryError, find_library, find_library\n"
        "try:\n    EspeakLibrary(find_library()[0], Path(sys.argv[1]))\n"
        "except EspeakLibraryError as error:\n    print(error); sys.exit(3)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, "data was not found" in done.stdout) == (3, True), done


def test_without_library_and_package_the_reason_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_espeak.importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr(workbench_espeak.ctypes.util, "find_library", lambda _: None)
    assert workbench_espeak.available().startswith("libespeak-ng is not installed")
