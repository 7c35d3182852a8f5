"""Clips with known content for the tests of the cache, and the processes that build it to be killed or starved.

python cache_clips.py kill BASE CLIPS KILLS    builds in children that it kills; prints how many clips were there
python cache_clips.py limit BASE CLIPS BYTES   builds with files limited to BYTES; prints the error, exit code 3
"""

from __future__ import annotations

import os
import random
import resource
import signal
import sys
import time
from pathlib import Path

import numpy as np

from core_vits.cache import CacheError, CacheReader, CacheSettings, CacheWriter, cache_folder

SETTINGS = CacheSettings(
    sample_rate=16_000,
    trim_silence=True,
    keep_seconds_before=0.25,
    keep_seconds_after=0.25,
    phonemizer="espeak",
    phonemizer_version="1.51 abc",
    language="ru",
    id_map_md5="0" * 32,
)


def clip_audio(number: int) -> np.ndarray:
    """The samples of a clip."""
    return (np.arange(4000 + 37 * number) * (2 * number + 1) % 6007 - 3000).astype(np.int16)


def add(writer: CacheWriter, number: int) -> None:
    """Add one clip."""
    writer.add(
        key=f"key{number}", file=f"{number}.wav", text=f"Текст {number}", speaker=None,
        phoneme_ids=(1, 0, number % 100, 2), audio=clip_audio(number), seconds_trimmed=0.5,
    )  # fmt: skip


def fill(base: Path, numbers: range, *, verify: bool = False) -> None:
    """Add the clips that are missing."""
    with CacheWriter(base, SETTINGS) as writer:
        if verify or writer.suspect:
            writer.verify()
        for number in numbers:
            if f"key{number}" not in writer:
                add(writer, number)


def check(base: Path) -> set[int]:
    """Numbers of the clips that are there; each is whole."""
    reader = CacheReader(cache_folder(base, SETTINGS))
    for key, entry in reader.entries.items():
        number = int(key.removeprefix("key"))
        if not np.array_equal(reader.audio(entry), clip_audio(number)):
            raise AssertionError(f"clip {number} has other samples")
        if (entry.text, entry.phoneme_ids) != (f"Текст {number}", (1, 0, number % 100, 2)):
            raise AssertionError(f"clip {number} has another text")
    reader.close()
    return {int(key.removeprefix("key")) for key in reader.entries}


def contents(base: Path) -> dict[str, bytes]:
    """The bytes of the cache."""
    folder = cache_folder(base, SETTINGS)
    return {name: (folder / name).read_bytes() for name in ("audio.i16", "index.jsonl")}


def lines_of(index: Path) -> int:
    """Lines of an index, also of one that is not there yet."""
    return index.read_bytes().count(b"\n") if index.exists() else 0


def build_and_kill(base: Path, clips: int, kills: int) -> None:
    """Start builds and kill each at a random moment; print how many clips were there then.

    The moment is a random number of clips further and a random part of a millisecond later, so that a fast machine does
    not come to the end, and a slow one not to nothing.
    """
    chance = random.Random(11)
    index = cache_folder(base, SETTINGS) / "index.jsonl"
    there: set[int] = set()
    killed = 0
    while killed < kills:
        child = os.fork()
        if child == 0:
            fill(base, range(clips))
            os._exit(0)
        wanted = min(clips - 1, lines_of(index) + chance.randint(0, 3 * clips // (2 * kills)))
        while lines_of(index) < wanted:
            time.sleep(0.0002)
        time.sleep(chance.uniform(0.0, 0.001))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status):
            killed += 1
        else:
            break  # the build came to its end
        if index.exists():
            now = check(base)
            if not there <= now:
                raise AssertionError(f"clips that were complete are gone: {sorted(there - now)}")
            there = now
        print(len(there), flush=True)


def main() -> int:
    """The command."""
    what, base, clips, number = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    if what == "kill":
        build_and_kill(base, clips, number)
        return 0
    resource.setrlimit(resource.RLIMIT_FSIZE, (number, number))
    try:
        fill(base, range(clips))
    except CacheError as error:
        print(error)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
