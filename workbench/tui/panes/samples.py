"""The list of what a run's voice said while it was trained. The sound is read only when it is played."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from workbench.tui.format import MISSING, age, count
from workbench.tui.widgets.panel import entitle
from workbench.tui.widgets.rows import Column, RowList

if TYPE_CHECKING:
    from workbench.tail.clips import Clip
    from workbench.tail.follower import RunFollower

COLUMNS = (
    Column("epoch", 5, right=True),
    Column("batch", 8, right=True),
    Column("seconds", 7, right=True),
    Column("age", 6, right=True),
    Column("sentence", 0),
)
NO_SAMPLE = "No sample yet: the voice says its test sentences at each validation."
READING = "Reading the event files …"


class SampleList(RowList):
    """Clips, newest first."""

    def __init__(self, now: Callable[[], float], *, id: str) -> None:  # noqa: A002 - Textual's name for it
        """
        Args:
            now: gives Unix seconds.
            id: of the widget.
        """
        super().__init__(COLUMNS, self._clip_cells, id=id, empty=READING)
        self._now = now

    def on_mount(self) -> None:
        """Title."""
        entitle(self, "samples of the training  s voices")

    def show_clips(self, curves: RunFollower | None) -> None:
        """List what the event files hold as far as they are read; the cursor stays on its clip."""
        # Brings numpy, which the pane does not need for anything else.
        from workbench.tail.clips import clips_of

        chosen: Clip | None = self.selected
        clips = list(reversed(clips_of(curves))) if curves is not None else []
        reading = curves is not None and any(file.lag_bytes for file in curves.files())
        same = (place for place, clip in enumerate(clips) if chosen is not None and clip.entry == chosen.entry)
        self.show(clips, cursor=next(same, 0), empty=READING if reading else NO_SAMPLE)

    def stand_at(self, epoch: int) -> None:
        """Put the cursor on the first clip of an epoch, or of the one before it."""
        clips: Sequence[Clip] = self.items
        at = (place for place, clip in enumerate(clips) if clip.epoch is not None and clip.epoch <= epoch)
        self.cursor = next(at, 0)

    def _clip_cells(self, clip: Clip) -> Sequence[str]:
        return (
            MISSING if clip.epoch is None else str(clip.epoch),
            count(clip.batch),
            f"{clip.entry.seconds:.1f}",
            age(self._now() - clip.entry.wall_time),
            clip.text,
        )


def moment_of(clip: Clip) -> str:
    """When a clip was made, in the units of the checkpoints."""
    return f"batch {count(clip.batch)}" if clip.epoch is None else f"epoch {clip.epoch}"


def detail_of(clip: Clip, file: object) -> str:
    """All that is known of a clip.

    Args:
        clip: of the run that is shown.
        file: the event file, as the user is to read it.
    """
    entry = clip.entry
    lines = [
        f"«{clip.text}»",
        "",
        f"epoch           {MISSING if clip.epoch is None else clip.epoch}",
        f"batch           {count(clip.batch)}",
        f"length          {entry.seconds:.1f} s, {count(round(entry.sample_rate))} Hz",
        f"in              {file}",
        "",
        "␣ plays it and writes it as a WAV",
        "s shows the voices again",
    ]
    return "\n".join(lines)
