"""Scripts are read as a shell would, and nothing in them is executed."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.adopt.script import FIT, LEGACY, PREPROCESS, Reading, read_script
from workbench.adopt.shell import parse


def read(text: str, folder: Path, file: Path | None = None, **variables: str) -> Reading:
    return read_script(text, file=file, folder=folder, variables=variables)


def arguments(text: str, folder: Path = Path("/project"), file: Path | None = None, **variables: str) -> list[str]:
    """Arguments of the only call in a text; a variable that is not known keeps its name."""
    (call,) = read(text, folder, file, **variables).invocations
    return [argument.text.value for argument in call.arguments if argument.text.value != "fit"]


def missing(text: str, **variables: str) -> set[str]:
    """What was not known in the arguments of the only call."""
    (call,) = read(text, Path("/project"), **variables).invocations
    return {name for argument in call.arguments for name in argument.text.missing}


FIT_LINE = "python -m piper.train fit "


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--a=1 --b 2", ["--a=1", "--b", "2"]),
        ("--a='x y' --b=\"x y\"", ["--a=x y", "--b=x y"]),
        ("--a=x\\ y", ["--a=x y"]),
        ("--a='$HOME' --b=\"\\$X\"", ["--a=$HOME", "--b=$X"]),
        ("--a=$'x\\ty'", ["--a=x\ty"]),
        ("--a=\"one\"'two'three", ["--a=onetwothree"]),
        ('--a=""', ["--a="]),
        ("--a=x#y # a remark", ["--a=x#y"]),
        ("--a=1 > log.txt 2>&1", ["--a=1"]),
        ("--a=1 2>/dev/null | tee log", ["--a=1"]),
        ("--a=1 &> log && echo done", ["--a=1"]),
        ("--a=1 > >(tee log)", ["--a=1"]),
        ("--a=1; echo --b=2", ["--a=1"]),
        ("--a=1 &", ["--a=1"]),
        ("--a=1 <<< text", ["--a=1"]),
        ("--a=[1,2] --b='{\"c\": 1}'", ["--a=[1,2]", '--b={"c": 1}']),
    ],
)
def test_words_are_those_that_a_shell_makes(words: str, expected: list[str]) -> None:
    assert arguments(FIT_LINE + words) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A=x\n", "x"),
        ("export A=x\n", "x"),
        ("declare -x A='x'\n", "x"),
        ('A=x; A="${A}y"\n', "xy"),
        ("A=x\nA+=y\n", "xy"),
        ('A="${1:-x}"\n', "x"),
        ('A="${B-x}"\n', "x"),
        ('B=\nA="${B:-x}"\n', "x"),
        ('B=y\nA="${B:+x}"\n', "x"),
        (': "${A:=x}"\nA="${A:-x}"\n', "x"),
        ('A="${B:-${C:-"x"}}"\n', "x"),
        ("A=/a/x.ckpt\nA=${A##*/}\nA=${A%.ckpt}\n", "x"),
        ("A=x # not y\n", "x"),
        ("A=$(echo x)\n", "x"),
        ("A=`echo x`\n", "x"),
        ("A=$(basename /a/x/)\n", "x"),
        ("if [ -z \"$A\" ]; then\n  A=x\nfi\n", "x"),
        ("A=x\nif [ -n \"$1\" ]; then A=$1; fi\n", "x"),
        ("A=x\n[ -n \"$1\" ] && A=$1\n", "x"),
        ("A=x\nwhile [[ $# -gt 0 ]]; do case \"$1\" in --a) A=\"$2\"; shift 2 ;; esac; done\n", "x"),
        ("cat <<EOF\nA=y\nEOF\nA=x\n", "x"),
        ("cat <<-'EOF' > f\n\tit's A=y\n\tEOF\nA=x\n", "x"),
        ("# it's\nA=x\n", "x"),
        ("A='x\n'\nA=${A%?}\n", "x"),
    ],
)  # fmt: skip
def test_variables_have_the_value_that_the_script_gives_them(script: str, expected: str) -> None:
    assert arguments(f'{script}{FIT_LINE}--a="$A"') == [f"--a={expected}"]


def test_unquoted_variables_are_split_and_empty_ones_vanish() -> None:
    script = 'R=""\nO="--a 1  --b=2"\npython -m piper.train fit $R $O "$R" x$O'
    assert arguments(script) == ["--a", "1", "--b=2", "", "x--a", "1", "--b=2"]


def test_arrays_become_words() -> None:
    script = """
ARGS=(
    --a "x y"   # it's a remark
    --b=2
)
ARGS+=(--c 3)
python -m piper.train fit "${ARGS[@]}" "$@" --d="${ARGS[0]}"
"""
    assert arguments(script) == ["--a", "x y", "--b=2", "--c", "3", "--d=--a"]


def test_what_the_user_gives_wins_over_the_script() -> None:
    assert arguments(f"A=x\n{FIT_LINE}--a=$A --b=$1", A="y", **{"1": "z"}) == ["--a=y", "--b=z"]


@pytest.mark.parametrize(
    ("script", "names"),
    [
        (f"{FIT_LINE}--a=$DATA", {"DATA"}),
        (f'{FIT_LINE}--a="$1"', {"1"}),
        (f"A=$ROOT/x\n{FIT_LINE}--a=$A", {"ROOT"}),
        (f"LATEST=$(ls -t *.ckpt | head -1)\n{FIT_LINE}--a=$LATEST", {"LATEST"}),
        (f"{FIT_LINE}--a=$(date)", {"$(date)"}),
        (f"A=x\n{FIT_LINE}--a=${{A^^}}", {"${A^^}"}),
        (f"{FIT_LINE}--a=${{!A}}", {"${!A}"}),
        (f"for A in 1 2; do {FIT_LINE}--a=$A; done", {"A"}),
        (f"{FIT_LINE}--a=$((2 * 8))", {"$((2 * 8))"}),
    ],
)
def test_what_can_not_be_known_is_named(script: str, names: set[str]) -> None:
    assert missing(script) == names


def test_the_folder_of_the_script_is_known(tmp_path: Path) -> None:
    script = tmp_path / "script" / "train" / "go.sh"
    text = f"""
ROOT="$(cd "$(dirname "${{BASH_SOURCE[0]}}")/../.." >/dev/null 2>&1 && pwd)"
HERE=$(dirname "$(realpath "$0")")
cd "$ROOT"
{FIT_LINE}--a="$ROOT/x" --b="$HERE" --c="$PWD" --d="$(pwd)"
"""
    reading = read(text, script.parent, script)
    (call,) = reading.invocations
    assert call.folder == tmp_path
    values = [argument.text.value for argument in call.arguments[1:]]
    assert values == [f"--a={tmp_path}/x", f"--b={script.parent}", f"--c={tmp_path}", f"--d={tmp_path}"]


@pytest.mark.parametrize(
    ("line", "program"),
    [
        ("python -m piper.train fit --a 1", FIT),
        ("python3 -m piper.train --config x fit --a 1", FIT),
        ("CUDA_VISIBLE_DEVICES=0,1 nohup nice -n 5 .venv/bin/python -u -m piper.train fit --a 1 &", FIT),
        ("uv run python -m piper_train --a 1", LEGACY),
        ("env X=1 python -mpiper_train --a 1", LEGACY),
        ("torchrun --nproc_per_node 2 -m piper.train fit --a 1", FIT),
        ("python tools/fit_without_mos.py fit --data.csv_path x", FIT),
        ("docker run --rm -v /host:/data image python -m piper.train fit --a 1", FIT),
        ("docker compose -f c.yml run --rm train bash -lc 'cd /x && python -m piper.train fit --a 1'", FIT),
        ("docker exec box bash -c \"python -m piper_train \\\n   --dataset-dir \"/data/$X/\" \\\n  --a 1\n\"", LEGACY),
        ("ssh box 'cd piper; python -m piper.train fit --a 1'", FIT),
        ("python3 -m piper_train.preprocess --language ru", PREPROCESS),
        ("train() {\n  python -m piper.train fit --a 1\n}\ntrain", FIT),
    ],
)  # fmt: skip
def test_calls_are_found_behind_whatever_starts_them(line: str, program: str) -> None:
    (call,) = read(line, Path("/project")).invocations
    assert call.program == program


@pytest.mark.parametrize(
    "line",
    [
        'echo "python -m piper.train fit --a 1"',
        "# python -m piper.train fit --a 1",
        "cat <<EOF\npython -m piper.train fit --a 1\nEOF",
        "python -m piper.train.export_onnx --checkpoint x",
        "python -m piper_train.infer --checkpoint x",
        "pip install piper-tts[train]",
        "python -m piper.train validate --a 1",
    ],
)
def test_what_only_looks_like_a_training_is_none(line: str) -> None:
    assert read(line, Path("/project")).trainings == ()


def test_gpus_that_are_left_visible_are_counted() -> None:
    for prefix in (
        "CUDA_VISIBLE_DEVICES=0,1 ",
        "export CUDA_VISIBLE_DEVICES=0,1\n",
        "env CUDA_VISIBLE_DEVICES=1,3 ",
        "docker run -e NVIDIA_VISIBLE_DEVICES=0,1 image ",
    ):
        (call,) = read(f"{prefix}{FIT_LINE}--a 1", Path("/project")).invocations
        assert call.visible_devices == 2, prefix
    (call,) = read(f"CUDA_VISIBLE_DEVICES=all {FIT_LINE}--a 1", Path("/project")).invocations
    assert call.visible_devices is None


def test_settings_of_another_script_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "settings.sh").write_text("DATA=/x\nsource settings.sh\n")
    assert arguments(f"source ./settings.sh\n. ./none.sh\n{FIT_LINE}--a=$DATA", tmp_path) == ["--a=/x"]


def test_lines_are_joined_where_a_backslash_was_lost_and_that_is_told() -> None:
    text = f"{FIT_LINE}\\\n  --a=1 \\  # remark\n  --b=2   # remark\n\n  # remark\n  --c=3\necho --d=4\n"
    reading = read(text, Path("/project"))
    assert [argument.text.value for argument in reading.invocations[0].arguments[1:]] == ["--a=1", "--b=2", "--c=3"]
    assert reading.loose_lines == (2, 3)


def test_lines_of_arguments_are_those_of_the_file() -> None:
    (call,) = read(f"\n\n{FIT_LINE}\\\n  --a=1 \\\n\\\n  --b=2", Path("/project")).invocations
    assert call.line == 3
    assert [argument.line for argument in call.arguments] == [3, 4, 6]


def test_a_quote_that_is_never_closed_is_named_with_its_line() -> None:
    assert parse("a\nb 'c\nd").unclosed == 2
    assert parse('a\nb "c\nd').unclosed == 2
    assert parse("a\n'b' \"c\" ${d} $(e 'f')").unclosed is None


def test_a_variable_that_doubles_itself_stays_small() -> None:
    script = "A=0123456789\n" + 'A="$A$A"\n' * 60 + f"{FIT_LINE}--a=$A"
    assert missing(script) == {"a value that is too long"}


def test_defaults_in_defaults_without_end_are_given_up() -> None:
    nested = "${A:-" * 400 + "}" * 400
    assert missing(f'{FIT_LINE}--a="{nested}"')


def test_nothing_is_executed(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    script = f"""
touch {canary}
A=$(touch {canary})
B=`touch {canary}`
eval "touch {canary}"
C=${{D:-$(touch {canary})}}
cat < /dev/zero
{FIT_LINE}--a=$A --b=$B --c=$C --d="$(touch {canary}; pwd)"
"""
    read(script, tmp_path, tmp_path / "train.sh")
    assert not canary.exists()
