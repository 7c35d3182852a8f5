"""One turn of our preprocessing for `bench_prepare.py`: FOLDER CACHE PROCESSES."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

from workbench.config import Workspace, load_workspace
from workbench.host import Host
from workbench.train.clips import ClipBuild
from workbench.workers.targets.frontend import front_end


def prepare(workspace: Workspace, processes: int) -> None:
    front = front_end(workspace, Host.load(workspace))
    clips = ClipBuild(workspace, front, lambda *_: None, processes=processes).run()
    front.close()
    if clips.dropped or not clips.made:
        raise SystemExit(f"{clips.made} clips made, dropped {clips.dropped[:3]}")


def cpu() -> float:
    """CPU seconds of this process and of those that it started and that have ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    folder, cache, processes = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    workspace = load_workspace(folder)
    first = replace(
        workspace,
        dataset=replace(workspace.dataset, metadata="first.csv"),
        paths=replace(workspace.paths, cache=f"{cache}/first"),
    )
    prepare(first, 1)
    begin, begin_cpu = time.perf_counter(), cpu()
    prepare(replace(workspace, paths=replace(workspace.paths, cache=f"{cache}/all")), processes)
    print(json.dumps({"wall": time.perf_counter() - begin, "cpu": cpu() - begin_cpu}))


if __name__ == "__main__":
    main()
