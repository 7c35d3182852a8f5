"""Two thousand damaged files: no crash, no hang, and never a point that was not written."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest
from tail.event_files import EventWriter, event_name, tone

from workbench.tail import eventfile, reader
from workbench.tail.follower import RunFollower
from workbench.tail.reader import read_audio

FILES = 2000
SEEDS = 4


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> EventWriter:
    """60 scalars of two tags, a clip among them, about 12 kB."""
    wav, frames = tone(0.2)
    writer = EventWriter(tmp_path_factory.mktemp("fuzz") / event_name())
    for step in range(30):
        writer.scalar("loss", step, step / 8)
        writer.scalar("epoch", step, step // 10)
        if step == 15:
            writer.clip("sentence", 32, wav, frames)
    return writer


def mutate(data: bytes, chance: random.Random) -> tuple[bytes, int]:
    """Damage a file; give it with the first position that changed."""
    at = chance.randrange(len(data))
    length = chance.choice([1, 1, 2, 4, 12, 60, 300])
    chunk = data[at : at + length]
    kind = chance.choice(["flip", "zero", "ones", "noise", "insert", "delete", "repeat", "cut", "swap"])
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :], at
    if kind in ("zero", "ones", "noise"):
        filler = {"zero": bytes(len(chunk)), "ones": b"\xff" * len(chunk), "noise": chance.randbytes(len(chunk))}[kind]
        return data[:at] + filler + data[at + length :], at
    if kind == "insert":
        return data[:at] + chance.randbytes(length) + data[at:], at
    if kind == "delete":
        return data[:at] + data[at + length :], at
    if kind == "repeat":
        return data[:at] + chunk + data[at:], at
    if kind == "cut":
        return data[:at], at
    other = chance.randrange(len(data))
    first, second = sorted((at, other))
    return data[:first] + data[second:] + data[first:second], first


def points_of(follower: RunFollower, tag: str) -> list[tuple[int, float, float]]:
    """All points of a tag, whatever became of them."""
    parts = [*follower.segments(tag), *follower.superseded(tag)]
    return [
        point
        for part in parts
        for point in zip(part.steps.tolist(), part.values.tolist(), part.wall_times.tolist(), strict=True)
    ]


def check(folder: Path, writer: EventWriter, truth: dict[str, list[tuple[int, float, float]]], damage: int) -> None:
    follower = RunFollower(folder)
    while not follower.poll(0.0).complete:
        pass
    intact = [end for end in [*writer.offsets[1:], writer.path.stat().st_size] if end <= damage]
    for tag, written in truth.items():
        found = points_of(follower, tag)
        assert set(found) <= set(written), "a point that was never written"
        prefix = [point for point in written if 3 + 2 * point[0] + (point[0] > 15) <= len(intact)]
        assert set(prefix) <= set(found), "a good point before the damage is missing"
    for clip in follower.audio():
        read_audio(clip)
    for problem in follower.problems():
        assert str(problem)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_mutated_files_neither_crash_nor_hang_nor_lie(
    original: EventWriter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    whole = RunFollower(original.path.parent)
    whole.poll()
    truth = {tag: points_of(whole, tag) for tag in ("loss", "epoch")}
    assert [len(points) for points in truth.values()] == [30, 30]
    if seed % 2:  # read from the end first
        monkeypatch.setattr(eventfile, "TAIL_FIRST", 3000)
        monkeypatch.setattr(reader, "_SEARCH_WINDOW", 1024)
    chance = random.Random(20_240_611 + seed)
    data = original.path.read_bytes()
    target = tmp_path / original.path.name
    begin = time.process_time()
    for _ in range(FILES // SEEDS):
        mutated, first_damage = data, len(data)
        for _ in range(chance.choice([1, 1, 1, 2, 5])):
            mutated, at = mutate(mutated or b"\0", chance)
            first_damage = min(first_damage, at)
        target.write_bytes(mutated)
        check(tmp_path, original, truth, first_damage)
    assert time.process_time() - begin < 20


def test_file_damaged_while_it_is_followed_neither_crashes_nor_hangs(original: EventWriter, tmp_path: Path) -> None:
    chance = random.Random(7)
    data = original.path.read_bytes()
    target = tmp_path / original.path.name
    for _ in range(100):
        target.write_bytes(b"")
        follower = RunFollower(tmp_path)
        position = 0
        while position < len(data):
            step = chance.randrange(1, 3000)
            piece = data[position : position + step]
            if chance.random() < 0.2:
                piece, _ = mutate(piece, chance)
            with target.open("ab") as file:
                file.write(piece)
            position += step
            follower.poll(0.01)
        follower.poll()
        truth = {(step, step / 8) for step in range(30)}
        points = follower.series("loss")
        assert set(zip(points.steps.tolist(), points.values.tolist(), strict=True)) <= truth
