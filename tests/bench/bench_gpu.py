"""Our training step beside Piper's on a GPU, the same batches in turns: `python tests/bench/bench_gpu.py`.

Needs an NVIDIA GPU and the peer's environment (`make peer`, or WORKBENCH_PEER_PYTHON). Quality medium; both sides begin
with the same weights and train on the same clips of the demo voice. Printed are medians of the turns: steps a second,
how busy the GPU was (as nvidia-smi says, and kernels' time in a profile), arithmetic that training needs over what the
card could do in that time (MFU), and the mean losses of the last steps, which have to agree.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from gpu_batches import batches, read_clips, write_clips

from core_vits import _align

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
CURVES = ("mel", "kl", "duration", "feature", "generator", "discriminator")
LAST = 50
"""Steps whose losses are compared."""


def useful_tflop(clips: Path, batch: int, steps: int) -> float:
    """Mean of a batch: what a step needs with one pass of each signal through the discriminators, no padding counted.

    Counted with torch's flop counter for quality medium: 95.2 GFLOP a clip and 0.11 a frame.
    """
    frames = [sum(len(audio) // 256 for _, audio in chosen) for chosen in batches(read_clips(clips), batch, steps)]
    return (95.2 * batch + 0.1096 * statistics.mean(frames)) / 1000


def peak_tflops(kind: torch.dtype) -> float:
    """Of a large matrix product on this card, measured."""
    torch.backends.cuda.matmul.fp32_precision = "tf32"
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=kind) for _ in range(2))
    times = []
    for _ in range(12):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        a @ b
        end.record()
        torch.cuda.synchronize()
        times.append(begin.elapsed_time(end))
    return 2 * 8192**3 / statistics.median(times[4:]) / 1e9


def run(command: list[str]) -> dict[str, Any]:
    """One process; what it printed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed: {done.stderr[-3000:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=16, help="clips (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=225, help="of a turn, warm-up included (default: %(default)s)")
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--sides", nargs="+", help="only these rows of the table")
    parser.add_argument("--clips", type=Path, help="file of prepared clips; made if it is not there")
    parser.add_argument("--out", type=Path, help="write everything that was measured to this file")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        print("needs an NVIDIA GPU, and torch finds none here")
        return
    peer = os.environ.get("WORKBENCH_PEER_PYTHON") or str(REPO / ".venv-peer" / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        clips = options.clips or Path(folder) / "clips.npz"
        if not clips.is_file():
            write_clips(clips)
        common = [
            f"--clips={clips}", f"--weights={folder}/weights.pt", f"--batch={options.batch}", f"--steps={options.steps}"
        ]  # fmt: skip
        ours = [sys.executable, str(HERE / "gpu_of_ours.py"), *common]
        theirs = [peer, str(HERE / "gpu_of_piper.py"), *common, f"--align={_align.__file__}"]
        sides = {
            "ours": [*ours, "--precision=32-true"],
            "Piper": [*theirs, "--precision=32-true"],
            "ours recorded": [*ours, "--precision=32-true", "--graphs"],
            "ours bf16": [*ours, "--precision=bf16-mixed"],
            "ours bf16 rec.": [*ours, "--precision=bf16-mixed", "--graphs"],
            "Piper bf16": [*theirs, "--precision=bf16-mixed"],
        }
        chosen = {name: command for name, command in sides.items() if not options.sides or name in options.sides}
        seen: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
        for _ in range(options.turns):
            for name, command in chosen.items():
                seen[name].append(run(command))
        needed = useful_tflop(clips, options.batch, options.steps)
    if options.out:
        options.out.write_text(json.dumps(seen))
    report(seen, needed, options.batch)


def report(seen: dict[str, list[dict[str, Any]]], needed: float, batch: int) -> None:
    """Print the tables."""
    peaks = {name: peak_tflops(torch.bfloat16 if "bf16" in name else torch.float32) for name in seen}
    print(f"medium, {batch} clips a batch, {needed:.2f} TFLOP a step; {torch.cuda.get_device_name()}\n")
    figures = ("steps/s", "ms/step", "kernel ms/step", "kernels/step", "utilisation", "watts", "GB")
    print(f"{'':>16}" + "".join(f"{name:>16}" for name in (*figures, "MFU")))
    for name, turns in seen.items():
        middle = {figure: statistics.median(turn[figure] for turn in turns) for figure in figures}
        mfu = needed * middle["steps/s"] / peaks[name]
        print(f"{name:>16}" + "".join(f"{middle[figure]:16.4g}" for figure in figures) + f"{mfu:15.1%}")
    print(f"\nmean losses of the last {LAST} steps\n{'':>16}" + "".join(f"{name:>16}" for name in CURVES))
    for name, turns in seen.items():
        means = [statistics.mean(turns[-1]["curves"][curve][-LAST:]) for curve in CURVES]
        print(f"{name:>16}" + "".join(f"{value:16.4f}" for value in means))


if __name__ == "__main__":
    main()
