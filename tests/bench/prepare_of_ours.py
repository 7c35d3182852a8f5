"""One turn of our preprocessing for `bench_prepare.py`: FOLDER CACHE TABLE, on the cores that this process may use."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from multiprocessing import forkserver
from pathlib import Path

from workbench.config import Workspace, load_workspace
from workbench.host import Host
from workbench.train.clips import ClipBuild
from workbench.workers.targets.frontend import front_end


def prepare(workspace: Workspace) -> None:
    front = front_end(workspace, Host.load(workspace))
    clips = ClipBuild(workspace, front, lambda *_: None).run()
    front.close()
    if clips.dropped or not clips.made:
        raise SystemExit(f"{clips.made} clips made, dropped {clips.dropped[:3]}")


def cpu() -> float:
    """CPU seconds of this process and of those that it started, which are counted when they have ended."""
    forkserver._forkserver._stop()
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main() -> None:
    folder, cache, table = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    workspace = load_workspace(folder)

    def of(table: str) -> Workspace:
        dataset, paths = workspace.dataset, workspace.paths
        return replace(
            workspace, dataset=replace(dataset, metadata=table), paths=replace(paths, cache=f"{cache}/{table}")
        )

    prepare(of("first.csv"))
    begin, begin_cpu = time.perf_counter(), cpu()
    prepare(of(table))
    wall = time.perf_counter() - begin
    print(json.dumps({"wall": wall, "cpu": cpu() - begin_cpu}))


if __name__ == "__main__":
    main()
