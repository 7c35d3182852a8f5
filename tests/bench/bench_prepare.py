"""Our preprocessing beside Piper's: `python tests/bench/bench_prepare.py` (Piper's side needs `make peer`).

The demo's recordings, resampled to 22,050 Hz and several times over, each time a little different, go through both from
the recording to the cache: decode, resample, cut silence, phonemize, write (Piper computes spectrograms too; they are
what its cache holds). Piper's is its own code, in one process as it does it. Processes take turns, A B A B; a turn's
imports are not counted, but those of the processes that it starts are. One core means that the process may use no
other. Ours also prepares four times as many: what a clip more costs, and what is left of the time for the start.
`each core apart` is one such process on each core at once: cores share caches, memory and clock, and more can't be had.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import mean

import soundfile

from core_vits.audio import load_recording, to_int16
from core_vits.manifest import read_metadata

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
TIMES = 4
DEMO = REPO / "workbench" / "demo"


def dataset(folder: Path, clips: int) -> float:
    """Write it, and the table of its first part; seconds of audio of the part."""
    (folder / "wavs").mkdir()
    rows, seconds = [], 0.0
    demo = [
        (row.text, to_int16(load_recording(DEMO / "wavs" / row.file, 22_050)))
        for row in read_metadata(DEMO / "metadata.csv").rows
    ]
    for number in range(clips):
        text, samples = demo[number % len(demo)]
        samples = samples.copy()
        samples[0] = number
        words = text.split()
        random.Random(number).shuffle(words)  # a text of its length that no phonemizer has seen yet
        text = " ".join(words)
        soundfile.write(folder / "wavs" / f"{number:05d}.wav", samples, 22_050)
        rows.append(f"{number:05d}|{text}\n")
        seconds += len(samples) / 22_050 * (number < clips // TIMES)
    (folder / "metadata.csv").write_text("".join(rows), "utf-8")
    (folder / "first.csv").write_text("".join(rows[:2]), "utf-8")
    (folder / "part.csv").write_text("".join(rows[: clips // TIMES]), "utf-8")
    (folder / "workbench.toml").write_text(
        '[voice]\nname = "bench"\nlanguage = "ru"\n[dataset]\nmetadata = "metadata.csv"\naudio = "wavs"\n'
    )
    return seconds


def run(command: list[str], cores: set[int], folder: Path) -> dict[str, float]:
    """One process; what it measured."""
    threads = str(len(cores))
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "OMP_WAIT_POLICY": "PASSIVE"}
    cache = Path(tempfile.mkdtemp(dir=folder))
    done = subprocess.run(
        ["taskset", "-c", ",".join(map(str, cores)), *(part if part != "CACHE" else str(cache) for part in command)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    shutil.rmtree(cache)
    if done.returncode:
        sys.exit(f"{command[1]} failed: {done.stderr[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def on_each(cores: list[int], prepare: Callable[[int], dict[str, float]]) -> dict[str, float]:
    """On each core at once, each with all of the clips for itself; as if the cores had shared the clips."""
    with ThreadPoolExecutor(len(cores)) as pool:
        turns = list(pool.map(prepare, cores))
    return {"wall": max(turn["wall"] for turn in turns) / len(turns), "cpu": mean(turn["cpu"] for turn in turns)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=384, help="default: %(default)s, eight times the demo")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))
    peer = Path(os.environ.get("WORKBENCH_PEER_PYTHON") or REPO / ".venv-peer" / "bin" / "python")
    folder = Path(tempfile.mkdtemp(prefix="bench-prepare-"))
    first = {cores[0]}

    def ours(cores: set[int], table: str) -> dict[str, float]:
        return run([sys.executable, str(HERE / "prepare_of_ours.py"), str(folder), "CACHE", table], cores, folder)

    def theirs(table: str) -> dict[str, float]:
        return run([str(peer), str(HERE / "prepare_of_piper.py"), str(folder), "CACHE", table], first, folder)

    sides: dict[str, Callable[[str], dict[str, float]]] = {"ours, 1 core": partial(ours, first)}
    if len(cores) > 1:
        sides[f"ours, {len(cores)} cores"] = partial(ours, set(cores))
        sides["each core apart"] = lambda table: on_each(cores, lambda core: ours({core}, table))
    if peer.is_file():
        sides = {"Piper, 1 core": theirs, **sides}
    else:
        print(f"Piper's side needs its environment, which is not at {peer} (run `make peer`)")
    part: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    whole: dict[str, list[dict[str, float]]] = {name: [] for name in sides if sides[name] is not theirs}
    load = os.getloadavg()[0]
    try:
        seconds = dataset(folder, TIMES * options.clips)
        for _ in range(options.turns):
            for table, seen in (("part.csv", part), ("metadata.csv", whole)):
                for name in seen:
                    seen[name].append(sides[name](table))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{options.clips} clips, {seconds / 60:.0f} min, medians of {options.turns} turns; load before: {load:.1f}\n")
    tell_part(part, options.clips)
    tell_growth(part, whole, options.clips)


def median(turns: list[dict[str, float]], key: str) -> float:
    return statistics.median(turn[key] for turn in turns)


def tell_part(part: dict[str, list[dict[str, float]]], clips: int) -> None:
    print(f"{'':>16}{'CPU ms/clip':>13}{'wall ms/clip':>14}{'clips/s':>9}{'faster, CPU':>13}{'faster, wall':>14}")
    first: dict[str, float] = {}
    for name, turns in part.items():
        cpu, wall = (median(turns, key) / clips * 1e3 for key in ("cpu", "wall"))
        first = first or {"cpu": cpu, "wall": wall}
        print(
            f"{name:>16}{cpu:13.1f}{wall:14.1f}{1e3 / wall:9.1f}"
            f"{first['cpu'] / cpu:12.2f}x{first['wall'] / wall:13.2f}x"
        )


def tell_growth(part: dict[str, list[dict[str, float]]], whole: dict[str, list[dict[str, float]]], clips: int) -> None:
    """What a clip more costs, and what the time of the part has beside that."""
    print(f"\nand {TIMES * clips} clips:")
    print(f"{'':>16}{'a clip more: CPU ms':>21}{'wall ms':>9}{'faster, wall':>14}{'start: CPU s':>14}{'wall s':>8}")
    first = 0.0
    for name, turns in whole.items():
        more = {key: (median(turns, key) - median(part[name], key)) / ((TIMES - 1) * clips) for key in ("cpu", "wall")}
        start = {key: median(part[name], key) - clips * more[key] for key in ("cpu", "wall")}
        first = first or more["wall"]
        print(
            f"{name:>16}{more['cpu'] * 1e3:21.1f}{more['wall'] * 1e3:9.1f}{first / more['wall']:13.2f}x"
            f"{start['cpu']:14.2f}{start['wall']:8.2f}"
        )


if __name__ == "__main__":
    main()
