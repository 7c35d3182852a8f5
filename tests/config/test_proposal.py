"""From a folder of recordings to a proposal for a workspace."""

from __future__ import annotations

import wave
from pathlib import Path

import pytest

from workbench.config import load_workspace, propose_workspace, write_workspace
from workbench.config.headers import sample_rate


def recording(path: Path, rate: int = 22_050) -> None:
    """A short silent WAV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as stream:
        stream.setnchannels(1)
        stream.setsampwidth(2)
        stream.setframerate(rate)
        stream.writeframes(b"\0\0" * 100)


def dataset(
    folder: Path, rows: str, *, metadata: str = "metadata.csv", audio: str = "wavs", rate: int = 22_050
) -> None:
    (folder / metadata).parent.mkdir(parents=True, exist_ok=True)
    (folder / metadata).write_text(rows, encoding="utf-8")
    for number in range(1, 6):
        recording(folder / audio / f"{number}.wav", rate)


RUSSIAN = "".join(f"{number}.wav|Добрый день, номер {number}.\n" for number in range(1, 6))


def test_a_folder_in_pipers_layout_is_proposed_and_can_be_written_and_read(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN, rate=44_100)
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is not None
    assert (workspace.voice.language, workspace.voice.quality) == ("ru", "medium")
    assert (workspace.dataset.metadata, workspace.dataset.audio) == ("metadata.csv", "wavs")
    assert (workspace.audio.sample_rate, workspace.dataset.multi_speaker) == (22_050, False)
    assert "44100 Hz" in reason
    assert load_workspace(write_workspace(workspace)).voice == workspace.voice


def test_proposing_writes_nothing(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN)
    before = sorted(tmp_path.rglob("*"))
    propose_workspace(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_recordings_at_16_khz_give_a_voice_at_16_khz(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN, rate=16_000)
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert (workspace.audio.sample_rate, workspace.voice.quality) == (16_000, "low")


def test_a_dataset_one_folder_deeper_is_found(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN, metadata="corpus/metadata_norm.csv", audio="corpus/audio")
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert workspace.metadata == tmp_path / "corpus" / "metadata_norm.csv"
    assert workspace.audio_folder == tmp_path / "corpus" / "audio"


def test_recordings_named_without_their_suffix_are_found(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN.replace(".wav|", "|"))
    assert propose_workspace(tmp_path).workspace is not None


def test_few_names_in_the_second_column_are_speakers(tmp_path: Path) -> None:
    rows = "".join(f"{number}.wav|{'anna' if number % 2 else 'ivan'}|Добрый день {number}.\n" for number in range(1, 6))
    dataset(tmp_path, rows)
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert workspace.dataset.multi_speaker


def test_speakers_are_found_before_extra_columns_and_before_ids(tmp_path: Path) -> None:
    def rows(*last: str) -> str:
        columns = "|".join(last)
        return "".join(f"{n}.wav|{'anna' if n % 2 else 'ivan'}|Добрый день {n}.|{columns}\n" for n in range(1, 6))

    dataset(tmp_path, rows("Добрый день."))
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert (workspace.dataset.multi_speaker, workspace.dataset.type) == (True, "text")
    dataset(tmp_path, rows("1 0 14 0 2"))
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is not None
    assert (workspace.dataset.multi_speaker, workspace.dataset.type) == (True, "phoneme_ids")
    assert workspace.voice.language == "ru"
    assert "phoneme ids in the last column" in reason
    assert load_workspace(write_workspace(workspace)).dataset == workspace.dataset


@pytest.mark.parametrize("text", ["|", "||"])
def test_ids_without_a_text_say_nothing_about_the_language(text: str, tmp_path: Path) -> None:
    dataset(tmp_path, "".join(f"{number}{text}1 0 {number} 0 2\n" for number in range(1, 6)))
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is not None
    assert (workspace.dataset.type, workspace.dataset.multi_speaker) == ("phoneme_ids", False)
    assert "language 'en' is only assumed: correct it" in reason


def test_texts_in_ipa_are_read_as_phonemes(tmp_path: Path) -> None:
    dataset(tmp_path, "".join(f"{number}|dˈobrɨj dʲˈenʲ {number}\n" for number in range(1, 6)))
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is not None
    assert workspace.text.phonemizer == "text"
    assert "phonemes (IPA) instead of words" in reason
    assert "only assumed" in reason


def test_two_columns_of_text_are_no_speakers(tmp_path: Path) -> None:
    rows = "".join(f"{n}.wav|В {n} часов утра.|В час номер {n} утра.\n" for n in range(1, 6))
    dataset(tmp_path, rows)
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert not workspace.dataset.multi_speaker


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Съешь ещё этих мягких французских булок, да выпей чаю.", "ru"),
        ("Їжак із жіночою ґречністю купує йогурт щодня.", "uk"),
        ("The quick brown fox jumps over the lazy dog.", "en"),
        ("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.", "de"),
        ("Zażółć gęślą jaźń, proszę państwa, i to zaraz.", "pl"),
        ("Ξεσκεπάζω την ψυχοφθόρα βδελυγμία.", "el"),
    ],
)
def test_the_language_is_guessed_from_the_letters(text: str, language: str, tmp_path: Path) -> None:
    dataset(tmp_path, "".join(f"{number}.wav|{text}\n" for number in range(1, 6)))
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert workspace.voice.language == language


@pytest.mark.parametrize("name", ["my voice", "голос-1", "...", "a.b"])
def test_the_name_of_the_folder_becomes_a_name_that_is_allowed(name: str, tmp_path: Path) -> None:
    dataset(tmp_path / name, RUSSIAN)
    workspace = propose_workspace(tmp_path / name).workspace
    assert workspace is not None
    assert load_workspace(write_workspace(workspace)).voice.name == workspace.voice.name


def test_an_empty_folder_says_what_is_wanted(tmp_path: Path) -> None:
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is None
    assert "no metadata.csv here" in reason


def test_metadata_without_recordings_says_so(tmp_path: Path) -> None:
    (tmp_path / "metadata.csv").write_text(RUSSIAN)
    workspace, reason = propose_workspace(tmp_path)
    assert workspace is None
    assert "none of the recordings that it names" in reason


def test_a_table_that_is_no_text_is_no_crash(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN)
    (tmp_path / "metadata.csv").write_bytes(bytes(range(256)) * 20)
    assert propose_workspace(tmp_path).workspace is None


def test_rates_are_read_from_headers_of_wav_and_flac_only(tmp_path: Path, repo: Path) -> None:
    recording(tmp_path / "a.wav", 8_000)
    assert sample_rate(tmp_path / "a.wav") == 8_000
    clip = next((repo / "workbench" / "demo" / "wavs").glob("*.flac"))
    assert sample_rate(clip) == 16_000
    (tmp_path / "b.wav").write_bytes(b"RIFF")
    assert sample_rate(tmp_path / "b.wav") is None
    assert sample_rate(tmp_path / "missing.wav") is None


def test_the_rate_is_that_of_the_recordings_that_the_table_names(tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN.replace("1.wav", "wavs/1.wav").replace("2.wav", "wavs/2.wav"), rate=16_000)
    recording(tmp_path / "other.wav", 48_000)
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert workspace.audio.sample_rate == 16_000


def test_texts_in_quotes_are_read_with_quotes(tmp_path: Path) -> None:
    rows = "".join(f'{number}.wav,"Раз, два, {number}"\n' for number in range(1, 6))
    dataset(tmp_path, rows)
    workspace = propose_workspace(tmp_path).workspace
    assert workspace is not None
    assert (workspace.dataset.delimiter, workspace.dataset.quoting) == (",", True)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (RUSSIAN.encode("cp1251"), "metadata.csv: is not UTF-8; save it as UTF-8"),
        (RUSSIAN.encode("utf-16"), "metadata.csv: is UTF-16, UTF-8 is wanted"),
        (b" \n\n", "metadata.csv: is empty; write one row a clip"),
    ],
)
def test_a_table_that_cannot_be_read_is_told_and_not_guessed_about(content: bytes, reason: str, tmp_path: Path) -> None:
    dataset(tmp_path, RUSSIAN)
    (tmp_path / "metadata.csv").write_bytes(content)
    proposal = propose_workspace(tmp_path)
    assert proposal.workspace is None
    assert proposal.reason.startswith(reason)
