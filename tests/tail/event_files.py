"""Event files for tests, framed by TensorBoard's own record writer so that our reader meets foreign bytes."""

from __future__ import annotations

import io
import math
import struct
import wave
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

START = 1_700_000_000.0


def event_name(number: int = 0) -> str:
    return f"events.out.tfevents.{int(START) + number}.host.1.{number}"


class EventWriter:
    """Appends events to a file; each one is on disk when the call returns."""

    def __init__(self, path: Path, wall_time: float = START) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.wall_time = wall_time
        self.offsets: list[int] = []
        self._append(Event(wall_time=wall_time, file_version="brain.Event:2"))

    def _append(self, event: Event) -> None:
        self.data(event.SerializeToString())

    def data(self, data: bytes) -> None:
        """Append one record with this data."""
        self.offsets.append(self.path.stat().st_size if self.path.exists() else 0)
        with self.path.open("ab") as file:
            RecordWriter(file).write(data)

    def value(self, value: Summary.Value, step: int, wall_time: float | None = None) -> None:
        """Append an event with one summary value, a second after the last one."""
        self.wall_time = self.wall_time + 1 if wall_time is None else wall_time
        self._append(Event(wall_time=self.wall_time, step=step, summary=Summary(value=[value])))

    def scalar(self, tag: str, step: int, value: float, wall_time: float | None = None) -> None:
        self.value(Summary.Value(tag=tag, simple_value=value), step, wall_time)

    def scalars(self, tag: str, steps: range, wall_time: float | None = None) -> None:
        """One point a step, whose value is step / 8 (exact in float32)."""
        for step in steps:
            self.scalar(tag, step, step / 8, wall_time)

    def clip(self, tag: str, step: int, wav: bytes, frames: int = 0) -> None:
        audio = Summary.Audio(
            sample_rate=22050,
            num_channels=1,
            length_frames=frames,
            encoded_audio_string=wav,
            content_type="audio/wav",
        )
        self.value(Summary.Value(tag=tag, audio=audio), step)


def tone(seconds: float, rate: int = 22050) -> tuple[bytes, int]:
    """A WAV and its number of frames."""
    frames = int(seconds * rate)
    samples = (int(12_000 * math.sin(0.05 * n)) for n in range(frames))
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return buffer.getvalue(), frames


def record_bytes(data: bytes) -> bytes:
    """One framed record."""
    buffer = io.BytesIO()
    RecordWriter(buffer).write(data)
    return buffer.getvalue()


def scalar_record(tag: str, step: int, value: float, wall_time: float = START) -> bytes:
    """One framed scalar event."""
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return record_bytes(Event(wall_time=wall_time, step=step, summary=summary).SerializeToString())
