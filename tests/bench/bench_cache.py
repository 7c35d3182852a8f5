"""The clip cache beside Piper's files: `python tests/bench/bench_cache.py`.

Synthetic clips of a real dataset's size (8,397 of 1.5 to 6.7 s) are written both ways: as Piper keeps them, audio,
phoneme ids and spectrogram in a file each, by torch.save; and into our cache. Then both are read in the same random
order, in turns, up to the float32 audio and ids that a batch is made of, as each one's loader reads them: Piper's by
torch.load, which brings the spectrogram along, ours by `ClipDataset`. Ours is read twice: a checksum is compared the
first time that a process reads a clip. CPU time, one thread. At the end a start is timed that finds every clip
prepared: each recording is looked at, none is read.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import soundfile
import torch

from core_vits.audio import from_int16
from core_vits.cache import CacheReader, CacheSettings, CacheWriter, cache_folder
from core_vits.config import AudioConfig
from core_vits.dataset import ClipDataset
from core_vits.recordings import Recordings
from core_vits.spectrogram import linear_spectrogram
from workbench.config import load_workspace
from workbench.host import Host
from workbench.train.clips import ClipBuild
from workbench.workers.targets.frontend import front_end

SETTINGS = CacheSettings(
    sample_rate=22_050, trim_silence=True, keep_seconds_before=0.25, keep_seconds_after=0.25, phonemizer="bench",
    phonemizer_version="1", language="ru", id_map_md5="",
)  # fmt: skip


def clips(count: int) -> list[tuple[np.ndarray, tuple[int, ...]]]:
    """16-bit audio and phoneme ids; the audio is cut from one long noise, as what it holds changes nothing here."""
    chance = np.random.default_rng(1)
    noise = (chance.normal(0, 0.1, 60 * 22_050).clip(-0.9, 0.9) * 32_767).astype(np.int16)
    made = []
    for seconds in chance.uniform(1.5, 6.7, count):
        begin, ids = int(chance.integers(0, 50 * 22_050)), int(30 * seconds)
        made.append((noise[begin : begin + int(seconds * 22_050)], tuple(chance.integers(1, 150, ids).tolist())))
    return made


def cpu_seconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return time.process_time() - begin


def write_pt(folder: Path, made: list[tuple[np.ndarray, tuple[int, ...]]]) -> float:
    """Piper's layout; CPU seconds without the spectrograms themselves, which are no cost of the files."""
    folder.mkdir()
    seconds = 0.0
    for number, (audio, ids) in enumerate(made):
        samples = torch.from_numpy(from_int16(audio))
        parts = {
            "audio": samples,
            "phonemes": torch.LongTensor(ids),
            "spec": linear_spectrogram(samples, AudioConfig()),
        }
        begin = time.process_time()
        for name, tensor in parts.items():
            torch.save(tensor, folder / f"{number}.{name}.pt")
        seconds += time.process_time() - begin
    return seconds


def write_ours(base: Path, made: list[tuple[np.ndarray, tuple[int, ...]]]) -> float:
    def write() -> None:
        with CacheWriter(base, SETTINGS) as writer:
            for number, (audio, ids) in enumerate(made):
                writer.add(
                    key=str(number), file=f"{number}.wav", text="text", speaker=None, phoneme_ids=ids, audio=audio
                )

    return cpu_seconds(write)


def read_pt(folder: Path, order: list[int]) -> None:
    for number in order:
        for name in ("audio", "phonemes", "spec"):
            torch.load(folder / f"{number}.{name}.pt", weights_only=True)


def read_ours(dataset: ClipDataset, order: list[int]) -> None:
    for number in order:
        clip = dataset[number]
        torch.from_numpy(from_int16(clip.audio_S))
        torch.from_numpy(clip.phoneme_ids_T)


def size(folder: Path) -> tuple[int, int]:
    """Bytes and number of the files below a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files), len(files)


def bench_files(root: Path, count: int, turns: int) -> None:
    made, order = clips(count), list(range(count))
    written = {"Piper's files": write_pt(root / "pt", made), "our cache": write_ours(root / "ours", made)}
    folders = {"Piper's files": root / "pt", "our cache": root / "ours"}
    reader = CacheReader(cache_folder(root / "ours", SETTINGS))
    reads: dict[str, list[float]] = {name: [] for name in folders}
    first: list[float] = []
    for turn in range(turns):
        random.Random(turn).shuffle(order)
        part = order[: max(1, count // turns)]
        reads["Piper's files"].append(cpu_seconds(lambda part=part: read_pt(root / "pt", part)) / len(part) * 1e6)
        fresh = ClipDataset(CacheReader(reader.folder), [str(number) for number in range(count)], AudioConfig())
        first.append(cpu_seconds(lambda part=part, fresh=fresh: read_ours(fresh, part)) / len(part) * 1e6)
        reads["our cache"].append(cpu_seconds(lambda part=part, fresh=fresh: read_ours(fresh, part)) / len(part) * 1e6)
    print(f"{count} clips, {sum(len(audio) for audio, _ in made) / 22_050 / 3600:.1f} h, one thread\n")
    print(f"{'':>14}{'GB':>8}{'files':>8}{'write CPU s':>13}{'read µs/clip':>14}")
    rows = {}
    for name, folder in folders.items():
        rows[name] = (*size(folder), written[name], statistics.median(reads[name]))
        bytes_, files, write, read = rows[name]
        print(f"{name:>14}{bytes_ / 1e9:8.3f}{files:8d}{write:13.2f}{read:14.1f}")
    print(f"{'first reading':>14}{'':>29}{statistics.median(first):14.1f}")
    ratios = [theirs / ours for theirs, ours in zip(rows["Piper's files"], rows["our cache"], strict=True)]
    print(f"{'ratio':>14}{ratios[0]:7.2f}x{ratios[1]:7.0f}x{ratios[2]:12.1f}x{ratios[3]:13.1f}x\n")


def bench_start(root: Path, count: int, turns: int) -> None:
    """A dataset on disk is prepared once; then starts are timed that find everything prepared."""
    (root / "wavs").mkdir()
    rows = []
    for number, (audio, _) in enumerate(clips(count)):
        audio = audio.copy()
        audio[:2] = number % 30_000, number // 30_000  # no two recordings are the same
        soundfile.write(root / "wavs" / f"{number:05d}.wav", audio, 22_050)
        rows.append(f"{number:05d}|Номер {number}.\n")
    (root / "metadata.csv").write_text("".join(rows), "utf-8")
    (root / "workbench.toml").write_text(
        '[voice]\nname = "bench"\nlanguage = "ru"\n[dataset]\nmetadata = "metadata.csv"\naudio = "wavs"\n'
        "[audio]\ntrim_silence = false\n"
    )
    workspace = load_workspace(root)
    front = front_end(workspace, Host.load(workspace))

    def build() -> int:
        return ClipBuild(workspace, front, lambda *_: None).run().made

    time.sleep(2.5)  # a recording that is younger than two seconds is read again by the next start
    print(f"first preparation: {build()} clips made")
    wall, cpu = [], []
    for _ in range(turns):
        begin, begin_cpu = time.perf_counter(), time.process_time()
        if build():
            raise SystemExit("clips were made that were there")
        wall.append(time.perf_counter() - begin)
        cpu.append(time.process_time() - begin_cpu)
    reading = cpu_seconds(lambda: hash_all(root, count))
    print(f"a start that finds all {count} clips: {statistics.median(wall):.2f} s, CPU {statistics.median(cpu):.2f} s;"
          f" reading every recording and all cached audio takes CPU {reading:.2f} s more")  # fmt: skip
    front.close()


def hash_all(root: Path, count: int) -> None:
    """What a start did before hashes were kept."""
    files = [(path, path.stat()) for path in sorted((root / "wavs").iterdir())]
    Recordings(root, trust=False).hashes(files)
    (folder,) = [path.parent for path in (root / ".cache").glob("*/index.jsonl")]
    reader = CacheReader(folder)
    for entry in reader.entries.values():
        reader.audio(entry)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8397)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--folder", type=Path, help="where 13 GB may lie for a while (default: that of temporary files)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    root = Path(tempfile.mkdtemp(prefix="bench-cache-", dir=options.folder))
    try:
        bench_files(root, options.clips, options.turns)
        shutil.rmtree(root / "pt")
        bench_start(root, options.clips, options.turns)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
