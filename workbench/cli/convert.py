"""The verb `convert`."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any

from workbench.cli.guard import OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import shown

CONVERT = "workbench.workers.targets.convert:convert"
IMPORTS = "workbench.workers.targets.convert:imports"
_NAMED = 20


def run_convert(args: argparse.Namespace, console: Console) -> int:
    """Rewrite a checkpoint that is refused, or in the old format, as one that everybody reads."""
    from workbench.workers import Worker

    source = shown(args.file)
    with Worker("torch") as worker:
        wanted: list[str] = worker.call(IMPORTS, source=source)
        if wanted and args.trust:
            # Before anything of it runs.
            console.note(f"{source} wants to import {_list(wanted)}")
            console.note("its code runs now, in a process of its own, because you trust it")
        result: Mapping[str, Any] = worker.call(
            CONVERT,
            on_progress=ProgressLines(console, "converting"),
            source=source,
            out=shown(args.out),
            trust=args.trust,
        )
    if args.trust and not wanted:
        console.note("nothing in it needed trust: it was read like any other file")
    if result["ran_code"]:
        reach = {True: "could reach no network", False: "could reach the network: this system has no way to prevent it"}
        console.note(f"its code {reach.get(result['offline'], 'was not told whether it could reach the network')}")
    for line in result["left_out"]:
        console.line(f"left out: {line}")
    console.line(f"wrote {result['out']} ({result['bytes'] / 1e6:.1f} MB)")
    console.answer({**result, "imports": wanted})
    return OK


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{', '.join(names[:_NAMED])}{more}"
