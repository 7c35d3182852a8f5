"""Caches of Piper: what is true of one gives no finding, and each way to be stale gives its own."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from planted.caches import age, make_cache, name_of
from planted.dataset import Planted, Source

from core_vits.errors import CheckpointFileError
from core_vits.manifest import Row
from workbench.config import load_workspace, settings_as_dict
from workbench.jobs.dataset import read_table
from workbench.scan.piper_cache import read_cache
from workbench.scan.tensor_file import is_whole, read_tensor
from workbench.workers.targets import health_cache
from workbench.workers.targets.health import scan
from workbench.workers.targets.health_kinds import CACHE

RATE = 16_000


@pytest.fixture
def folder(source: Source, cache: Path, tmp_path: Path) -> Path:
    """A workspace of twelve clips."""
    return Planted.copy(source, tmp_path / "dataset", clips=12).finish(cache=cache)


def rows_of(folder: Path) -> tuple[Row, ...]:
    return read_table(load_workspace(folder)).rows


def found(folder: Path) -> dict[str, dict[str, Any]]:
    """The findings about caches, by their kind."""
    items = [item for item in scan(str(folder))["findings"] if item["rule"].startswith("cache.")]
    assert {item["rule"] for item in items} <= {kind.name for kind in CACHE}
    return {item["rule"]: item for item in items}


@pytest.mark.parametrize("trim", [True, False])
def test_a_cache_that_is_true_gives_no_finding(folder: Path, trim: bool) -> None:
    make_cache(folder, rate=RATE, trim=trim)
    assert found(folder) == {}


def test_a_copied_recording_is_newer_and_that_is_no_finding_while_the_sound_is_the_same(folder: Path) -> None:
    age(make_cache(folder, rate=RATE), 1e6)
    assert found(folder) == {}


@pytest.mark.parametrize("rate", [22_050, 8_000])
def test_audio_of_another_rate(folder: Path, rate: int) -> None:
    make_cache(folder, rate=rate)
    item = found(folder)["cache.rate"]
    assert (item["evidence"]["rate"], item["evidence"]["wanted"]) == (rate, RATE)
    assert (item["evidence"]["entries"], item["evidence"]["lines"]) == (12, "1-12")


def test_two_rates_in_one_cache(folder: Path) -> None:
    make_cache(folder, rate=RATE)
    make_cache(folder, rate=22_050, rows=rows_of(folder)[3:7])
    item = found(folder)["cache.rate"]
    assert (item["evidence"]["entries"], item["evidence"]["of"], item["evidence"]["lines"]) == (4, 12, "4-7")


@pytest.mark.parametrize(("bins", "hop"), [(513, 200), (1025, 256), (513, 512)])
def test_spectrograms_of_another_hop_or_window(folder: Path, bins: int, hop: int) -> None:
    make_cache(folder, rate=RATE, bins=bins, hop=hop)
    evidence = found(folder)["cache.hop"]["evidence"]
    assert (evidence["bins"], evidence["entries"]) == (bins, 12)
    assert abs(evidence["hop"] - hop) <= 2


def test_a_table_that_rows_were_put_into_leaves_a_second_generation(folder: Path) -> None:
    make_cache(folder, rate=RATE)
    table = folder / "metadata.csv"
    first, *rest = table.read_text("utf-8").splitlines()
    table.write_text("\n".join([first, "new.wav|Новая строка.", *rest]) + "\n", "utf-8")
    soundfile.write(folder / "wavs/new.wav", np.random.default_rng(1).normal(0, 0.1, RATE), RATE)
    make_cache(folder, rate=RATE)
    item = found(folder)["cache.stale"]
    assert (item["severity"], item["evidence"]["entries"], item["evidence"]["moved"]) == ("warns", 11, 11)
    assert "rows were put in or taken out" in item["message"]


def test_a_new_recording_under_the_old_name(folder: Path) -> None:
    cache = make_cache(folder, rate=RATE)
    row = rows_of(folder)[4]
    age(cache, 100)
    soundfile.write(folder / "wavs" / "new.wav", np.random.default_rng(1).normal(0, 0.1, 2 * RATE), RATE)
    (folder / "wavs" / "new.wav").replace(folder / "wavs" / row.file)
    item = found(folder)["cache.sound"]
    assert (item["evidence"]["differ"], item["evidence"]["lines"]) == (1, "5")


def test_silence_that_piper_before_1_5_left(source: Source, cache: Path, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset", clips=12)
    for line in planted.lines:
        noise = planted.chance.normal(0, 1e-5, 2 * RATE)
        planted.write(line, np.concatenate([noise, planted.samples(line)]))
    folder = planted.finish(cache=cache)
    make_cache(folder, rate=RATE)
    assert found(folder) == {}
    make_cache(folder, rate=RATE, trim=False)
    assert found(folder)["cache.trim"]["evidence"]["lines"] == "1-12"


def test_a_text_that_was_changed_at_its_end(folder: Path) -> None:
    make_cache(folder, rate=RATE)
    table = folder / "metadata.csv"
    lines = table.read_text("utf-8").splitlines()
    long = next(number for number, line in enumerate(lines) if len(line) > 80)
    lines[long] = lines[long][:-3] + "ому."
    table.write_text("\n".join(lines) + "\n", "utf-8")
    assert found(folder)["cache.text"]["evidence"]["lines"] == str(long + 1)


def test_phonemes_of_another_engine(folder: Path) -> None:
    cache = make_cache(folder, rate=RATE)
    for path in list(cache.glob("*.phonemes.txt"))[:3]:
        path.write_text(path.read_text("utf-8").replace("a", "ɑ").strip() + "x\n", "utf-8")
    item = found(folder)["cache.phonemes"]
    assert (item["evidence"]["compared"], item["evidence"]["differ"]) == (12, 3)


@pytest.mark.parametrize("damage", ["empty", "cut off", "something else"])
def test_files_that_would_stop_piper(folder: Path, damage: str) -> None:
    cache = make_cache(folder, rate=RATE)
    path = cache / f"{name_of(rows_of(folder)[2])}.spec.pt"
    whole = path.read_bytes()
    path.write_bytes({"empty": b"", "cut off": whole[: len(whole) // 2], "something else": b"none" * 100}[damage])
    item = found(folder)["cache.damaged"]
    assert item["evidence"]["lines"] == "3"
    assert path.name in item["message"]


def test_a_file_that_wants_to_run_code_is_told_and_not_run(folder: Path) -> None:
    cache = make_cache(folder, rate=RATE)
    path = cache / f"{name_of(rows_of(folder)[2])}.audio.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(print))
        archive.writestr("archive/data/0", bytes(2_000_000))  # of a length that makes it doubtful
    with pytest.raises(CheckpointFileError, match=r"wants to run code \(builtins.print"):
        read_tensor(path)
    assert found(folder)["cache.damaged"]["evidence"]["lines"] == "3"


def test_rows_and_files_that_are_not_there(folder: Path) -> None:
    cache = make_cache(folder, rate=RATE, rows=rows_of(folder)[:10])
    (cache / f"{name_of(rows_of(folder)[0])}.phonemes.pt").unlink()
    item = found(folder)["cache.incomplete"]
    assert (item["severity"], item["evidence"]["absent"], item["evidence"]["partly"]) == ("info", 2, 1)
    assert item["evidence"]["lines"] == "1 11-12"


def test_what_the_real_piper_wrote_is_read_as_torch_reads_it(shared: Path) -> None:
    for path in sorted((shared / "fixtures/dataset/cache").glob("*.pt")):
        assert np.array_equal(read_tensor(path), torch.load(path, weights_only=True).numpy())
        assert is_whole(path)


def test_what_the_real_piper_wrote_is_true(shared: Path, tmp_path: Path) -> None:
    source = shared / "fixtures/dataset"
    for name in ("wavs", "cache", "metadata.csv"):
        (tmp_path / name).symlink_to(source / name)
    (tmp_path / "workbench.toml").write_text(
        '[voice]\nname = "probe"\nlanguage = "ru"\n[paths]\ncache = "own"\n[training]\nbatch_size = 2\n', "utf-8"
    )
    items = found(tmp_path)
    # One recording is missing; the phonemes are of an older eSpeak NG.
    assert set(items) <= {"cache.incomplete", "cache.phonemes"}
    assert items["cache.incomplete"]["evidence"]["lines"] == "4"


# --- caches that lie elsewhere ---


def elsewhere(folder: Path, place: Path) -> Path:
    """A cache of another sample rate, moved away from the dataset."""
    return make_cache(folder, rate=22_050).rename(place)


def script(folder: Path, *lines: str) -> None:
    (folder / "train.sh").write_text("\n".join(f"python -m piper.train fit {line}" for line in lines), "utf-8")


def test_a_cache_that_any_call_of_a_script_names_is_looked_at(folder: Path, tmp_path: Path) -> None:
    cache = elsewhere(folder, tmp_path / "prepared elsewhere")
    assert found(folder) == {}
    script(folder, "--data.csv_path metadata.csv", f"--data.cache_dir '{cache}'", "--data.cache_dir /nowhere")
    assert found(folder)["cache.rate"]["subject"].endswith("prepared elsewhere")


@pytest.mark.parametrize("name", ["config.yaml", "hparams.yaml"])
def test_a_cache_that_a_run_wrote_down_is_looked_at(folder: Path, tmp_path: Path, name: str) -> None:
    cache = elsewhere(folder, tmp_path / "prepared")
    version = tmp_path / "piper" / "lightning_logs" / "version_3"
    version.mkdir(parents=True)
    (version / name).write_text(f"trainer:\n  devices: 1\ndata:\n  csv_path: x\n  cache_dir: {cache}\n", "utf-8")
    assert found(folder) == {}
    with (folder / "workbench.toml").open("a", encoding="utf-8") as file:
        file.write(f'\npiper_runs = "{tmp_path}/piper/lightning_logs"\n')
    assert set(found(folder)) == {"cache.rate"}


def test_a_cache_that_the_workspace_file_names_is_looked_at(folder: Path, tmp_path: Path) -> None:
    cache = elsewhere(folder, tmp_path / "prepared")
    with (folder / "workbench.toml").open("a", encoding="utf-8") as file:
        file.write(f'\npiper_cache = "{cache}"\n')
    assert set(found(folder)) == {"cache.rate"}


@pytest.mark.parametrize("inside", [True, False])
def test_of_a_folder_without_a_workspace_nothing_outside_is_opened(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, inside: bool
) -> None:
    cache = elsewhere(folder, (folder if inside else tmp_path) / "prepared")
    (folder / "link").symlink_to(cache)
    script(folder, f"--data.cache_dir {cache}", "--data.cache_dir link")
    workspace = load_workspace(folder)
    (folder / "workbench.toml").unlink()
    opened: list[Path] = []
    monkeypatch.setattr(
        health_cache, "read_cache", lambda place, *_, **__: opened.append(place) or read_cache(place, ())
    )
    scan(str(workspace.file), settings=settings_as_dict(workspace))
    assert opened == ([cache] if inside else [])


def test_a_cache_with_two_names_is_told_once(folder: Path) -> None:
    cache = elsewhere(folder, folder / "prepared")
    (folder / "link").symlink_to(cache)
    script(folder, f"--data.cache_dir {cache}", "--data.cache_dir link")
    items = [item for item in scan(str(folder))["findings"] if item["rule"] == "cache.rate"]
    assert [Path(item["subject"]).name for item in items] == ["prepared"]
