"""The grammar of the command line: the verbs, what they share, and refusals in one line."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from workbench import __version__
from workbench.cli.arguments import ARGUMENTS
from workbench.cli.values import path
from workbench.config import did_you_mean

_INVALID_VERB = re.compile(r"argument VERB: invalid choice: '(.*?)'")


class Parser(argparse.ArgumentParser):
    """An argument parser whose refusals are one line and whose options can't be abbreviated."""

    def __init__(self, **options: object) -> None:
        options["allow_abbrev"] = False
        options.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        super().__init__(**options)  # type: ignore[arg-type]  # passed through to argparse

    def error(self, message: str) -> NoReturn:
        """Say what is wrong in one line and end with exit code 2."""
        verb = _INVALID_VERB.search(message)
        if verb:
            hint = did_you_mean(verb[1], VERBS) if verb[1] != "help" else ""
            message = f"there is no verb '{verb[1]}'{hint or '; see `workbench --help`'}"
        else:
            message = f"{message}; see `{self.prog} --help`"
        self._refuse(message)

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override]  # no overloads
        """As argparse, but what is unknown is refused by the verb that it was given to."""
        found, rest = self.parse_known_args(args, namespace)
        if rest:
            self._verbs().get(getattr(found, "verb", None) or "", self)._refuse_unknown(rest[0], self._verbs())
        return found

    def _refuse_unknown(self, given: str, verbs: Mapping[str, Parser]) -> NoReturn:
        option = given.split("=")[0]
        if not option.startswith("-"):
            self._refuse(f"unknown argument '{given}'; see `{self.prog} --help`")
        owners = [f"`{verb.prog}`" for verb in verbs.values() if option in verb._option_string_actions]
        hint = f"; it is one of {', '.join(owners)}" if owners else did_you_mean(option, self._option_string_actions)
        self._refuse(f"unknown option '{given}'{hint or f'; see `{self.prog} --help`'}")

    def _verbs(self) -> Mapping[str, Parser]:
        return next((item.choices for item in self._actions if isinstance(item, argparse._SubParsersAction)), {})

    def _refuse(self, message: str) -> NoReturn:
        sys.stderr.write(f"workbench: {' '.join(message.split())}\n")
        raise SystemExit(2)


VERBS: dict[str, str] = {
    "init": "write a workspace file for the recordings in a folder",
    "adopt": "write a workspace file for a Piper project; nothing of the project is changed",
    "health": "look at every row and recording; say what would not be trained and why",
    "mismatch": "listen to every recording; say which ones do not fit their texts",
    "curate": "exclude rows, correct texts, mend copies of recordings; table and recordings stay as they are",
    "prepare": "make the clips that a training needs, here or on many machines",
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
    "bench": "measure this machine: how fast it trains, loads, speaks, and what limits it",
    "report": "write whether a training can start, and why not: eleven sections, each measured",
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
        ARGUMENTS[name](verb)
    return parser


def _add_common(parser: argparse.ArgumentParser, default: object) -> None:
    # The same options before and after the verb; SUPPRESS keeps the verb's default from undoing what stood before it.
    parser.add_argument(
        "-C", "--workspace", metavar="PATH", type=path, default=default, help="workspace folder or file (default: .)"
    )
    off = False if default is None else argparse.SUPPRESS
    parser.add_argument("--safe", action="store_true", default=off, help="load first-party plugins only")
