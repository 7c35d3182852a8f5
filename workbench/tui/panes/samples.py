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

    def show_clips(self, clips: Sequence[Clip], *, reading: bool, epoch: int = -1) -> None:
        """List the clips.

        Args:
            clips: in the order of `newest_first`.
            reading: whether there may be more of them in the files.
            epoch: the cursor goes to the first clip of this epoch, or of the one before it; if it is negative, the
                cursor stays on its clip.
        """
        chosen: Clip | None = self.selected
        if epoch >= 0:
            at = (place for place, clip in enumerate(clips) if clip.epoch is not None and clip.epoch <= epoch)
        else:
            at = (place for place, clip in enumerate(clips) if chosen is not None and clip.entry == chosen.entry)
        self.show(clips, cursor=next(at, 0), empty=READING if reading else NO_SAMPLE)

    def _clip_cells(self, clip: Clip) -> Sequence[str]:
        return (
            MISSING if clip.epoch is None else str(clip.epoch),
            count(clip.batch),
            f"{clip.entry.seconds:.1f}",
            age(self._now() - clip.entry.wall_time),
            clip.text,
        )


def newest_first(curves: RunFollower | None) -> tuple[list[Clip], bool]:
    """The clips as far as the files are read, and whether they are not at their ends; for a thread."""
    if curves is None:
        return [], True
    # Brings numpy, which the pane does not need for anything else.
    from workbench.tail.clips import clips_of

    # Of an epoch, the sentences stay in their order.
    clips = sorted(clips_of(curves), key=lambda clip: -clip.batch)
    return clips, not curves.complete


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
