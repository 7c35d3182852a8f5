"""Plants that fit into one dataset together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planted.dataset import Plant
from planted.files import can_write_mp3

# A fifth of the clips: more would no longer be unusual.
TOGETHER = 10


def groups(plants: Sequence[Plant]) -> Iterator[Sequence[Plant]]:
    """Plants that fit into one dataset together."""
    usable = [plant for plant in plants if can_write_mp3() or "MP3" not in plant.name]
    for begin in range(0, len(usable), TOGETHER):
        yield usable[begin : begin + TOGETHER]
