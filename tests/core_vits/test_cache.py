"""The clip cache: finds clips by what they were made from, and survives kills, torn writes and full disks."""

from __future__ import annotations

import json
import os
import pickle
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cache_clips
import numpy as np
import pytest
from cache_clips import SETTINGS, add, check, clip_audio, contents, fill

from core_vits import cache_files
from core_vits.cache import (
    CacheError,
    CacheReader,
    CacheWriter,
    Shard,
    cache_folder,
    clip_key,
    id_map_md5,
    shards_of,
)


def test_clips_come_back_as_they_were_put_in(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    assert check(tmp_path) == set(range(5))
    settings = json.loads((cache_folder(tmp_path, SETTINGS) / "settings.json").read_text())
    assert settings["phonemizer_version"] == "1.51 abc"


def test_a_second_build_adds_nothing_and_changes_no_byte(tmp_path: Path) -> None:
    fill(tmp_path, range(5))
    before = contents(tmp_path)
    fill(tmp_path, range(5))
    assert contents(tmp_path) == before


def test_a_reader_works_after_pickling_and_in_a_forked_process(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    reader = CacheReader(cache_folder(tmp_path, SETTINGS))
    entry = reader.entries["key2"]
    reader.audio(entry)
    copy = pickle.loads(pickle.dumps(reader))
    assert np.array_equal(copy.audio(entry), reader.audio(entry))
    copy.close()
    reader.close()


def test_the_key_changes_with_recording_text_speaker_and_every_setting() -> None:
    def key(
        recording: str = "1", text: str = "Да.", speaker: str | None = None, ids: tuple[int, ...] = (), **change: Any
    ) -> str:
        return clip_key(replace(SETTINGS, **change).fingerprint(), recording, text, speaker, ids)

    assert key() == key()
    changed = [
        key("2"), key(text="Да!"), key(speaker="mia"), key(ids=(1, 0, 2)), key(ids=(1, 0, 3)),
        key(sample_rate=22_050), key(trim_silence=False), key(keep_seconds_before=0.2), key(keep_seconds_after=0.2),
        key(phonemizer="piper"), key(phonemizer_version="1.52 abc"), key(language="uk"), key(id_map_md5="1" * 32),
        key(normalizers=("numbers 1.0",)), key(vowel_clusters=(("a", "ɪ"),)), key(vowel_clusters=(("a", "ʊ"),)),
    ]  # fmt: skip
    assert len({key(), *changed}) == len(changed) + 1


def test_clips_without_clusters_stay_where_they_were_before_there_were_any() -> None:
    assert SETTINGS.fingerprint() == "15432a54a52be55e25a9400e703805ec"


def test_the_id_map_hash_does_not_depend_on_order_or_container() -> None:
    assert id_map_md5({"a": (1,), "b": [2]}) == id_map_md5({"b": (2,), "a": [1]})
    assert id_map_md5({"a": [1]}) != id_map_md5({"a": [2]})


def test_an_index_cut_at_any_byte_loses_only_the_last_clip(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    whole = contents(tmp_path)
    index = cache_folder(tmp_path, SETTINGS) / "index.jsonl"
    last_line = whole["index.jsonl"].rindex(b"\n", 0, -1) + 1
    for length in range(last_line, len(whole["index.jsonl"]), 7):
        index.write_bytes(whole["index.jsonl"][:length])
        assert check(tmp_path) == {0, 1}
        fill(tmp_path, range(3))
        assert contents(tmp_path) == whole


def test_audio_that_was_cut_off_is_made_again(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    whole = contents(tmp_path)
    audio = cache_folder(tmp_path, SETTINGS) / "audio.i16"
    audio.write_bytes(whole["audio.i16"][:-100])
    assert check(tmp_path) == {0, 1}
    fill(tmp_path, range(3))
    assert contents(tmp_path) == whole


def test_damaged_lines_and_samples_are_noticed_and_made_again(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    folder = cache_folder(tmp_path, SETTINGS)
    lines = (folder / "index.jsonl").read_bytes().splitlines(keepends=True)
    lines[1] = b'{"key": "key1", "nonsense": tru\n'
    (folder / "index.jsonl").write_bytes(b"".join(lines))
    audio = bytearray((folder / "audio.i16").read_bytes())
    audio[10] ^= 0xFF  # in clip 0
    (folder / "audio.i16").write_bytes(audio)
    reader = CacheReader(folder)
    with pytest.raises(CacheError, match=r"0\.wav is damaged"):
        reader.audio(reader.entries["key0"])
    reader.close()
    fill(tmp_path, range(4))
    assert check(tmp_path) == {0, 1, 2, 3}
    assert not (folder / "damaged").exists()


def test_random_damage_never_gives_a_wrong_clip(tmp_path: Path) -> None:
    fill(tmp_path, range(4))
    folder, whole, chance = cache_folder(tmp_path, SETTINGS), contents(tmp_path), random.Random(5)
    for _ in range(150):
        for name, data in whole.items():
            damaged = bytearray(data)
            for _ in range(chance.randint(0, 3)):
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            (folder / name).write_bytes(damaged[: len(damaged) - chance.choice([0, 0, 1, 50, 5000])])
        fill(tmp_path, range(4), verify=True)
        reader = CacheReader(folder)
        for number in range(4):
            assert np.array_equal(reader.audio(reader.entries[f"key{number}"]), clip_audio(number))
        reader.close()


def test_a_folder_without_a_cache_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(CacheError, match=r"no prepared dataset.*Prepare it again"):
        CacheReader(tmp_path)


def test_two_writers_do_not_write_the_same_folder(tmp_path: Path) -> None:
    with CacheWriter(tmp_path, SETTINGS), pytest.raises(CacheError, match="another process prepares"):
        CacheWriter(tmp_path, SETTINGS)
    fill(tmp_path, range(1))


def test_other_settings_have_another_folder_and_leave_this_one_alone(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    with CacheWriter(tmp_path, replace(SETTINGS, phonemizer_version="1.52")) as writer:
        assert "key0" not in writer
    assert check(tmp_path) == {0, 1}


def run_clips(*arguments: object) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, cache_clips.__file__, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_builds_killed_at_random_moments_end_in_the_same_bytes_as_an_undisturbed_one(tmp_path: Path) -> None:
    clips, kills = 700, 40
    done = run_clips("kill", tmp_path / "killed", clips, kills)
    assert done.returncode == 0, done.stderr
    there = [int(line) for line in done.stdout.split()]
    assert len(there) >= kills // 2
    assert len(set(there)) > 5, f"the kills came too early or too late to prove anything: {there}"
    fill(tmp_path / "killed", range(clips))
    fill(tmp_path / "clean", range(clips))
    assert contents(tmp_path / "killed") == contents(tmp_path / "clean")


@pytest.mark.parametrize("limit", [100, 2000, 20_001, 100_000])
def test_a_full_disk_is_one_clear_line_and_leaves_the_cache_whole(tmp_path: Path, limit: int) -> None:
    fill(tmp_path, range(1))
    done = run_clips("limit", tmp_path, 50, limit)
    assert done.returncode == 3, done.stderr
    assert "can't be written: File too large" in done.stdout
    assert done.stdout.count("\n") == 1
    assert 0 in check(tmp_path)
    fill(tmp_path, range(50))
    assert check(tmp_path) == set(range(50))
    assert os.stat(cache_folder(tmp_path, SETTINGS) / "audio.i16").st_size == 2 * sum(  # noqa: PTH116
        len(clip_audio(number)) for number in range(50)
    )


@pytest.mark.parametrize(
    ("call", "failing"), [("pwrite", 0), ("pwrite", 1), ("pwrite", 2), ("fdatasync", 0), ("fdatasync", 1)]
)
def test_an_error_at_each_write_of_a_clip_leaves_the_others_readable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, failing: int
) -> None:
    fill(tmp_path, range(2))
    before, real, calls = contents(tmp_path), getattr(os, call), iter(range(100))

    def refuse(*arguments: object) -> object:
        if next(calls) == failing:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(cache_files, "_SYNC_SECONDS", 0.0)
    with CacheWriter(tmp_path, SETTINGS) as writer:
        monkeypatch.setattr(os, call, refuse)
        with pytest.raises(CacheError, match="No space left on device"):
            add(writer, 2)
        monkeypatch.setattr(os, call, real)
        assert contents(tmp_path) == before
        add(writer, 2)
    assert check(tmp_path) == {0, 1, 2}


def test_a_cache_from_before_there_were_several_audio_files_is_used_as_it_is(tmp_path: Path) -> None:
    fill(tmp_path, range(3))
    folder, before = cache_folder(tmp_path, SETTINGS), contents(tmp_path)
    (folder / "synced").unlink()
    assert b'"audio"' not in before["index.jsonl"], "the lines are those of old"
    fill(tmp_path, range(3))
    assert contents(tmp_path) == before
    audio = bytearray(before["audio.i16"])
    audio[10] ^= 0xFF
    (folder / "audio.i16").write_bytes(audio)
    (folder / "synced").unlink()
    fill(tmp_path, range(3))
    assert check(tmp_path) == {0, 1, 2}, "nobody knows of an old cache how far it is safe, so it is read once"


def test_audio_that_a_loss_of_power_took_is_made_again(tmp_path: Path) -> None:
    fill(tmp_path, range(1))
    with CacheWriter(tmp_path, SETTINGS) as writer:
        add(writer, 1)
        add(writer, 2)
        folder = writer.folder
        safe = (folder / "synced").read_bytes()
    (folder / "synced").write_bytes(safe)  # as it is until two seconds have passed
    whole, end = contents(tmp_path), 2 * len(clip_audio(0))
    (folder / "audio.i16").write_bytes(whole["audio.i16"][:end].ljust(len(whole["audio.i16"]), b"\0"))
    fill(tmp_path, range(0))
    assert check(tmp_path) == {0}
    fill(tmp_path, range(3))
    assert contents(tmp_path) == whole


def test_the_index_never_calls_audio_safe_before_the_disk_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    happened: list[str] = []
    names: dict[int, str] = {}
    real_open, real_write, real_sync = os.open, os.pwrite, os.fdatasync

    def opened(path: Any, *arguments: Any, **options: Any) -> int:
        descriptor = real_open(path, *arguments, **options)
        names[descriptor] = Path(path).name
        return descriptor

    def written(descriptor: int, data: Any, offset: int) -> int:
        happened.append(f"write {names[descriptor]}")
        return real_write(descriptor, data, offset)

    def synced(descriptor: int) -> None:
        happened.append(f"sync {names.get(descriptor, '')}")
        real_sync(descriptor)

    monkeypatch.setattr(os, "open", opened)
    monkeypatch.setattr(os, "pwrite", written)
    monkeypatch.setattr(os, "fdatasync", synced)
    with CacheWriter(tmp_path, SETTINGS) as writer:
        happened.clear()
        add(writer, 0)
        add(writer, 1)
        writer.close()
    clip = ["write audio.i16", "write index.jsonl"]
    assert happened == [*clip, *clip, "sync audio.i16", "sync index.jsonl", "write synced"]


def test_a_full_audio_file_is_followed_by_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_files, "_AUDIO_BYTES", 20_000)  # two clips
    fill(tmp_path, range(3))
    fill(tmp_path, range(7))
    folder = cache_folder(tmp_path, SETTINGS)
    sizes = {path.name: path.stat().st_size for path in folder.glob("audio*.i16")}
    assert set(sizes) == {"audio.i16", "audio-1.i16", "audio-2.i16", "audio-3.i16"}
    assert max(sizes.values()) <= 20_000
    assert check(tmp_path) == set(range(7))


@pytest.mark.parametrize("audio", ["../audio.i16", "/etc/passwd", "shard-1-of-2/audio.i16", "audio-0.i16", 5])
def test_an_index_can_not_lead_out_of_its_folder(tmp_path: Path, audio: object) -> None:
    fill(tmp_path, range(2))
    index = cache_folder(tmp_path, SETTINGS) / "index.jsonl"
    first, second = index.read_text().splitlines()
    index.write_text(json.dumps({**json.loads(first), "audio": audio}) + "\n" + second + "\n")
    assert check(tmp_path) == {1}


def test_damage_that_a_reader_met_is_mended_by_the_next_preparation_in_whichever_folder_it_is(tmp_path: Path) -> None:
    with CacheWriter(tmp_path, SETTINGS, Shard(2, 3)) as writer:
        add(writer, 0)
        add(writer, 1)
    fill(tmp_path, range(3))
    folder = cache_folder(tmp_path, SETTINGS)
    file = folder / "shard-2-of-3" / "audio.i16"
    audio = bytearray(file.read_bytes())
    audio[10] ^= 0xFF
    file.write_bytes(audio)
    reader = CacheReader(folder)
    with pytest.raises(CacheError, match=r"0\.wav is damaged"):
        reader.audio(reader.entries["key0"])
    reader.close()
    fill(tmp_path, range(3))
    assert check(tmp_path) == {0, 1, 2}
    with CacheWriter(tmp_path, SETTINGS) as writer:
        assert not writer.suspect


def test_a_checksum_is_compared_when_a_clip_is_read_first_and_a_short_read_always(tmp_path: Path) -> None:
    fill(tmp_path, range(2))
    reader = CacheReader(cache_folder(tmp_path, SETTINGS))
    reader.audio(reader.entries["key0"])
    (reader.folder / "audio.i16").write_bytes(b"\1" * 100)
    for key in ("key0", "key1"):
        with pytest.raises(CacheError, match="damaged"):
            reader.audio(reader.entries[key])
    reader.close()


def test_shards_that_are_written_at_once_are_read_as_one(tmp_path: Path) -> None:
    shards = [Shard(number, 3) for number in (1, 2, 3)]
    writers = [CacheWriter(tmp_path, SETTINGS, shard) for shard in shards]
    for number in range(7):
        add(writers[[shard.has(number) for shard in shards].index(True)], number)
    with pytest.raises(CacheError, match="another process prepares"):
        CacheWriter(tmp_path, SETTINGS, shards[1])
    for writer in writers:
        writer.close()
    assert check(tmp_path) == set(range(7))
    fill(tmp_path, range(8))
    assert contents(tmp_path)["audio.i16"] == clip_audio(7).tobytes(), "only what no shard has is added"
    assert shards_of(cache_folder(tmp_path, SETTINGS)) == shards
