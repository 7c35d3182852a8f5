"""Steps on batches that may not fit into the device's memory: a batch that does not is trained in parts.

A step is a transaction (`core_vits.train.step`), so one that ran out of memory has changed nothing, and its gradients
can be computed again, part by part. Each part's losses are weighed by its share, so that the gradients add up to those
of the whole batch. What once did not fit is divided beforehand from then on.

Several processes. Gradients leave in messages of a fixed number and order while they are computed, and whoever waits
for a message that never comes waits for ever. So a process that runs out of memory

1. sends zeros in place of the messages that it still owes, and
2. all tell each other how it went, before any of them steps. In the usual case that is all: one flag, on the CPU.
3. If one failed, all throw the sums away. They were made in copies, so those who did not fail still have their own.
4. The one that failed computes its gradients again, in parts, and sends nothing meanwhile.
5. All tell each other whether that went well, and send their gradients once more.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from core_vits.batching import padded_cost
from core_vits.dataset import LoadedBatch
from core_vits.losses import ALONE, Losses, Shares
from core_vits.memory import give_back, is_out_of_memory, with_room
from core_vits.train.errors import TrainingError
from core_vits.train.ranks import Ranks, counts_of
from core_vits.train.step import AdversarialStep


class Division:
    """Knows what did not fit, and divides what costs as much."""

    def __init__(self) -> None:
        self._too_much = math.inf
        """What did not fit cost so much, as `cost_of` counts."""

    def divide_above(self, cost: float) -> None:
        """Divide what costs so much or more, as `cost_of` counts, from now on."""
        self._too_much = min(self._too_much, cost)

    def parts(self, batch: LoadedBatch) -> Sequence[LoadedBatch]:
        """Halves of halves, none of which costs what did not fit."""
        clips = len(batch.names)
        if clips == 1 or cost_of(batch) < self._too_much:
            return [batch]
        middle = -(-clips // 2)
        return [*self.parts(batch.rows(0, middle)), *self.parts(batch.rows(middle, clips))]


class RoomyStep:
    """Trains each batch as a whole, or in as few parts as fit."""

    def __init__(
        self, step: AdversarialStep, ranks: Ranks, device: torch.device, tell: Callable[[str], None] = print
    ) -> None:
        """Nothing has failed yet.

        Args:
            step: trains.
            ranks: the processes that train together.
            device: of the step.
            tell: told in one line when a batch had to be trained in more parts than any before.
        """
        self._step = step
        self._ranks = ranks
        self._device = device
        self._tell = tell
        self._division = Division()
        self._reserved = False
        self._most_parts = 1
        self._failed: LoadedBatch | None = None
        self._said = ""
        """By the error."""

    def train(self, batch: LoadedBatch, *, with_norms: bool, shares: Shares = ALONE) -> Losses:
        """Train on one batch; returns 0-dim tensors on the device.

        Args:
            batch: this process's part of it.
            with_norms: also compute `grad_norm/g` and `grad_norm/d`.
            shares: of this part in the whole batch of all processes.

        Raises:
            TrainingError: one clip alone does not fit, here or on another process; it is named.
        """
        if not self._reserved:
            self.reserve()
        losses = self._gradients(batch, shares, send=True)
        if any(self._ranks.raised(losses is None)):
            losses = self._again(batch, losses, shares)
        return {**losses, **self._step.apply(with_norms=with_norms)}  # type: ignore[dict-item]  # there by now

    def reserve(self) -> None:
        """Take the memory that every step needs, whatever its batch.

        Raises:
            TrainingError: there is not as much.
        """
        said = ""
        try:
            with_room(self._step.reserve, self._device)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            said = " ".join(str(error).split())[:100] or type(error).__name__
        if said:
            give_back(self._device)
            raise TrainingError(
                f"the moments of the optimizers, as large as generator and discriminators twice, do not fit into the "
                f"memory of {self._device} ({said}). Free it from other programs, or choose a smaller quality"
            )
        self._reserved = True

    def try_out(self, batch: LoadedBatch) -> int:
        """Compute the gradients of a batch, send nothing and forget them; returns the parts that it took.

        Raises:
            TrainingError: one clip alone does not fit.
        """
        if self._gradients(batch, ALONE, send=False) is None:
            self._in_parts(batch, ALONE)
        self._step.begin()
        return len(self.parts(batch))

    def divide_above(self, cost: float) -> None:
        """Divide what costs so much or more, as `cost_of` counts, from now on."""
        self._division.divide_above(cost)

    def parts(self, batch: LoadedBatch) -> Sequence[LoadedBatch]:
        """What a batch is trained in: halves of halves, none of which costs what did not fit."""
        return self._division.parts(batch)

    def _gradients(self, batch: LoadedBatch, shares: Shares, *, send: bool) -> Losses | None:
        """The losses, after their gradients were computed; None when there was not enough memory."""
        self._step.begin()
        totals: Losses = {}
        parts = self.parts(batch)
        for part in parts:
            share = shares if part is batch else share_of(part, parts, shares)
            try:
                losses = self._step.add_gradients(
                    part.on(self._device), shares=share, send=send and part is parts[-1], whole=send and part is batch
                )
                for name, value in losses.items():
                    totals[name] = totals[name] + value.detach() if name in totals else value.detach()
            except Exception as error:
                if not is_out_of_memory(error):
                    raise
                self._failed, self._said = part, " ".join(str(error).split())[:100]
            else:
                continue
            # Only here, behind the handler, is all gone that the error held.
            give_back(self._device)
            if send:
                self._step.send(nothing=True)
            return None
        return totals

    def _again(self, batch: LoadedBatch, losses: Losses | None, shares: Shares) -> Losses:
        """Some process ran out of memory: that one tries again, and all send.

        Raises:
            TrainingError: it was in vain.
        """
        self._step.recall()
        told = wrong = ""
        if losses is None:
            try:
                losses = self._in_parts(batch, shares)
                told = self._news(batch)
            except TrainingError as error:
                wrong = str(error)
        outcomes = self._ranks.gather((told, wrong))
        reasons = [wrong for _, wrong in outcomes if wrong]
        if losses is None or reasons:
            raise TrainingError(reasons[0])
        for news, _ in outcomes:
            if news:
                self._tell(news)
        self._step.send()
        return losses

    def _in_parts(self, batch: LoadedBatch, shares: Shares) -> Losses:
        """The gradients of a batch of which a part did not fit.

        Raises:
            TrainingError: one clip alone does not fit.
        """
        losses = None
        while losses is None:
            failed = self._failed or batch
            if len(failed.names) == 1:
                raise TrainingError(_hopeless(failed, self._device, self._said))
            self.divide_above(cost_of(failed))
            losses = self._gradients(batch, shares, send=False)
        return losses

    def _news(self, batch: LoadedBatch) -> str:
        """What to tell about a batch that was trained in parts; empty when the like was told before."""
        parts = len(self.parts(batch))
        if parts <= self._most_parts:
            return ""
        self._most_parts = parts
        return (
            f"a batch of {described(batch)} did not fit into the memory of {self._device}: it was trained in {parts} "
            "parts, which gives the same gradients and takes longer. So are all as large from now on; with a smaller "
            "batch_size in [training] none would be"
        )


def cost_of(batch: LoadedBatch) -> int:
    """What a batch takes, in frames."""
    return padded_cost(len(batch.names), int(batch.spectrogram_lengths_B.max()))


def described(batch: LoadedBatch) -> str:
    """Its size in words."""
    frames, phonemes = int(batch.spectrogram_lengths_B.max()), int(batch.phoneme_lengths_B.max())
    clips = len(batch.names)
    return f"{clips} clip{'s' if clips > 1 else ''} (up to {frames} frames and {phonemes} phonemes)"


def share_of(part: LoadedBatch, parts: Sequence[LoadedBatch], shares: Shares = ALONE) -> Shares:
    """What one of the parts of a batch weighs, where all of them together weigh `shares`."""
    of_all = (sum(counts) for counts in zip(*map(counts_of, parts), strict=True))
    utterances, frames, phonemes = (
        mine / all_of_them for mine, all_of_them in zip(counts_of(part), of_all, strict=True)
    )
    return Shares(
        utterances=shares.utterances * utterances,
        frames=shares.frames * frames,
        phonemes=shares.phonemes * phonemes,
    )


def _hopeless(clip: LoadedBatch, device: torch.device, said: str) -> str:
    frames, phonemes = int(clip.spectrogram_lengths_B.max()), int(clip.phoneme_lengths_B.max())
    return (
        f"{clip.names[0]}: this clip alone, {frames} frames and {phonemes} phonemes, does not fit into the memory of "
        f"{device} ({said}). Cut it into shorter ones or leave it out, or choose a smaller quality"
    )
