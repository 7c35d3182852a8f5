"""The command `workbench`: opens the workspace of this folder, or does one thing and prints the answer.

Only what a verb needs is imported, and never anything heavy: that lives in workers and in the trainer.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
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


def _verb(target: str) -> Verb:
    module, _, name = target.partition(":")
    return cast("Verb", getattr(importlib.import_module(module), name))
