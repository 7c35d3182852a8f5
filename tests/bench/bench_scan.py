"""The scan of a dataset, stage by stage, on clips that the bench makes.

    python tests/bench/bench_scan.py [--clips 8397] [--rows 100000] [--rounds 3] [--folder KEEP]

Prints wall seconds, CPU seconds (with those of child processes) and clips a second. The yardsticks are what reading the
same files costs alone, and with one spectrum of NumPy's, in turns with the rest: machines differ, and are busy.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

# As in a worker; NumPy looks when it is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from core_vits.machine import cores
from workbench.executors import Processes
from workbench.scan.decoding import examine_all, lost
from workbench.workers import Worker
from workbench.workers.health_report import scan_with
from workbench.workers.targets.health_source import Structure, Table
from workbench.workers.targets.health_work import open_workspace

RATE = 22_050
SECONDS = 9.3 * 3600
BLOCK = 32


def make_clips(folder: Path, clips: int) -> None:
    """Write clips of together 9.3 h for 8,397, each other than the others, and their table."""
    import soundfile

    chance = np.random.default_rng(1)
    demo = Path(__file__).resolve().parents[2] / "workbench" / "demo" / "wavs"
    voice = np.concatenate([soundfile.read(file, dtype="int16")[0] for file in sorted(demo.glob("*.flac"))])
    lengths = np.clip(chance.gamma(6, 1, clips), 1.2, 14)
    lengths = (lengths * (SECONDS / 8397 * clips / lengths.sum()) * RATE).astype(int)
    (folder / "wavs").mkdir(parents=True)
    words = "утро вечер дождь поле лес дорога окно город море ветер камень огонь песня".split()  # noqa: SIM905 - shorter
    rows = []
    for number, length in enumerate(lengths):
        begin = int(chance.integers(0, len(voice) - length))
        soundfile.write(folder / "wavs" / f"{number:06}.wav", voice[begin : begin + length], RATE)
        said = " ".join(words[int(place)] for place in chance.integers(0, len(words), max(1, length // 9_000 - 4)))
        rows.append(f"{number:06}.wav|{said.capitalize()} {number}.\n")
    (folder / "metadata.csv").write_text("".join(rows), encoding="utf-8")
    settings = '[voice]\nname = "bench"\nlanguage = "ru"\n'
    (folder / "workbench.toml").write_text(settings, encoding="utf-8")


def make_rows(folder: Path, rows: int) -> None:
    """A table of many rows with short recordings, all of one content."""
    import soundfile

    (folder / "wavs").mkdir(parents=True)
    first = folder / "wavs" / "000000.wav"
    soundfile.write(first, np.random.default_rng(1).normal(0, 0.1, 2_000), RATE)
    for number in range(1, rows):
        os.link(first, folder / "wavs" / f"{number:06}.wav") if number % 60_000 else first.rename(first)
        if number % 60_000 == 0:  # a file may have some 65,000 names
            first = folder / "wavs" / f"{number:06}.wav"
            soundfile.write(first, np.random.default_rng(1).normal(0, 0.1, 2_000), RATE)
    table = "".join(f"{number:06}.wav|{number % 100} попугаев.\n" for number in range(rows))
    (folder / "metadata.csv").write_text(table, encoding="utf-8")
    (folder / "workbench.toml").write_text('[voice]\nname = "bench"\nlanguage = "ru"\n', encoding="utf-8")


def used() -> float:
    """CPU seconds of this process and of its children, which are counted when they have ended."""
    forkserver._forkserver._stop()  # what processes are forked from, where an executor has ended
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    cpu, wall = used(), time.perf_counter()
    work()
    return time.perf_counter() - wall, used() - cpu


def read_alone(files: list[Path]) -> None:
    """The first yardstick: read, add up, look for the peak."""
    for file in files:
        samples = np.fromfile(file, dtype="<i2", offset=44)
        samples.sum(dtype=np.int64)
        samples.max(initial=0)


def spectrum_alone(files: list[Path]) -> None:
    """The second: read, levels of 10 ms and one spectrum as NumPy makes it."""
    window = np.hanning(1024).astype(np.float32)
    for file in files:
        samples = np.fromfile(file, dtype="<i2", offset=44).astype(np.float32)
        levels = samples[: len(samples) // 220 * 220].reshape(-1, 220)
        np.einsum("ij,ij->i", levels, levels)
        np.abs(np.fft.rfft(samples[: len(samples) // 1024 * 1024].reshape(-1, 1024) * window))


def measure(folder: Path, names: list[str], make: Callable[[], Any]) -> None:
    executor = make()
    pieces = [names[at : at + BLOCK] for at in range(0, len(names), BLOCK)]
    root = str((folder / "wavs").resolve())
    sum(map(len, executor.run(functools.partial(examine_all, root), pieces, lambda piece: [lost()] * len(piece))))
    executor.close()


def structure(folder: Path) -> None:
    workspace = open_workspace(str(folder), None)
    Structure(workspace, Table(workspace))


class Watch:
    """When parts came from a worker, and how long the longest was."""

    def __init__(self) -> None:
        self.begin = time.perf_counter()
        self.first_finding = self.first_utterance = float("nan")
        self.longest_bytes = 0

    def __call__(self, part: Any) -> None:
        now = (time.perf_counter() - self.begin) * 1000
        if part.get("findings") and self.first_finding != self.first_finding:
            self.first_finding = now
        if part.get("utterances") and self.first_utterance != self.first_utterance:
            self.first_utterance = now
        self.longest_bytes = max(self.longest_bytes, len(json.dumps(part)))


def whole_scan(worker: Worker, folder: Path, watch: Watch) -> None:
    watch.begin = time.perf_counter()
    scan_with(worker, on_part=watch, workspace_file=str(folder))


@contextlib.contextmanager
def place(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is not None:
        yield keep / name
        return
    with tempfile.TemporaryDirectory() as scratch:
        yield Path(scratch) / name


def stages(folder: Path, rounds: int) -> None:
    """Stages in this process take turns every 256 clips, so that whoever else is busy slows all of them alike."""
    names = sorted(path.name for path in (folder / "wavs").iterdir())
    root = str((folder / "wavs").resolve())
    work: dict[str, Callable[[list[str]], Any]] = {
        "yardstick: read and sum": lambda part: read_alone([folder / "wavs" / name for name in part]),
        "yardstick: NumPy spectrum": lambda part: spectrum_alone([folder / "wavs" / name for name in part]),
        "measure, one process": functools.partial(examine_all, root),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in work}
    for stage in work.values():
        stage(names[:2])
    for _ in range(rounds):
        for at in range(0, len(names), 256):
            for name, stage in work.items():
                results[name].append(timed(functools.partial(stage, names[at : at + 256])))
    seconds = {name: [sum(run[place] for run in runs) / rounds for place in (0, 1)] for name, runs in results.items()}
    seconds["structure"] = list(timed(lambda: structure(folder)))
    seconds[f"measure, {cores()} processes"] = list(timed(lambda: measure(folder, names, lambda: Processes(cores()))))
    bytes_ = sum((folder / "wavs" / name).stat().st_size for name in names)
    hours = bytes_ / 2 / RATE / 3600
    print(f"{len(names)} clips, {bytes_ / 1e9:.2f} GB, {hours:.2f} h; {cores()} cores; {rounds} rounds")
    print(f"{'stage':32} {'wall s':>8} {'CPU s':>8} {'clips/s':>8} {'CPU / read':>11} {'CPU / spectrum':>15}")
    read, spectrum = (seconds[f"yardstick: {name}"][1] for name in ("read and sum", "NumPy spectrum"))
    for name, (wall, cpu) in seconds.items():
        print(f"{name:32} {wall:8.2f} {cpu:8.2f} {len(names) / wall:8.0f} {cpu / read:11.1f} {cpu / spectrum:15.2f}")


def scans(folder: Path) -> None:
    with Worker("audio") as worker:
        with contextlib.suppress(Exception):  # the worker starts; a program that runs has one already
            worker.call("workbench.workers.targets.health:scan_in_parts", workspace_file="nowhere")
        for name in ("first scan, with phonemes", "second scan", "after one clip changed"):
            if name.startswith("after"):
                file = next((folder / "wavs").iterdir())
                data = file.read_bytes()
                file.unlink()
                file.write_bytes(data[:-2] + b"\1\0")
            time.sleep(3)  # files must have settled to be remembered
            watch = Watch()
            wall, _ = timed(functools.partial(whole_scan, worker, folder, watch))
            print(
                f"{name:32} {wall:8.2f} s; first finding after {watch.first_finding:.0f} ms, first utterance after "
                f"{watch.first_utterance:.0f} ms; longest part {watch.longest_bytes / 1e3:.0f} kB"
            )


def main() -> None:
    """Run and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8_397)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep the clips here for the next time")
    options = parser.parse_args()
    with place(options.folder, "clips") as folder:
        if not folder.is_dir():
            make_clips(folder, options.clips)
        stages(folder, options.rounds)
        for memo in (folder / ".cache").rglob("*.jsonl"):
            memo.unlink()
        with (folder / "metadata.csv").open("a") as file:
            file.write("\n")  # a blank line: the first finding
        scans(folder)
    if options.rows:
        with place(options.folder, "rows") as folder:
            if not folder.is_dir():
                make_rows(folder, options.rows)
            wall, cpu = timed(lambda: structure(folder))
            print(f"{'structure':32} {wall:8.2f} s, CPU {cpu:.2f} s: {options.rows} rows")
            scans(folder)
            children = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"peak memory of whoever shows it: {children:.0f} MB")


if __name__ == "__main__":
    sys.exit(main())
