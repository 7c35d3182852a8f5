"""The real training step beside one without any shortcut: is what differs more than rounding?

`python tests/bench/bench_300_steps.py` (some twenty minutes on one thread) trains quality tiny with the stochastic
duration predictor, and ends with an error unless both hold:

1. Out of the same state, at every tenth step of a plain training, a real step differs from a plain one no more than a
   plain one whose convolutions add up in another order.
2. Over 300 steps, in which the game enlarges rounding, several real trainings lie among several plain ones. The plain
   ones differ by their first weights, each moved to the next number above or below, and by that order.

`--keep FILE` writes the curves, `--judge FILE` judges them again. `--kl-weight 1.01` plants a fault in the real ones.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import astuple, fields, replace
from pathlib import Path
from statistics import median

import torch

sys.path.append(str(Path(__file__).resolve().parent.parent))

from envelope import Cell, Curves, compare
from plain_training import curves_of, new_models, other_kernels, plain_step, real_step
from same_state import Distances, one_step_apart

from core_vits.config import PRESETS, LossWeights, ModelConfig

CONTROLS = ((0, False), (1, False), (2, True), (0, True))
"""Nudge of the first weights, and whether convolutions add up in another order."""
EVERY = 10
EPSILON = torch.finfo(torch.float32).eps
"""A weight that is stepped by another kernel may be rounded otherwise."""


def curves(config: ModelConfig, steps: int, trainings: int, kl_weight: float) -> tuple[list[Curves], list[Curves]]:
    ours, controls = [], []
    for nudge in range(trainings):
        step, _ = real_step(new_models(config, nudge), LossWeights(kl=kl_weight))
        ours.append(curves_of(lambda batch, step=step: step.train(batch, with_norms=False), config, steps))
        told(f"real training {nudge + 1} of {trainings}")
    for number, (nudge, other) in enumerate(CONTROLS, start=1):
        train = plain_step(new_models(config, nudge)).train
        if other:
            with other_kernels():
                controls.append(curves_of(train, config, steps))
        else:
            controls.append(curves_of(train, config, steps))
        told(f"plain training {number} of {len(CONTROLS)}")
    return ours, controls


def told(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)


def one_step(config: ModelConfig, steps: int) -> bool:
    """Print how far a step is from a plain one out of the same state; whether that is rounding."""
    found = list(one_step_apart(config, steps, EVERY))
    names = [field.name for field in fields(Distances)]
    print(f"one step out of the same state, {len(found)} states: median and largest distance from the plain one")
    print(f"{'':>14}{'real step':>22}{'other order':>22}")
    good = True
    for name, ours, others in zip(
        names,
        zip(*(astuple(one) for _, one, _ in found), strict=True),
        zip(*(astuple(other) for _, _, other in found), strict=True),
        strict=True,
    ):
        row = [median(ours), max(ours), median(others), max(others)]
        print(f"{name:>14}" + "".join(f"{value:11.1e}" for value in row))
        good = good and row[0] <= max(2 * row[2], EPSILON)
    return good


def show(cells: list[Cell]) -> bool:
    """Print the comparison; whether all cells are inside."""
    print("relative differences of means of ten steps, medians; the last column is the largest of two plain trainings")
    print(f"{'loss':>13} {'steps':>9}{'real-plain':>11}{'signed':>11}{'plain-plain':>12}{'largest':>11}")
    for cell in cells:
        print(
            f"{cell.loss:>13} {cell.begin:4d}-{cell.end:<4d}{cell.ours:11.1e}{cell.bias:+11.1e}"
            f"{cell.controls:12.1e}{cell.most:11.1e}{'' if cell.inside else '  OUTSIDE'}"
        )
    return all(cell.inside for cell in cells)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--trainings", type=int, default=4, help="real ones")
    parser.add_argument("--kl-weight", type=float, default=LossWeights().kl)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--judge", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    config = replace(PRESETS["tiny"], use_sdp=True)
    good = True
    if options.judge:
        ours, controls = json.loads(options.judge.read_text(encoding="utf-8"))
    else:
        good = one_step(config, options.steps)
        ours, controls = curves(config, options.steps, options.trainings, options.kl_weight)
    if options.keep:
        options.keep.write_text(json.dumps([ours, controls]), encoding="utf-8")
    good = show(compare(ours, controls)) and good
    print("what differs is rounding" if good else "MORE THAN ROUNDING DIFFERS")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
