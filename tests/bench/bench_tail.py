"""Load a TensorBoard event file with our reader and with TensorBoard's own, turn by turn in one run.

    python tests/bench/bench_tail.py [--events 100000] [--clips 40] [--rounds 2]

Prints CPU and wall seconds (medians over the rounds) and their ratio. Both read the same file on the same machine in
turns, so a busy machine slows both. Each load is a process of its own, so that peak memory is that of one reader.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

TAGS = [f"train/{name}" for name in ("mel", "kl", "duration", "feature", "generator", "discriminator")] + [
    f"extra/{number:02d}" for number in range(14)
]
CLIP_BYTES = 200_000


def write_events(path: Path, events: int, clips: int) -> None:
    """Write `events` scalars of 20 tags and `clips` clips of 200 kB between them, as torch's writer would."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    from workbench.tail.crc import masked_crc32c

    def record(event: Event) -> bytes:
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        return length + struct.pack("<I", masked_crc32c(length)) + data + struct.pack("<I", masked_crc32c(data))

    steps = events // len(TAGS)
    every = max(1, steps // clips) if clips else steps + 1
    with path.open("wb") as file:
        file.write(record(Event(wall_time=1.7e9, file_version="brain.Event:2")))
        for step in range(steps):
            for number, tag in enumerate(TAGS):
                value = Summary.Value(tag=tag, simple_value=step * 0.001 + number)
                file.write(record(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[value]))))
            if step % every == every - 1:
                audio = Summary.Audio(sample_rate=22050, num_channels=1, encoded_audio_string=bytes(CLIP_BYTES))
                value = Summary.Value(tag="sample/0", audio=audio)
                file.write(record(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=[value]))))


def load_with_ours(folder: Path) -> int:
    """Load everything; give the number of points."""
    from workbench.tail.follower import RunFollower

    follower = RunFollower(folder)
    follower.poll()
    return sum(len(follower.series(tag)) for tag in follower.tags())


def load_with_theirs(folder: Path) -> int:
    """Load everything, all points kept; give the number of points."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(folder), size_guidance={"scalars": 0, "audio": 1})
    accumulator.Reload()
    return sum(len(accumulator.Scalars(tag)) for tag in accumulator.Tags()["scalars"])


READERS: dict[str, Callable[[Path], int]] = {"ours": load_with_ours, "EventAccumulator": load_with_theirs}


def measure_here(reader: str, folder: Path) -> None:
    """Load once in this process and print the measurement as JSON."""
    READERS[reader](folder / "warm")  # imports, on a tiny file
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cpu, wall = time.process_time(), time.perf_counter()
    points = READERS[reader](folder)
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"points": points, "cpu": cpu, "wall": wall, "grown_mb": grown / 1024}))


def measure_live(folder: Path, path: Path) -> tuple[float, float]:
    """Give microseconds of our reader for a new step of 20 scalars and for an idle poll (medians)."""
    from workbench.tail.follower import RunFollower

    follower = RunFollower(folder)
    follower.poll()
    with tempfile.TemporaryDirectory() as scratch:
        more = Path(scratch) / "more"
        write_events(more, 20, 0)
        written = more.read_bytes()
        tail = written[16 + struct.unpack_from("<Q", written)[0] :]  # without the version record
    new_step = []
    for _ in range(200):
        with path.open("ab") as file:
            file.write(tail)
        start = time.perf_counter()
        follower.poll(0.25)
        new_step.append(time.perf_counter() - start)
    time.sleep(2.1)  # until the folder's time stamp has settled
    idle = []
    for _ in range(1000):
        start = time.perf_counter()
        follower.poll(0.25)
        idle.append(time.perf_counter() - start)
    return statistics.median(new_step) * 1e6, statistics.median(idle) * 1e6


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="scalar events in the file")
    parser.add_argument("--clips", type=int, default=20, help="audio clips of 200 kB between them")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--measure", nargs=2, metavar=("READER", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure_here(options.measure[0], Path(options.measure[1]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "events.out.tfevents.1700000000.bench.1.0"
        write_events(path, options.events, options.clips)
        (folder / "warm").mkdir()
        write_events(folder / "warm" / path.name, 20, 0)
        print(
            f"{options.events} scalars of {len(TAGS)} tags, {options.clips} clips, {path.stat().st_size / 1e6:.1f} MB"
        )
        runs: dict[str, list[dict[str, float]]] = {name: [] for name in READERS}
        for _ in range(options.rounds):
            for name in READERS:
                command = [sys.executable, __file__, "--measure", name, str(folder)]
                output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
                runs[name].append(json.loads(output.splitlines()[-1]))
        print(f"{'reader':18} {'points':>9} {'CPU s':>8} {'wall s':>8} {'memory MB':>10}")
        medians = {}
        for name, results in runs.items():
            middle = {key: statistics.median(result[key] for result in results) for key in results[0]}
            medians[name] = middle
            row = f"{middle['points']:9.0f} {middle['cpu']:8.3f} {middle['wall']:8.3f} {middle['grown_mb']:10.1f}"
            print(f"{name:18} {row}")
        ours, theirs = medians["ours"], medians["EventAccumulator"]
        print(f"{'theirs / ours':18} {'':9} {theirs['cpu'] / ours['cpu']:8.1f} {theirs['wall'] / ours['wall']:8.1f}")
        new_step, idle = measure_live(folder, path)
        print(f"ours, live: a new step of 20 scalars {new_step:.0f} µs, an idle poll {idle:.1f} µs")


if __name__ == "__main__":
    main()
