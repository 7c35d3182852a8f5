"""The grammar of the command line. Each verb names the function that runs it, which is imported only then."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from workbench import __version__
from workbench.config import did_you_mean
from workbench.config.settings import CONTINUE, KEEP, RESUME, SET, VOCODER, WARM_START
from workbench.executors import NAMES as EXECUTORS

_INVALID_VERB = re.compile(r"argument VERB: invalid choice: '(.*?)'")
_UNRECOGNIZED = re.compile(r"unrecognized arguments: (.*)")


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one line and whose options can't be abbreviated."""

    def __init__(self, **options: object) -> None:
        options["allow_abbrev"] = False
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)  # type: ignore[arg-type]  # passed through to argparse

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and end with exit code 2."""
        verb = _INVALID_VERB.search(message)
        unknown = _UNRECOGNIZED.search(message)
        if verb:
            hint = did_you_mean(verb[1], VERBS) if verb[1] != "help" else ""
            message = f"there is no verb '{verb[1]}'{hint or '; see `workbench --help`'}"
        elif unknown:
            first = unknown[1].split()[0]
            hint = did_you_mean(first.split("=")[0], self._all_options())
            kind = "option" if first.startswith("-") else "argument"
            message = f"unknown {kind} '{first}'{hint or f'; see `{self.prog} --help`'}"
        else:
            message = f"{message}; see `{self.prog} --help`"
        sys.stderr.write(f"workbench: {' '.join(message.split())}\n")
        raise SystemExit(2)

    def _all_options(self) -> list[str]:
        """Options of this parser and of its verbs: argparse lets the outer one complain for the inner one."""
        options = [*self._option_string_actions]
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                options += [option for verb in action.choices.values() for option in verb._option_string_actions]
        return options


VERBS: dict[str, str] = {
    "init": "write a workspace file for the recordings in a folder",
    "adopt": "write a workspace file for a Piper project; nothing of the project is changed",
    "health": "look at every row and recording; say what would not be trained and why",
    "train": "start or resume a training and follow it",
    "runs": "list the training runs, or show or follow one",
    "stop": "stop a training at its next step, with a checkpoint",
    "checkpoints": "list the checkpoints of a run",
    "samples": "list, write or play what a run's voice said while it was trained",
    "export": "write a checkpoint as a voice, and compare the two",
    "speak": "speak a text with a checkpoint or an exported voice",
    "convert": "rewrite a foreign or old checkpoint as one that this program and Piper read",
    "plugins": "list the plugins and what they offer",
    "doctor": "check this machine",
    "walk": "the whole way without a terminal: health, short training, export, speak",
}

_EXIT_CODES = "exit codes: 0 done, 1 the answer is no (errors found, a check failed), 2 something must be mended first"


def build_parser() -> Parser:
    """The parser of the whole command line."""
    parser = Parser(
        prog="workbench",
        description="A terminal workbench for people who train VITS / Piper voices.\n"
        "Without a verb it opens the workspace of the current folder.",
        epilog=_EXIT_CODES,
    )
    parser.add_argument("--version", action="version", version=f"voice-workbench {__version__}")
    _add_common(parser, default=None)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs", parser_class=Parser)
    for name, about in VERBS.items():
        verb = verbs.add_parser(name, help=about, description=f"{about[0].upper()}{about[1:]}.", epilog=_EXIT_CODES)
        _add_common(verb, default=argparse.SUPPRESS)
        verb.add_argument("--json", action="store_true", help="answer with JSON on stdout")
        _ARGUMENTS[name](verb)
    return parser


def _add_common(parser: argparse.ArgumentParser, default: object) -> None:
    # The same options before and after the verb; SUPPRESS keeps the verb's default from undoing what stood before it.
    parser.add_argument(
        "-C", "--workspace", metavar="PATH", type=_path, default=default, help="workspace folder or file (default: .)"
    )
    off = False if default is None else argparse.SUPPRESS
    parser.add_argument("--safe", action="store_true", default=off, help="load first-party plugins only")


def _init(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.dataset:run_init")
    parser.add_argument("folder", metavar="FOLDER", nargs="?", type=_path, help="folder of the dataset (default: .)")
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")


def _adopt(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.adopt:run_adopt")
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="*",
        help="folder, train script, config.yaml of a run, '-' (a command line on stdin), or, in quotes or behind '--', "
        "the command line itself (default: .)",
    )
    parser.add_argument("--to", metavar="FOLDER", type=_path, help="folder of the voice (default: the project's)")
    parser.add_argument(
        "--var",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="value of a variable that the script does not set",
    )
    parser.add_argument("--print", action="store_true", help="print the file instead of writing it")


def _health(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.dataset:run_health")
    parser.add_argument(
        "path",
        metavar="PATH",
        nargs="?",
        type=_path,
        help="folder or table of any dataset, with or without a workspace (default: the workspace here)",
    )
    parser.add_argument("--all", action="store_true", help="print every finding, not the first 30 of each kind")
    parser.add_argument("--strict", action="store_true", help="exit code 1 for warnings as well")
    parser.add_argument("--sarif", metavar="FILE", type=_path, help="write the findings as SARIF 2.1.0 as well")
    parser.add_argument(
        "--shard",
        metavar="I/N",
        type=_shard,
        help="only measure part I of N of the recordings, for a later check on the same disk; nothing is judged",
    )
    parser.add_argument(
        "--executor",
        choices=EXECUTORS,
        default="auto",
        help="where recordings are measured: here, in processes, on a Ray cluster (default auto)",
    )


def _train(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.training:run_train")
    parser.add_argument(
        "--resume",
        metavar="RUN",
        help="go on with a run (id, folder or 'latest') where it stopped; with other settings, or from a .ckpt file, "
        "a new run goes on from there",
    )
    parser.add_argument(
        "--from",
        dest="begin",
        metavar="CKPT",
        help="begin a new run with a checkpoint (file, run id, 'latest' or 'best'), or 'none' for a run from scratch "
        "(overrides [start] checkpoint)",
    )
    parser.add_argument(
        "--mode",
        choices=(RESUME, WARM_START, VOCODER),
        help="resume: go on where it stopped; warm-start: all weights that fit, at epoch 0; vocoder: decoder, "
        "posterior encoder and flow only",
    )
    parser.add_argument(
        "--learning-rate",
        choices=(CONTINUE, KEEP, SET),
        help="on resuming: let the file's rate decay on, keep it constant, or set that of [training]",
    )
    about = "print what the run would begin with and do not start it; exit code 1 if it can't begin so"
    parser.add_argument("--plan", action="store_true", help=about)
    parser.add_argument("--epochs", type=_positive, help="epochs to train (overrides [training] epochs)")
    parser.add_argument("--max-steps", type=_positive, help="batches after which training ends")
    parser.add_argument(
        "--set",
        metavar="TABLE.KEY=VALUE",
        action="append",
        default=[],
        help="override a setting for this run, for instance --set training.batch_size=8",
    )
    parser.add_argument("--detach", action="store_true", help="return as soon as it has started")


def _runs(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.runs:run_runs")
    parser.add_argument("run_name", metavar="RUN", nargs="?", help="id, folder or 'latest'; default: list all")
    parser.add_argument("--follow", action="store_true", help="follow the run until it ends")
    parser.add_argument("--settings", action="store_true", help="print the settings that the run was started with")


def _stop(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.training:run_stop")
    parser.add_argument("run_name", metavar="RUN", nargs="?", help="id or folder; default: the run that is active")
    parser.add_argument("--wait", metavar="SECONDS", type=_seconds, default=60.0, help="how long to wait (default 60)")


def _checkpoints(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.runs:run_checkpoints")
    parser.add_argument("run_name", metavar="RUN", nargs="?", default="latest", help="id, folder or 'latest'")


def _samples(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.samples:run_samples")
    parser.add_argument("run_name", metavar="RUN", nargs="?", default="latest", help="id, folder or 'latest'")
    parser.add_argument("--all", action="store_true", help="list every sample, not the newest 20")
    one = parser.add_mutually_exclusive_group()
    one.add_argument("--write", metavar="N", type=_positive, help="write sample N as a WAV")
    one.add_argument("--play", metavar="N", type=_positive, help="write sample N and play it")
    parser.add_argument("--out", metavar="WAV", type=_path, help="file to write (default: a new one in voices/spoken)")
    parser.add_argument("--player", metavar="NAME", default="auto", help="player (default: the best one that works)")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.voices:run_export")
    parser.add_argument(
        "checkpoint", metavar="CHECKPOINT", nargs="?", default="latest", help="file, run id, 'latest' or 'best'"
    )
    parser.add_argument("--out", metavar="FOLDER", type=_path, help="folder for the voice (default: [paths] voices)")
    parser.add_argument("--exporter", metavar="NAME", default="onnx", help="voice format (default onnx)")


def _speak(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.voices:run_speak")
    parser.add_argument(
        "text", metavar="TEXT", nargs="?", help="what to say; '-': read it from stdin (default: a sentence)"
    )
    parser.add_argument(
        "--with",
        dest="source",
        metavar="SOURCE",
        default="latest",
        help="voice (.onnx), checkpoint, run id, 'latest' (default) or 'best'",
    )
    parser.add_argument("--out", metavar="WAV", type=_path, help="file to write (default: a new one in voices/spoken)")
    parser.add_argument("--speaker", metavar="NAME", help="name or number of the speaker of a multi-speaker voice")
    parser.add_argument("--length-scale", type=_factor, help="tempo: 1 as trained, 2 twice as slow")
    parser.add_argument("--player", metavar="NAME", default="auto", help="player (default: the best one that works)")
    parser.add_argument("--no-play", action="store_true", help="only write the file")


def _convert(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.convert:run_convert")
    parser.add_argument("file", metavar="FILE", type=_path, help="the checkpoint; it stays as it is")
    parser.add_argument(
        "--out", metavar="NEW.ckpt", type=_path, required=True, help="file to write; must not exist yet"
    )
    parser.add_argument(
        "--i-trust-this-file",
        dest="trust",
        action="store_true",
        help="let the file run its code, in a process of its own, if it can't be read without",
    )


def _plugins(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.plugins:run_plugins")
    parser.add_argument("name", metavar="NAME", nargs="?", help="show one plugin in full")


def _doctor(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.doctor:run_doctor")


def _walk(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(run="workbench.cli.walk:run_walk")
    parser.add_argument("--steps", type=_positive, default=40, help="batches to train (default 40)")
    parser.add_argument("--text", help="what to say at the end (default: a sentence)")


_ARGUMENTS: dict[str, Callable[[argparse.ArgumentParser], None]] = {
    "init": _init,
    "adopt": _adopt,
    "health": _health,
    "train": _train,
    "runs": _runs,
    "stop": _stop,
    "checkpoints": _checkpoints,
    "samples": _samples,
    "export": _export,
    "speak": _speak,
    "convert": _convert,
    "plugins": _plugins,
    "doctor": _doctor,
    "walk": _walk,
}


def _path(text: str) -> Path:
    if not text:  # an unset shell variable, say; it would mean the current folder
        raise argparse.ArgumentTypeError("the name is empty; a path is wanted")
    return Path(text)


def _shard(text: str) -> tuple[int, int]:
    part, slash, parts = text.partition("/")
    if not slash or _positive(part) > _positive(parts):
        raise argparse.ArgumentTypeError(f"'{text}' is no part such as 1/4 (the first of four)")
    return int(part), int(parts)


def _positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a whole number above 0")
    return number


def _seconds(text: str) -> float:
    return _number(text, "a number of seconds from 0")


def _factor(text: str) -> float:
    value = _number(text, "a factor above 0")
    if value == 0:
        raise argparse.ArgumentTypeError(f"'{text}' is not a factor above 0")
    return value


def _number(text: str, wanted: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is not {wanted}")
    return value
