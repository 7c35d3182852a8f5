"""The command `workbench`: opens the workspace of this folder, or does one thing and prints the answer.

Only what a verb needs is imported, and never anything heavy: that lives in workers and in the trainer.
"""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from workbench.cli.guard import guarded
from workbench.cli.output import Console
from workbench.cli.parser import build_parser

Verb = Callable[[argparse.Namespace, Console], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Args:
        argv: arguments without the program's name; those of the process when None.
    """
    _settle_streams()
    try:
        args = build_parser().parse_args(argv)
    except SystemExit as end:  # --help and --version end with 0, a wrong command line with 2
        sys.stdout.flush()
        return end.code if isinstance(end.code, int) else 2
    if args.safe:
        # Workers, supervisor and trainer load plugins of their own; they inherit the wish.
        os.environ["WORKBENCH_SAFE"] = "1"
    target = getattr(args, "run", "workbench.cli.viewer:run_viewer")
    console = Console(as_json=getattr(args, "json", False))
    return guarded(lambda: _verb(target)(args, console))


def _settle_streams() -> None:
    """Let no verb stumble over its standard streams.

    A stream that was closed (`>&-`) is /dev/null from here on, or the next file that is opened would get its number
    and whatever is printed. What the terminal's encoding lacks is spelled out (`\\u0434`).
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115 - open as long as we live
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _verb(target: str) -> Verb:
    module, _, name = target.partition(":")
    return cast("Verb", getattr(importlib.import_module(module), name))
