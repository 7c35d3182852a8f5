"""Whatever is wrong with what the user has: one clear line, exit code 2, and every file as it was."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import HEAD, Command, copy_demo, program


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


VERBS = (["health"], ["train"], ["runs"], ["stop"], ["checkpoints"], ["export"], ["speak", "a"], ["walk"], ["prepare"])


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_without_a_workspace_every_verb_says_how_to_get_one(verb: list[str], workbench: Command) -> None:
    outcome = workbench(*verb)
    assert outcome.code == 2
    assert outcome.error == ("there is no workbench.toml here; write one with `workbench init`, or name one with -C")


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb[0])
def test_an_unknown_key_is_named_with_its_line_by_every_verb(verb: list[str], workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD + "[training]\nbatchsize = 4\n")
    before = snapshot(folder)
    outcome = workbench(*verb)
    assert outcome.code == 2
    assert outcome.error == "workbench.toml:6: unknown key 'batchsize' in [training]; did you mean 'batch_size'?"
    assert snapshot(folder) == before


def test_toml_that_is_none_is_named_with_its_line(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD + "[training\n")
    outcome = workbench("train")
    assert outcome.code == 2
    assert outcome.error.startswith("workbench.toml:5: not TOML: ")


def test_a_workspace_that_is_not_there_is_named(workbench: Command) -> None:
    outcome = workbench("runs", "-C", "nowhere")
    assert (outcome.code, outcome.error) == (2, "nowhere: there is no such file or folder; -C names a workspace")


@pytest.mark.parametrize("verb", ["health", "train", "walk"])
def test_metadata_that_is_not_there_is_named_before_anything_is_written(
    verb: str, workbench: Command, folder: Path
) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "wavs").mkdir()
    before = snapshot(folder)
    outcome = workbench(verb)
    assert outcome.code == 2
    assert "metadata.csv" in outcome.err
    assert outcome.err.count("\n") == 1
    assert snapshot(folder) == before


def test_empty_metadata_is_refused_by_the_health_check(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "wavs").mkdir()
    (folder / "metadata.csv").write_bytes(b"")
    outcome = workbench("health")
    assert outcome.code == 2
    assert "metadata.csv" in outcome.error


def test_a_missing_and_a_truncated_recording_are_named_by_row(workbench: Command, folder: Path, repo: Path) -> None:
    copy_demo(repo, folder, 6)
    (folder / "workbench.toml").write_text(HEAD + "[audio]\nsample_rate = 16000\n")
    first, second = sorted((folder / "wavs").iterdir())[:2]
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    outcome = workbench("health", "--json")
    report = outcome.json
    subjects = {finding["subject"] for finding in report["findings"] if finding["severity"] in ("drops", "blocks")}
    assert any("metadata.csv:1" in subject for subject in subjects), report["findings"]
    assert any("metadata.csv:2" in subject or second.name in subject for subject in subjects), report["findings"]
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["runs", "x"], "there is no run yet"),
        (["stop"], "no run is active"),
        (["checkpoints"], "there is no run yet"),
        (["export"], "there is no checkpoint yet"),
        (["export", "x.ckpt"], "x.ckpt: there is no such checkpoint"),
        (["speak", "a", "--with", "x.onnx"], "x.onnx: there is no such voice"),
        (["speak", "  "], "the text to speak is empty"),
        (["speak", "\udcff"], "the text to speak: byte 1 is not UTF-8"),
        (["speak", "a", "--player", "sounddevise"], "no player 'sounddevise'; did you mean 'sounddevice'?"),
        (["runs", "-C", ""], "the name is empty; a path is wanted"),
        (["export", "x" * 5000], "File name too long"),
        (["speak", "a" * 10_001], "longer than 10000 characters"),
        (["train", "--resume", "latest"], "there is no run yet"),
        (["train", "--set", "batch_size=4"], "--set batch_size=4: TABLE.KEY=VALUE is wanted"),
        (["plugins", "epseak"], "did you mean 'espeak'?"),
        (["init", "nowhere"], "nowhere: there is no such folder"),
        (["init"], "no metadata.csv here"),
    ],
)
def test_what_is_not_there_is_one_line(arguments: list[str], message: str, workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    before = snapshot(folder)
    outcome = workbench(*arguments)
    assert outcome.code == 2
    assert message in outcome.error
    assert snapshot(folder) == before


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("training.batchsize=4", "unknown setting 'training.batchsize'; did you mean 'training.batch_size'?"),
        ("training.batch_size=none", "batch_size in [training] is the text 'none'; a whole number is wanted"),
        ("training.launcher=locla", "no launcher 'locla'; did you mean 'local'?"),
        ("training.devices=2", "devices is 2"),
    ],
)
def test_a_setting_that_cannot_be_starts_no_run(
    setting: str, message: str, workbench: Command, folder: Path, repo: Path
) -> None:
    copy_demo(repo, folder, 4)
    (folder / "workbench.toml").write_text(HEAD)
    outcome = workbench("train", "--set", setting)
    assert outcome.code == 2
    assert message in outcome.error
    assert not list(folder.glob("runs/2*"))


@pytest.mark.parametrize("verb", [["export", "x.ckpt"], ["speak", "Да.", "--with", "x.ckpt"]], ids=lambda verb: verb[0])
def test_a_file_that_is_no_checkpoint_is_one_line(verb: list[str], workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "x.ckpt").write_bytes(b"this is no checkpoint")
    before = snapshot(folder)
    outcome = workbench(*verb)
    assert outcome.code == 2
    assert outcome.error.startswith("x.ckpt: this is not a checkpoint")
    assert snapshot(folder) == before


def test_speech_never_takes_the_place_of_a_file_that_is_no_wav(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "x.ckpt").write_bytes(b"x")
    (folder / "metadata.csv").write_text("a.wav|Текст.\n")
    before = snapshot(folder)
    outcome = workbench("speak", "Да.", "--with", "x.ckpt", "--out", "metadata.csv")
    assert outcome.code == 2
    assert outcome.error.endswith("metadata.csv: is there already and is not a WAV; name another file")
    assert snapshot(folder) == before


def test_a_table_in_another_encoding_is_named_as_the_user_wrote_it(workbench: Command, folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    (folder / "wavs").mkdir()
    (folder / "metadata.csv").write_bytes("a.wav|Текст.\n".encode("utf-16"))
    outcome = workbench("health")
    assert outcome.error == "metadata.csv: is UTF-16, UTF-8 is wanted. Convert it: iconv -f UTF-16 -t UTF-8."


def test_an_existing_workspace_file_is_not_written_over(workbench: Command, folder: Path, repo: Path) -> None:
    copy_demo(repo, folder, 4)
    (folder / "workbench.toml").write_text(HEAD)
    outcome = workbench("init")
    assert outcome.code == 2
    assert "workbench.toml: is there already" in outcome.error
    assert (folder / "workbench.toml").read_text() == HEAD


def test_text_from_stdin_in_another_encoding_is_refused(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD)
    done = subprocess.run(
        [sys.executable, "-m", "workbench", "speak", "-"],
        cwd=folder,
        input="Привет".encode("cp1251"),
        capture_output=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.decode().startswith("workbench: the text to speak: byte 1 is not UTF-8")


def test_what_the_system_refuses_is_one_line_and_no_fault_of_the_program(
    workbench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> int:
        raise PermissionError(errno.EACCES, "Permission denied", "runs")

    monkeypatch.setattr("workbench.cli.plugins.run_plugins", failing)
    outcome = workbench("plugins")
    assert (outcome.code, outcome.error) == (2, "runs: Permission denied; mend this and try again")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_standard_stream_that_is_closed_is_no_fault(closed: str, folder: Path) -> None:
    script = f"{sys.executable} -m workbench plugins {closed}; echo $? > code"
    subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, timeout=50, check=True)
    assert (folder / "code").read_text().strip() == "0"


def test_json_keeps_its_text_where_the_terminal_has_no_such_letters(folder: Path) -> None:
    (folder / "workbench.toml").write_text(HEAD.replace("probe", "голос"), encoding="utf-8")
    outcome = program(folder, "runs", "нет", PYTHONIOENCODING="ascii")
    assert outcome.code == 2
    (folder / "wavs").mkdir()
    (folder / "metadata.csv").write_text("нет.wav|Текст.\n", encoding="utf-8")
    report = program(folder, "health", "--json", PYTHONIOENCODING="ascii")
    assert report.code == 1, report.err
    assert "нет.wav" in {item["file"] for item in report.json["utterances"]}
