"""The verb `bench`."""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Mapping
from typing import Any

from core_vits.machine import cores
from workbench.bench.parts import PARTS, Part
from workbench.cli.context import open_workspace_if_any
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.errors import Cancelled, WorkbenchError
from workbench.workers import Worker

_PART_SECONDS = 120.0
"""After which a part counts as failed."""
_MUCH = 3.0
"""Times as many clips as the step takes: more is of no use."""


def run_bench(args: argparse.Namespace, console: Console) -> int:
    """Measure this machine; exit code 1 when a part failed, which stops no other."""
    workspace = open_workspace_if_any(args)
    file = str(workspace.file) if workspace is not None else None
    chosen = [name for name in PARTS if not args.only or name in args.only]
    what = f"quality {workspace.voice.quality} of this workspace" if workspace is not None else "the demo voice"
    console.note(f"measuring with {what}; other programs that run now make it slower")
    measured: dict[str, Mapping[str, Any]] = {}
    workers: dict[str, Worker] = {}
    try:
        for number, name in enumerate(chosen, start=1):
            part = PARTS[name]
            console.note(f"[{number}/{len(chosen)}] {part.title}")
            worker = workers.setdefault(part.pool, Worker(part.pool))
            measured[name] = _measure(worker, part, file, args.seconds)
            _print(measured[name], console)
    finally:
        for worker in workers.values():
            worker.close()
    verdict = _verdict(measured)
    if verdict:
        console.line(verdict)
    ok = not any(item["error"] for item in measured.values())
    console.answer({"ok": ok, "machine": _machine(), "parts": measured, "verdict": verdict})
    return OK if ok else NO


def _measure(worker: Worker, part: Part, workspace: str | None, seconds: float) -> Mapping[str, Any]:
    """What a part came to, or in `error` why to nothing."""
    begin = time.monotonic()
    found: Mapping[str, Any] = {}
    error = ""
    try:
        found = worker.call(part.target, timeout=_PART_SECONDS, workspace=workspace, seconds=seconds)
    except Cancelled:
        raise
    except WorkbenchError as problem:
        error = " ".join(str(problem).split())
    return {"title": part.title, **found, "error": error, "took_seconds": round(time.monotonic() - begin, 1)}


def _print(item: Mapping[str, Any], console: Console) -> None:
    if item["error"]:
        console.line(f"  failed: {item['error']}")
        return
    console.line(f"  {_rounded(item['value'])} {item['unit']}: {item['about']}")
    console.line(f"  limited by {item['limited_by']} ({item['advice']})")


def _rounded(value: float) -> str:
    """Three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _verdict(measured: Mapping[str, Mapping[str, Any]]) -> str:
    """What limits a training here, where step and loader were both measured."""
    step, loader = (measured.get(name) or {"error": "not measured"} for name in ("step", "loader"))
    if step["error"] or loader["error"]:
        return ""
    taken, given = step["figures"]["clips_per_s"], loader["value"]
    if given >= _MUCH * taken:
        return f"Training is limited by its step: the loader gives {given / taken:,.0f} times the clips that it takes."
    return (
        f"Training may wait for its clips: the loader gives {given:,.0f} a second, the step takes {taken:,.0f}. "
        "Raise [training] num_workers."
    )


def _machine() -> dict[str, Any]:
    return {
        "cores": cores(),
        "load": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
