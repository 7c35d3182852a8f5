"""Which checkpoints' validation losses may be compared: only those that are means over the same clips.

A validation leaves out what does not fit into the memory, and a run may go on with another dataset. A mean over fewer
or other clips is another number, and the lower one need not be the better voice.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """The validation loss that a checkpoint is compared by."""

    loss: float | None = None
    """Mel loss; None where there was no validation, or none that is finite."""
    over: str = ""
    """Stands for the clips that it is the mean over; empty where nothing tells."""
    clips: int = 0
    """How many these are."""
    clips_of: int = 0
    """How many there were; the others did not fit."""

    @property
    def complete(self) -> bool:
        """Whether no clip was left out."""
        return self.clips >= self.clips_of

    def as_record(self) -> dict[str, Any]:
        """Fields of a line of the index."""
        return {
            "val_mel": self.loss, "val_over": self.over, "val_clips": self.clips, "val_clips_of": self.clips_of,
        }  # fmt: skip

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Score:
        """From a line of the index; what has the wrong type counts as not said."""
        loss, over = record.get("val_mel"), record.get("val_over")
        counts = [record.get(name) for name in ("val_clips", "val_clips_of")]
        clips, clips_of = (value if isinstance(value, int) else 0 for value in counts)
        known = isinstance(loss, int | float) and not isinstance(loss, bool) and math.isfinite(loss)
        return cls(
            loss=float(loss) if known and loss is not None else None, over=over if isinstance(over, str) else "",
            clips=clips, clips_of=clips_of,
        )  # fmt: skip


def digest_of(keys: Iterable[str]) -> str:
    """Stands for a set of clips, in whatever order they come."""
    return hashlib.blake2b("\n".join(sorted(keys)).encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def compared_over(scores: Sequence[Score]) -> str | None:
    """The clips over which losses are compared now; None where there is no loss.

    They are those of the newest validation that left none out. One that did counts if that before it was over the same
    clips: a lack of memory that lasts begins a new comparison, one that passes does not.

    Args:
        scores: the oldest first.
    """
    known = [score for score in scores if score.loss is not None]
    for place in range(len(known) - 1, -1, -1):
        if known[place].complete or (place and known[place - 1].over == known[place].over):
            return known[place].over
    return known[-1].over if known else None


def best_of(scores: Sequence[Score]) -> list[int]:
    """Places of all with a loss, the best first: those that are compared now, then those of earlier comparisons.

    Args:
        scores: the oldest first.
    """
    over = compared_over(scores)
    latest = {score.over: place for place, score in enumerate(scores) if score.loss is not None}

    def rank(place: int) -> tuple[bool, int, float, int]:
        score = scores[place]
        return score.over != over, -latest[score.over], score.loss if score.loss is not None else math.inf, -place

    return sorted((place for place, score in enumerate(scores) if score.loss is not None), key=rank)


def told(before: Sequence[Score], now: Score) -> str:
    """What to say where a validation is not compared with those before it; empty where it is.

    Args:
        before: of earlier validations, the oldest first.
        now: of this one.
    """
    over = compared_over(before)
    if over is None or now.loss is None or now.over == over:
        return ""
    compared = next(score for score in reversed(before) if score.loss is not None and score.over == over)
    these = f"{now.clips} clips" if now.complete else f"{now.clips} of {now.clips_of} clips"
    those = f"over {compared.clips}, and not the same ones" if over else "over clips that are not known"
    text = f"this validation is over {these}, those that the best checkpoint was chosen by were {those}"
    if compared_over([*before, now]) == now.over:
        return f"{text}: they are not compared, and the best is chosen anew from here on"
    return f"{text}: it does not count, unless the next one is over the same clips"
