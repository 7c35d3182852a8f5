"""Our training step beside Piper's on the same batch shapes, in turns: `python tests/bench/bench_step_peer.py`.

Needs the peer's environment (`make peer`). Processes take turns, A B A B, each with one thread; printed are medians of
the CPU seconds of a step (a busy machine stretches wall time, not these) and what one step does: arithmetic of an
utterance, operators launched, waits for the device. The last three are exact counts, the same on every machine.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from core_vits import _align

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent


def run(python: Path, program: Path, options: list[str]) -> dict[str, float]:
    """One process; what it printed."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
    command = [str(python), str(program), *options]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{program.name} failed: {done.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=4, help="a batch (default: %(default)s)")
    parser.add_argument("--frames", type=int, default=500, help="of each clip (default: %(default)s)")
    parser.add_argument("--ids", type=int, default=180, help="phoneme ids of each clip (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=3, help="of each process and turn (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    peer = Path(os.environ.get("WORKBENCH_PEER_PYTHON") or REPO / ".venv-peer" / "bin" / "python")
    if not peer.is_file():
        print(f"needs the peer's environment, which is not at {peer} (run `make peer`)")
        return
    common = [
        f"--clips={options.clips}",
        f"--frames={options.frames}",
        f"--ids={options.ids}",
        f"--steps={options.steps}",
    ]
    sides = {
        "ours": (Path(sys.executable), HERE / "step_of_ours.py", common),
        "Piper": (peer, HERE / "step_of_piper.py", [*common, f"--align={_align.__file__}"]),
    }
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(options.turns):
        for name, side in sides.items():
            seen[name].append(run(*side))
    print(f"medium, {options.clips} clips of {options.frames} frames and {options.ids} ids, one thread\n")
    names = ("CPU s/step", "wall s/step", "GFLOP/clip", "launches", "waits")
    print(f"{'':>14}{'ours':>12}{'Piper':>12}{'ours/Piper':>12}")
    for name in names:
        ours, theirs = (statistics.median(turn[name] for turn in seen[side]) for side in sides)
        ratio = f"{ours / theirs:12.2f}" if theirs else f"{'':>12}"
        print(f"{name:>14}{ours:12.4g}{theirs:12.4g}{ratio}")


if __name__ == "__main__":
    main()
