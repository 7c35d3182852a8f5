"""`workbench adopt`, as a user types it."""

from __future__ import annotations

import io
import shlex
from pathlib import Path

import pytest
from piper_project import TRAIN_RESUME, fingerprint, make_dataset, make_project

from workbench.config import load_workspace

from .conftest import HEAD, Command, program
from .test_viewer import at_a_terminal

COMMAND = (
    "python -m piper.train fit --data.csv_path metadata_2col.csv --data.audio_dir wavs --data.espeak_voice ru "
    "--data.voice_name felix --data.batch_size 12 --trainer.max_epochs 70"
)


@pytest.fixture
def project(folder: Path) -> Path:
    """A Piper project in the current folder."""
    make_dataset(folder, 12)
    make_project(folder)
    return folder


def test_it_writes_one_file_and_tells_all_about_it(workbench: Command, project: Path) -> None:
    before = fingerprint(project)
    outcome = workbench("adopt")
    assert (outcome.code, outcome.err) == (0, "")
    after = fingerprint(project)
    assert set(after) - set(before) == {"workbench.toml"}
    assert {name: after[name] for name in before} == before
    lines = outcome.out.splitlines()
    assert lines[0] == "read train_resume.sh:14: piper.train fit, 14 options"
    assert '  --trainer.accelerator gpu                           [training] accelerator = "cuda"' in lines
    assert lines[-1] == "wrote workbench.toml, and changed nothing else; next: workbench health"
    assert "epoch=426-step=202398 does not fit 12 clips" in outcome.out
    assert load_workspace(project / "workbench.toml").training.batch_size == 16


def test_an_existing_workspace_file_is_left_as_it_is(workbench: Command, project: Path) -> None:
    (project / "workbench.toml").write_text(HEAD)
    before = fingerprint(project)
    outcome = workbench("adopt")
    assert outcome.code == 2
    assert outcome.error.startswith("workbench.toml: is there already and was left as it is")
    printed = workbench("adopt", "--print")
    assert printed.code == 0
    assert 'name = "felix_mirage"' in printed.out
    assert fingerprint(project) == before


def test_what_is_printed_is_what_is_written(workbench: Command, project: Path) -> None:
    printed = workbench("adopt", "--print").out
    answer = workbench("adopt", "--print", "--json").json
    assert not (project / "workbench.toml").exists()
    assert answer["written"] is False
    assert workbench("adopt").code == 0
    assert (project / "workbench.toml").read_text() == printed == answer["toml"]


def test_the_answer_is_json_when_asked(workbench: Command, project: Path) -> None:
    outcome = workbench("adopt", "--json")
    answer = outcome.json
    assert answer["written"] is True
    assert answer["next"] == "workbench health"
    assert answer["checkpoint"]["fits"] == []
    assert answer["checkpoint"]["version"] == 2
    assert {item["setting"]: item["value"] for item in answer["settings"]}["training.launcher"] == "ddp"
    assert answer["cache"]["piper_files"] == 8
    assert answer["moved"]["/workspace/datasets/felix_mirage/wavs"] == str(project / "wavs")


def test_the_file_is_written_where_the_user_wants_it(workbench: Command, project: Path) -> None:
    (project / "voice").mkdir()
    outcome = workbench("adopt", "train_resume.sh", "--to", "voice")
    assert outcome.code == 0
    assert outcome.out.endswith("next: workbench health -C voice\n")
    workspace = load_workspace(project / "voice")
    assert workspace.metadata == project / "metadata_2col.csv"
    assert workspace.piper_runs == project / "lightning_logs"
    assert workspace.cache == project / "voice" / ".workbench" / "cache"
    assert workbench("adopt", "--to", "nowhere").error.startswith("nowhere: there is no such folder")


@pytest.mark.parametrize("how", ["quoted", "words", "stdin", "file"])
def test_a_command_line_is_taken_in_every_way(
    how: str, workbench: Command, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"quoted": [COMMAND], "words": ["--", *shlex.split(COMMAND)], "stdin": ["-"], "file": ["notes.txt"]}[
        how
    ]
    (project / "notes.txt").write_text(f"How I train:\n\n{COMMAND}\n")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(COMMAND.encode())))
    outcome = workbench("adopt", *arguments)
    assert outcome.code == 0, outcome.err
    training = load_workspace(project).training
    assert (training.batch_size, training.epochs) == (12, 70)


def test_a_variable_is_asked_for_and_then_taken(workbench: Command, project: Path) -> None:
    script = TRAIN_RESUME.replace('"${DATA_DIR:-/workspace/datasets/felix_mirage}"', "$ROOT/felix")
    (project / "train_resume.sh").write_text(script)
    outcome = workbench("adopt", "train_resume.sh")
    assert outcome.code == 2
    assert outcome.error == (
        "train_resume.sh:18: --data.csv_path needs the variable ROOT, which the script does not set; give it: "
        "--var ROOT=VALUE"
    )
    assert not (project / "workbench.toml").exists()
    assert workbench("adopt", "train_resume.sh", "--var", f"DATA_DIR={project}").code == 0
    assert load_workspace(project).dataset.metadata == "metadata_2col.csv"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: there is no such file or folder"),
        (["empty"], "empty: nothing of Piper here"),
        (["other.sh"], "other.sh: no command `python -m piper.train fit …` or `python -m piper_train …` in it"),
        (["broken.sh"], "in it; line 2: a quote or bracket is not closed"),
        (["binary.sh"], "binary.sh: is not text"),
        (["x.yaml"], "x.yaml: no settings of a Piper run in it"),
        (["train.sh", "--var", "DATA"], "--var DATA: NAME=VALUE is wanted"),
        (["python", "train.py"], "command line: no command"),
        ([""], "the name is empty; a folder, a script"),
        (["piper.train fit\n--x"], "command line: no command"),
    ],
)
def test_what_is_no_piper_project_is_refused_in_one_line(
    arguments: list[str], message: str, workbench: Command, folder: Path
) -> None:
    (folder / "empty").mkdir()
    (folder / "other.sh").write_text("echo hello\n")
    (folder / "broken.sh").write_text("echo\npython 'piper.train fit\n")
    (folder / "binary.sh").write_bytes(b"\x7fELF\0\0")
    (folder / "x.yaml").write_text("a: 1\n")
    before = fingerprint(folder)
    outcome = workbench("adopt", *arguments)
    assert outcome.code == 2
    assert message in outcome.error
    assert fingerprint(folder) == before


def test_without_a_terminal_the_viewer_says_that_it_can_be_adopted(workbench: Command, project: Path) -> None:
    outcome = workbench()
    assert outcome.code == 2
    assert "it is a Piper project (train_resume.sh): take it over with `workbench adopt`" in outcome.error
    (project / "train_resume.sh").unlink()
    assert "it is a Piper project (lightning_logs)" in workbench().error
    assert not (project / "workbench.toml").exists()


@pytest.mark.parametrize(("answer", "written"), [("y\n", True), ("n\n", False)])
def test_the_viewer_asks_before_it_adopts(answer: str, written: bool, tmp_path: Path) -> None:
    make_dataset(tmp_path, 3)
    make_project(tmp_path)
    code, shown = at_a_terminal(tmp_path, answer, TERM="dumb")
    assert code == 0, shown
    assert "It is a Piper project (train_resume.sh)." in shown
    assert (tmp_path / "workbench.toml").exists() == written
    assert ("next: workbench health" in shown) == written


def test_the_workspace_that_was_written_is_one_for_the_other_verbs(tmp_path: Path) -> None:
    make_dataset(tmp_path, 3)
    make_project(tmp_path)
    assert program(tmp_path, "adopt").code == 0
    outcome = program(tmp_path)
    assert outcome.code == 0
    assert "voice felix_mirage, language ru, quality medium" in outcome.out
    assert "(not there)" not in outcome.out
