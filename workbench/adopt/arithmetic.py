"""Do the counters in a checkpoint's name fit the dataset, the batch size and the number of GPUs?

Piper counts optimizer steps, two a batch, and every epoch has the same number of batches; so `epoch=426-step=202398`
says how many batches an epoch had, which only few settings give. Names are all that is looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from core_vits.checkpoint_names import OPTIMIZERS, CheckpointName, read_counters
from core_vits.manifest import split_sizes

KEPT, DROPPED = "kept", "dropped"
"""What a version of Piper does with the last, smaller batch of an epoch."""

_MOST_DEVICES = 8
_USUAL_BATCHES = (4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 128)
_USUAL_SPLITS = (0.1, 0.0, 0.05)
_MOST_SHOWN = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What decides the batches of an epoch."""

    clips: int
    batch_size: int
    """Clips a GPU and step."""
    devices: int = 1
    validation_split: float = 0.1
    test_clips: int = 5

    @property
    def training_clips(self) -> int:
        """Clips that are trained on."""
        return split_sizes(self.clips, self.validation_split, self.test_clips)[0]

    @property
    def clips_a_rank(self) -> int:
        """Clips that each process gets: as many for all, some twice."""
        return math.ceil(self.training_clips / self.devices)

    def batches(self, last: str) -> int:
        """Batches of an epoch in each process.

        Args:
            last: `KEPT` (Piper up to 1.4, piper_train, and here) or `DROPPED` (Piper 1.5 and newer, which drops it only
                when there are more clips than fit into one batch).
        """
        if last == DROPPED and self.training_clips > self.batch_size:
            return self.clips_a_rank // self.batch_size
        return math.ceil(self.clips_a_rank / self.batch_size)

    def steps(self, epochs: int, last: str) -> int:
        """Optimizer steps of so many epochs."""
        return OPTIMIZERS * self.batches(last) * epochs

    def told(self) -> str:
        """The plan in words."""
        gpus = "1 GPU" if self.devices == 1 else f"{self.devices} GPUs"
        return f"{self.clips:,} clips, batch {self.batch_size}, {gpus}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether the counters of a checkpoint fit a plan."""

    name: str
    plan: Plan
    fits: tuple[str, ...]
    """`KEPT`, `DROPPED`, both or none: with which treatment of the last batch they do."""
    batches: int | None
    """Batches that an epoch had; None when the steps are no whole number of them."""
    alternatives: tuple[Plan, ...]
    """Other plans that give as many batches, the nearest first."""
    message: str
    """One or two sentences."""


def check(file: str | Path, plan: Plan) -> Verdict | None:
    """Compare; None when neither the name nor the file itself tells its counters."""
    name = read_counters(Path(file))
    if name.epochs is None or name.step is None:
        return None
    label = f"epoch={name.epoch}-step={name.step}"
    whole = name.step > 0 and name.step % (OPTIMIZERS * name.epochs) == 0
    batches = name.step // (OPTIMIZERS * name.epochs) if whole else None
    fits = tuple(last for last in (KEPT, DROPPED) if plan.steps(name.epochs, last) == name.step)
    alternatives = tuple(_alternatives(plan, batches)) if batches else ()
    if fits:
        message = _fitting(label, name.epochs, plan, fits, alternatives)
    else:
        message = _not_fitting(label, name, plan, batches, alternatives)
    return Verdict(name=label, plan=plan, fits=fits, batches=batches, alternatives=alternatives, message=message)


def _fitting(label: str, epochs: int, plan: Plan, fits: tuple[str, ...], others: tuple[Plan, ...]) -> str:
    batches = plan.batches(fits[0])
    rank = " a GPU" if plan.devices > 1 else ""
    text = (
        f"{label} fits {plan.told()}: {plan.training_clips:,} training clips, {batches:,} batches{rank}, "
        f"x {OPTIMIZERS} optimizers x {epochs:,} epochs = {plan.steps(epochs, fits[0]):,}."
    )
    if fits == (KEPT,):
        text += (
            " The last, smaller batch was kept: Piper 1.3 to 1.4 or its predecessor piper_train wrote it "
            f"(1.5 and newer drop that batch: {plan.steps(epochs, DROPPED):,})."
        )
        if plan.devices > 1:
            text += " Piper can't train on several GPUs as it comes: it was patched, or it was piper_train."
    elif fits == (DROPPED,):
        text += f" The last, smaller batch was dropped, as Piper 1.5 and newer do; it is trained here ({_here(plan)})."
    same = tuple(other for other in others if other.validation_split == plan.validation_split)
    return text + (f" The name alone would fit {_choices(plan, same)}, too." if same else "")


def _not_fitting(
    label: str, name: CheckpointName, plan: Plan, batches: int | None, alternatives: tuple[Plan, ...]
) -> str:
    epochs = name.epochs or 1
    expected = sorted({plan.steps(epochs, last) for last in (KEPT, DROPPED)}, reverse=True)
    text = (
        f"{label} does not fit {plan.told()}: expected {' or '.join(f'{steps:,}' for steps in expected)} steps "
        f"({_rounds(plan)} x {OPTIMIZERS} optimizers x {epochs:,} epochs)."
    )
    if batches is None:
        return f"{text} It is no whole number of batches an epoch: the settings or the dataset changed on the way."
    text = f"{text} If all epochs were alike, each had {batches:,} batches, as of"
    clips = clips_that_fit(plan, batches)
    span = f"{clips[0]:,} to {clips[1]:,} clips" if clips else ""
    causes = [cause for cause in (_choices(plan, alternatives), span) if cause]
    return f"{text} {', or of '.join(causes)}." if causes else f"{text} another dataset."


def _rounds(plan: Plan) -> str:
    counts = sorted({plan.batches(last) for last in (KEPT, DROPPED)}, reverse=True)
    return f"{' or '.join(f'{count:,}' for count in counts)} batches"


def _here(plan: Plan) -> str:
    return f"{plan.batches(KEPT):,} batches an epoch"


def _choices(plan: Plan, others: tuple[Plan, ...]) -> str:
    texts = []
    for other in others[:_MOST_SHOWN]:
        text = f"batch {other.batch_size} on {other.devices} GPU{'s' if other.devices > 1 else ''}"
        if other.validation_split != plan.validation_split:
            text += f" with a validation split of {other.validation_split:g}"
        texts.append(text)
    return " or ".join(texts)


def _alternatives(plan: Plan, batches: int) -> Iterator[Plan]:
    """Other batch sizes, numbers of GPUs and splits that give as many batches of the same clips."""
    by_devices = sorted(range(1, _MOST_DEVICES + 1), key=lambda count: (abs(count - plan.devices), count))
    by_size = sorted({*_USUAL_BATCHES, plan.batch_size}, key=lambda size: (abs(size - plan.batch_size), size))
    for split in dict.fromkeys((plan.validation_split, *_USUAL_SPLITS)):
        for devices in by_devices:
            for size in by_size:
                other = replace(plan, devices=devices, batch_size=size, validation_split=split)
                if other != plan and batches in (other.batches(KEPT), other.batches(DROPPED)):
                    yield other


def clips_that_fit(plan: Plan, batches: int) -> tuple[int, int] | None:
    """Fewest and most clips that give so many batches, whatever happens to the last one; None when none do."""
    if batches < 2:
        return None  # below that, whether a batch is dropped does not rise with the clips
    largest = plan.batch_size * plan.devices * (batches + 2)
    most = math.ceil((largest + plan.test_clips) / (1 - plan.validation_split)) + 2

    def first(wanted: int, last: str) -> int:
        """The fewest clips with at least so many batches: the number of batches never falls with more clips."""
        low, high = 1, most
        while low < high:
            middle = (low + high) // 2
            if replace(plan, clips=middle).batches(last) >= wanted:
                high = middle
            else:
                low = middle + 1
        return low

    lowest, highest = first(batches, KEPT), first(batches + 1, DROPPED) - 1
    return (lowest, highest) if lowest <= highest else None
