"""`workbench.toml` is read whole or refused in one line that names file and line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from workbench.config import (
    TABLES,
    load_workspace,
    settings_as_dict,
    with_overrides,
    workspace_from_dict,
    workspace_to_toml,
    write_workspace,
)
from workbench.errors import ConfigError

HEAD = '[voice]\nname = "probe"\nlanguage = "ru"\n'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: errors name the file as a user in it would."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(folder: Path, text: str | bytes) -> str:
    """What the user reads when this is the workspace file."""
    file = folder / "workbench.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        load_workspace(file)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        (
            "[training]\nseed = 1\nbatchsize = 4\n",
            "6: unknown key 'batchsize' in [training]; did you mean 'batch_size'?",
        ),
        ("[trainnig]\n", "4: unknown table [trainnig]; did you mean 'training'?"),
        ("[training]\nbatch_size = 0\n", "5: batch_size is 0; at least 1 is wanted ([training])"),
        ('[training]\nbatch_size = "4"\n', "5: batch_size in [training] is the text '4'; a whole number is wanted"),
        ("[training]\nbatch_size = true\n", "5: batch_size in [training] is true; a whole number is wanted"),
        ("[training]\nbatch_size = 1.5\n", "5: batch_size in [training] is 1.5; a whole number is wanted"),
        ("[training]\nlearning_rate = nan\n", "5: learning_rate in [training] is nan; a number is wanted"),
        ("[training]\nvalidation_split = 1.0\n", "5: validation_split is 1.0; a value below 1 is wanted ([training])"),
        ("[training]\nsegment_size = 8000\n", "5: segment_size is 8000; a multiple of 256 is wanted ([training])"),
        ("[training]\naccelerator = 'gpu'\n", "5: accelerator is 'gpu'; one of auto, cpu, cuda is wanted ([training])"),
        (
            "[dataset]\ndelimiter = '||'\n",
            "5: delimiter is '||'; one character, for instance '|' is wanted ([dataset])",
        ),
        ("[audio]\nsample_rate = 22\n", "5: sample_rate is 22; a value from 8000 to 48000 is wanted ([audio])"),
        (
            "[text]\nnormalizers = 'a'\n",
            "5: normalizers in [text] is the text 'a'; a list (a text in quotes for each item) is wanted",
        ),
        (
            "[text]\nnormalizers = ['a', 1]\n",
            "5: normalizers in [text] is a list; a list (a text in quotes for each item) is wanted",
        ),
        (
            "[text]\nvowel_clusters = [['a']]\n",
            "5: vowel_clusters is [['a']]; lists of two phonemes or more are wanted, one character (NFD) each, "
            'for instance [["a", "ɪ"]] ([text])',
        ),
        ("[plugins]\ndisabled = 'a'\n", "5: disabled must be a list of plugin names"),
        ("[plugins]\ndisable = ['a']\n", "5: unknown key 'disable' in [plugins]; did you mean 'disabled'?"),
        (
            'training.batch_size = 0\n[text]\n"phonemiser" = "x"\n',
            "4: unknown key 'training' in [voice]; there are: name, language, quality",
        ),
    ],
)
def test_a_wrong_setting_is_one_line_with_its_line_number(rest: str, message: str, folder: Path) -> None:
    assert refusal(folder, HEAD + rest) == f"workbench.toml:{message}"


@pytest.mark.parametrize("clusters", ["[['a', 'ã']]", "[['a', 'bc']]", "[['a', '']]", "[[]]"])
def test_vowel_clusters_are_lists_of_single_code_points_in_nfd(clusters: str, folder: Path) -> None:
    said = refusal(folder, f"{HEAD}[text]\nvowel_clusters = {clusters}\n")
    assert said.startswith(f"workbench.toml:5: vowel_clusters is {clusters}; lists of two phonemes or more are wanted")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "batch_size = 4\n" + HEAD,
            "workbench.toml:1: unknown key 'batch_size' outside of a table; it belongs in [training]",
        ),
        ('[voice]\nname = "a\n', "workbench.toml:2: not TOML: illegal character"),
        ("[voice]\nname = [\n", "workbench.toml:2: not TOML: invalid value (end of the file)"),
        (HEAD + HEAD, "workbench.toml:4: not TOML: cannot declare"),
        (HEAD.encode() + b'x = "\xff"\n', "workbench.toml:4: byte 0xff is not UTF-8"),
        ('voice = "a"\n', "workbench.toml:1: 'voice' is the text 'a'; a table [voice] is wanted"),
        ("", "workbench.toml: [voice] needs the key 'name'"),
        ('[voice]\nname = "a"\n', "workbench.toml:1: [voice] needs the key 'language'"),
        ('[voice]\nname = "a-b"\nlanguage = "ru"\n', "workbench.toml:2: name is 'a-b'; a name of letters"),
        ('[voice]\nname = "../x"\nlanguage = "ru"\n', "workbench.toml:2: name is '../x'; a name of letters"),
        ('[voice]\nname = "a"\nlanguage = "ru_RU"\n', "did you mean 'ru-RU'?"),
        ('[voice]\nname = "a"\nlanguage = "ru"\nquality = "hihg"\n', "one of x-low, low, medium, high, tiny is wanted"),
        ("x = " + "[" * 5000, "not TOML"),
    ],
)
def test_a_file_that_is_no_workspace_is_one_line(text: str | bytes, message: str, folder: Path) -> None:
    assert message in refusal(folder, text)


def test_the_line_of_a_key_is_found_behind_a_text_of_several_lines(folder: Path) -> None:
    text = HEAD + '[plugins.x]\nnote = """\n[training]\nbatchsize = 1\n"""\n[training]\nbatchsize = 2\n'
    assert refusal(folder, text).startswith("workbench.toml:10: unknown key 'batchsize'")


def test_a_file_that_is_not_there_says_how_to_write_one(folder: Path) -> None:
    with pytest.raises(ConfigError, match=r"workbench\.toml: there is no workspace file; write one with"):
        load_workspace(folder)


def test_a_file_that_cannot_be_one_is_not_read(folder: Path) -> None:
    (folder / "recording.toml").write_bytes(b"\0" * 1_000_001)
    with pytest.raises(ConfigError, match="larger than 1 MB"):
        load_workspace(folder / "recording.toml")
    with pytest.raises(ConfigError, match="is not a file"):
        load_workspace(Path("/dev/null"))


def test_a_byte_order_mark_is_no_error(folder: Path) -> None:
    (folder / "workbench.toml").write_bytes(b"\xef\xbb\xbf" + HEAD.encode())
    assert load_workspace(folder).voice.name == "probe"


def test_paths_start_at_the_folder_of_the_file(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD + '[paths]\nruns = "/data/runs"\n[dataset]\naudio = "a/b"\n')
    workspace = load_workspace(Path("workbench.toml"))
    assert workspace.root == folder
    assert workspace.metadata == folder / "metadata.csv"
    assert workspace.audio_folder == folder / "a" / "b"
    assert workspace.runs == Path("/data/runs")
    assert workspace.voices == folder / "voices"


def test_settings_survive_the_way_through_a_run_directory(folder: Path) -> None:
    (folder / "workbench.toml").write_text(
        HEAD
        + "[training]\nlearning_rate = 1\n"
        + '[text]\nnormalizers = ["a"]\n[plugins]\ndisabled = ["x"]\n[plugins.y]\nz = 1\n'
    )
    workspace = load_workspace(folder)
    stored = settings_as_dict(workspace)
    stored["workspace"] = {"root": str(workspace.root), "file": str(workspace.file)}
    assert workspace_from_dict(stored, Path("/elsewhere/run.toml")) == workspace


def test_what_is_written_says_what_each_setting_means_and_reads_back(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD + "[training]\nbatch_size = 3\n")
    workspace = load_workspace(folder)
    text = workspace_to_toml(workspace)
    assert workspace_from_dict(tomllib.loads(text), workspace.file).training == workspace.training
    comments = [line for line in text.splitlines() if line.startswith("# ")]
    settings = sum(len(cls.__dataclass_fields__) for cls in TABLES.values())
    assert len(comments) == settings + 3


def test_an_existing_workspace_file_is_never_replaced(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    workspace = load_workspace(folder)
    with pytest.raises(ConfigError, match=r"workbench\.toml: is there already"):
        write_workspace(workspace)
    assert (folder / "workbench.toml").read_text() == HEAD
    assert [path.name for path in folder.iterdir()] == ["workbench.toml"]


def test_overrides_change_one_setting_and_leave_the_file_alone(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    workspace = load_workspace(folder)
    changed = with_overrides(workspace, {"training.batch_size": 3, "audio.trim_silence": False})
    assert (changed.training.batch_size, changed.audio.trim_silence) == (3, False)
    assert changed.root == workspace.root
    assert load_workspace(folder) == workspace


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("training.batchsize", 3, "unknown setting 'training.batchsize'; did you mean 'training.batch_size'?"),
        ("batch_size", 3, "unknown setting 'batch_size'"),
        ("training.batch_size", -1, "batch_size is -1; at least 1 is wanted ([training])"),
        ("training.batch_size", "x", "batch_size in [training] is the text 'x'; a whole number is wanted"),
    ],
)
def test_a_wrong_override_is_one_line(name: str, value: object, message: str, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    with pytest.raises(ConfigError) as caught:
        with_overrides(load_workspace(folder), {name: value})
    assert str(caught.value).startswith(message)


def test_the_workspace_file_of_the_repository_is_one(repo: Path) -> None:
    workspace = load_workspace(repo)
    assert workspace.metadata.is_file()
    assert workspace.audio_folder.is_dir()


def test_an_unknown_key_that_looks_like_none_is_refused_with_what_there_is(folder: Path) -> None:
    assert refusal(folder, HEAD + "[paths]\nzzz = 1\n").endswith(
        "unknown key 'zzz' in [paths]; there are: runs, cache, voices, piper_runs, piper_cache"
    )
    assert refusal(folder, HEAD + "[training]\nzzz = 1\n").endswith(
        "the page 'workspace' of the manual (F1) lists all settings"
    )


def test_a_key_that_must_be_set_is_named_with_what_is_wanted(folder: Path) -> None:
    assert refusal(folder, "[voice]\nlanguage = 'ru'\n").startswith(
        "workbench.toml:1: [voice] needs the key 'name': a name of letters, digits and '_'"
    )


def test_a_voice_whose_name_no_file_could_have_is_refused(folder: Path) -> None:
    assert "at most 64" in refusal(folder, f"[voice]\nname = '{'a' * 300}'\nlanguage = 'ru'\n")


def test_thresholds_of_the_health_check_are_numbers_by_any_name(folder: Path) -> None:
    file = folder / "workbench.toml"
    file.write_text(HEAD + "[health]\nclipped_samples = 3\nquiet_db = -46.5\n")
    workspace = load_workspace(folder)
    assert workspace.health == {"clipped_samples": 3, "quiet_db": -46.5}
    assert workspace_from_dict(tomllib.loads(workspace_to_toml(workspace)), file).health == workspace.health
    file.write_text(HEAD + '[health]\nclipped_samples = "3"\n')
    lines = file.read_text().splitlines().index('clipped_samples = "3"') + 1
    with pytest.raises(
        ConfigError, match=rf":{lines}: clipped_samples in \[health\] is the text '3'; a number is wanted"
    ):
        load_workspace(folder)
