"""The real training step beside one without any shortcut, from the same weights, batches and random numbers.

`python tests/bench/bench_300_steps.py`: two models of quality tiny with the stochastic duration predictor train side by
side. Printed is how far apart their loss curves are over every hundred steps, relative to the plain curve: the largest
difference of a step, and that of the means of ten steps. Rounding differs, and the game enlarges it: a third model,
plain too, whose first weights are wrong in their last digit, shows how far rounding alone leads.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent))

from plain_training import CURVES, apart, loss_curves

from core_vits.config import PRESETS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    torch.set_num_threads(1)
    ours, plain, nudged = loss_curves(replace(PRESETS["tiny"], use_sdp=True), options.steps, control=True)
    print(f"{'':>43}{'without shortcuts':>22}{'rounding alone':>22}")
    print(f"{'curve':>13} {'steps':>9} {'first':>9} {'last':>9}" + f"{'one step':>11}{'mean of 10':>11}" * 2)
    for name in CURVES:
        for begin in range(0, options.steps, 100):
            one, other, third = (curves[name][begin : begin + 100] for curves in (ours, plain, nudged))
            far = [apart(curve, other, window) for curve in (one, third) for window in (1, min(10, len(one)))]
            print(
                f"{name:>13} {begin:4d}-{begin + len(one):<4d} {other[0]:9.4f} {other[-1]:9.4f}"
                + "".join(f"{value:11.1e}" for value in far)
            )


if __name__ == "__main__":
    main()
