"""Whatever a script, a config.yaml or a command line holds: a workspace or one line, never a traceback."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import pytest
from piper_project import CONFIG_YAML, TRAIN_RESUME, fingerprint, make_dataset, make_project

from workbench.adopt import adopt
from workbench.adopt.report import as_json, lines, toml
from workbench.config import workspace_from_dict
from workbench.errors import WorkbenchError

COMMAND = (
    "CUDA_VISIBLE_DEVICES=0,1 python -m piper.train fit -c run.yaml --data.csv_path 'metadata_2col.csv' "
    '--data.audio_dir "wavs" --data.espeak_voice ru --data.voice_name x --trainer.devices [0,1] '
    "--data.vowel_clusters '[[\"a\", \"ɪ\"]]' --model.resblock_kernel_sizes '(3,5,7)' --ckpt_path=last "
    "--seed_everything=1"
)
# What breaks readers: openings without an end, and values of another kind, size and sign.
PIECES = (
    "'", '"', "`", "$(", "${", "}", ")", "(", "\\", "\n", "\0", "$", "<<EOF\n", "|", "&&", ";", "#", "=", "[", "]", "{",
    ":", "- ", "&a ", "*a ", "!!python/object/apply:os.system ", "? ", "--", " -1 ", "1e999", "nan", "null", "true",
    "9" * 400, "/" * 300, "../" * 50, "é" * 300, "\ud7ff", "\x1b[2J", "\u202e", "{'a': [", "((((", "- - - -", "0x1F",
    "1_0", "2001-01-01", "~", "%", "@", "${A:-${A:-", "$((1+1))", "\r\n", "\t", "data:", "trainer:", "fit:",
    "services:",
)  # fmt: skip
ROUNDS = 300


def mutated(text: str, chance: random.Random) -> str:
    for _ in range(chance.randint(1, 6)):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice((0, 0, 1, 3, 20, 200)))
        how = chance.random()
        if how < 0.5:
            text = text[:begin] + chance.choice(PIECES) + text[end:]
        elif how < 0.7:
            text = text[:begin] + text[end:]
        elif how < 0.9:
            other = chance.randrange(len(text) + 1)
            text = text[:begin] + text[other : other + 60] + text[begin:]
        else:
            text = text[:begin]
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fuzz")
    make_dataset(folder, 5)
    make_project(folder)
    (folder / "run.yaml").write_text("data: {batch_size: 3}\n")
    return folder


def test_nothing_that_is_read_ends_in_a_traceback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    chance = random.Random(20_260_112)
    inputs = {
        "train_resume.sh": TRAIN_RESUME,
        "some.yaml": CONFIG_YAML,
        "command": COMMAND,
        "config.json": '{"audio": {}}',
    }
    before = fingerprint(folder)
    adopted = refused = 0
    for number in range(ROUNDS):
        name = list(inputs)[number % len(inputs)]
        text = mutated(inputs[name], chance)
        data = text.encode("utf-8", "replace")
        if number % 7 == 0:
            data = data[: len(data) // 2] + bytes(chance.randrange(256) for _ in range(8)) + data[len(data) // 2 :]
        arguments = [f"piper.train {text}" if "piper.train" not in text else text]
        if name != "command":
            (folder / name).write_bytes(data)
            arguments = [name]
        try:
            adoption = adopt(arguments)
            told = [*lines(adoption), toml(adoption), str(as_json(adoption, written=None))]
        except WorkbenchError as error:
            refused += 1
            told = [str(error), "", ""]
        else:
            adopted += 1
        assert all("\n" not in line for line in told[:-2])
    # Both ends must be reached, or the mutations are too weak or too strong to show anything.
    assert adopted > ROUNDS // 6
    assert refused > ROUNDS // 20
    for name, text in inputs.items():
        if name != "command":
            (folder / name).write_text(text, encoding="utf-8")
    after = fingerprint(folder)
    assert set(after) - set(before) == {"some.yaml"}


def test_what_is_written_after_a_mutation_can_be_read_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    chance = random.Random(7)
    read = 0
    for _ in range(60):
        try:
            adoption = adopt([mutated(COMMAND, chance)])
        except WorkbenchError:
            continue
        tables = tomllib.loads(toml(adoption))
        workspace = workspace_from_dict(tables, folder / "workbench.toml")
        assert workspace.training == adoption.workspace.training
        assert workspace.dataset == adoption.workspace.dataset
        read += 1
    assert read > 5
