"""From a run directory to a trainer."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import tomli_w
import torch
from cache_clips import SETTINGS, fill
from lightning.fabric import Fabric
from training_parts import CONFIG, Notes, small_payload

from core_vits.cache import cache_folder
from core_vits.checkpoint import load_checkpoint
from core_vits.config import PRESETS
from core_vits.errors import CheckpointFileError
from core_vits.train.distributed import make_fabric
from core_vits.train.origin import read_origin
from core_vits.train.settings import TrainSettings
from workbench.config import TrainingSettings, load_workspace
from workbench.errors import DatasetError, RunError
from workbench.jobs.background import Background
from workbench.jobs.rundir import read_json, read_lines, read_status, stop_requested, write_json
from workbench.jobs.start import run_workspace
from workbench.train.__main__ import explain, listen, main
from workbench.train.glue import Prepared, make_trainer, model_config, read_prepared, stored_split, train_settings
from workbench.train.recorder import Recorder

KEYS = tuple(f"clip{number}" for number in range(40))


def on_cpu() -> Fabric:
    """One process on the CPU."""
    return make_fabric(TrainSettings(accelerator="cpu"))


def prepared(**changes: object) -> dict[str, object]:
    data: dict[str, object] = {
        "cache": "/nowhere",
        "num_symbols": 256,
        "speakers": {},
        "trained": [{"key": key} for key in KEYS],
    }
    return {**data, **changes}


def test_the_split_is_made_once_and_then_read(tmp_path: Path) -> None:
    first = stored_split(tmp_path, KEYS, TrainingSettings())
    assert read_json(tmp_path / "split.json") == first.as_json()
    assert set(first.train) | set(first.validation) | set(first.test) == set(KEYS)
    # Another seed, other shares, more clips: a resumed run trains on what it trained on before.
    changed = TrainingSettings(seed=5, validation_split=0.5, test_clips=0)
    assert stored_split(tmp_path, (*KEYS, "new"), changed) == first


def test_the_same_clip_twice_is_in_one_part_only(tmp_path: Path) -> None:
    parts = stored_split(tmp_path, KEYS + KEYS, TrainingSettings(validation_split=0.3))
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(KEYS)


def test_a_split_without_training_clips_says_what_to_change(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="validation_split or test_clips"):
        stored_split(tmp_path, (), TrainingSettings())
    assert not (tmp_path / "split.json").exists()


def before(parts: dict[str, list[str]], *, prefix: str = "") -> Background:
    """What is known of a run with this split; its clips' keys begin with `prefix` where they differ from ours."""
    keys = {f"{prefix}{key}": part for part, members in parts.items() for key in members}
    files = {f"{key}.wav": part for part, members in parts.items() for key in members}
    return Background(run=Path("old"), part_of_key=keys, part_of_file=files)


OLD = {"train": ["clip3", "clip1", "clip0"], "validation": ["clip2"], "test": ["clip5"]}
NAMES = {key: f"{key}.wav" for key in KEYS}


def test_a_run_that_begins_with_a_checkpoint_of_ours_keeps_its_split_in_its_order(tmp_path: Path) -> None:
    write_json(tmp_path / "run.json", {"format": 1})
    clips = ("clip0", "clip1", "clip2", "clip3", "clip5")
    # Another seed and other shares: what was trained on stays trained on.
    changed = TrainingSettings(seed=5, validation_split=0.5)
    parts = stored_split(tmp_path, clips, changed, before=before(OLD), files=NAMES)
    assert parts.as_json() == OLD
    assert read_json(tmp_path / "split.json") == OLD
    event = next(event for event in read_lines(tmp_path / "events.jsonl") if event["kind"] == "split_kept")
    assert (event["of"], event["clips"], event["new"]) == ("old", 5, 0)


def test_new_clips_are_divided_among_themselves_and_nothing_trained_validates(tmp_path: Path) -> None:
    parts = stored_split(tmp_path, KEYS, TrainingSettings(validation_split=0.2), before=before(OLD), files=NAMES)
    assert set(OLD["train"]) <= set(parts.train)
    assert set(OLD["validation"]) <= set(parts.validation)
    assert parts.test == tuple(OLD["test"])
    assert len(parts.validation) == 1 + int(0.2 * (len(KEYS) - 5))
    assert sorted((*parts.train, *parts.validation, *parts.test)) == sorted(KEYS)


def test_clips_whose_keys_changed_with_a_setting_are_known_by_their_recordings(tmp_path: Path) -> None:
    parts = stored_split(tmp_path, KEYS, TrainingSettings(), before=before(OLD, prefix="old "), files=NAMES)
    assert set(OLD["train"]) <= set(parts.train)
    assert set(OLD["validation"]) <= set(parts.validation)


def test_a_run_that_shares_no_clip_with_the_old_one_has_a_split_of_its_own(tmp_path: Path) -> None:
    other = before({"train": ["x"], "validation": ["y"], "test": []})
    alone = stored_split(tmp_path, KEYS, TrainingSettings(), before=other, files=NAMES)
    (tmp_path / "split.json").unlink()
    assert alone == stored_split(tmp_path, KEYS, TrainingSettings())


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"train": 3}'])
def test_a_damaged_split_is_never_replaced_by_another_one(tmp_path: Path, text: str) -> None:
    (tmp_path / "split.json").write_text(text)
    with pytest.raises(RunError, match=r"split\.json"):
        stored_split(tmp_path, KEYS, TrainingSettings())
    assert (tmp_path / "split.json").read_text() == text


@pytest.mark.parametrize("quality", list(PRESETS))
def test_the_architecture_survives_the_way_through_run_json(quality: str) -> None:
    stored = json.loads(json.dumps(asdict(PRESETS[quality])))
    one = Prepared(cache=Path("/nowhere"), keys=KEYS, speakers={}, num_symbols=256)
    assert model_config(stored, one) == PRESETS[quality]
    several = replace(one, speakers={"a": 0, "b": 1, "c": 2}, num_symbols=300)
    config = model_config(stored, several)
    assert (config.num_speakers, config.num_symbols, config.gin_channels) == (3, 300, 512)
    # A table of speakers may have more rows than names.
    assert model_config(stored, replace(several, num_speakers=5)).num_speakers == 5


@pytest.mark.parametrize("stored", [{}, {"audio": 3}, {"audio": {}, "colour": 1}, {"audio": {"sample_rate": -1}}])
def test_a_model_that_can_not_be_built_is_one_line(stored: dict[str, object]) -> None:
    one = Prepared(cache=Path("/nowhere"), keys=KEYS, speakers={}, num_symbols=256)
    with pytest.raises(RunError, match="Start a new run") as caught:
        model_config(stored, one)
    assert "\n" not in str(caught.value)


def test_what_prepare_left_is_read(tmp_path: Path) -> None:
    write_json(tmp_path / "prepare.json", prepared(speakers={"a": 0}, num_speakers=3))
    found = read_prepared(tmp_path)
    assert (found.keys, found.speakers, found.cache, found.num_speakers) == (KEYS, {"a": 0}, Path("/nowhere"), 3)


def test_nothing_to_train_on_and_nothing_prepared_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"prepare\.json can't be read"):
        read_prepared(tmp_path)
    write_json(tmp_path / "prepare.json", prepared(trained=[]))
    with pytest.raises(DatasetError, match="workbench health"):
        read_prepared(tmp_path)
    write_json(tmp_path / "prepare.json", {"cache": 3})
    with pytest.raises(RunError, match="Start a new run"):
        read_prepared(tmp_path)


def run_folder(root: Path, start: dict[str, str], **identity: object) -> Path:
    """A prepared run of eight clips of the smallest voice."""
    fill(root / "cache", range(8))
    run = root / "run"
    (run / "checkpoints").mkdir(parents=True)
    clips = [{"key": f"key{number}", "file": f"{number}.wav"} for number in range(8)]
    about = {"name": "espeak", "version": "1.51 abc", "language": "ru"}
    folder = str(cache_folder(root / "cache", SETTINGS))
    write_json(run / "prepare.json", prepared(trained=clips, cache=folder, phonemizer=about, speakers={}))
    write_json(run / "config.json", {"phoneme_id_map": {"a": [14]}})
    model = asdict(replace(CONFIG, audio=replace(CONFIG.audio, sample_rate=16_000)))
    write_json(run / "run.json", {"format": 1, "model": model, **identity})
    tables = {
        "voice": {"name": "a", "language": "ru", "quality": "tiny"},
        "training": {"accelerator": "cpu", "validation_split": 0.25, "test_clips": 1, "epochs": 9},
        "start": start,
    }
    (run / "run.toml").write_text(tomli_w.dumps(tables))
    return run


def test_what_the_start_table_says_reaches_the_trainer_and_its_checkpoints(tmp_path: Path) -> None:
    small = small_payload(tmp_path / "small")
    small["hyper_parameters"]["sample_rate"] = 16_000
    torch.save(small, tmp_path / "piper.ckpt")
    write_json(tmp_path / "config.json", {"phoneme_id_map": {"a": [15], "b": [16]}})
    start = {"checkpoint": str(tmp_path / "piper.ckpt"), "mode": "warm-start", "learning_rate": "keep"}
    run = run_folder(tmp_path, start, resumed_from=str(tmp_path / "piper.ckpt"))
    notes = Notes()
    trainer, begin_with = make_trainer(
        run, run_workspace(run), on_cpu(), callbacks=[notes, Recorder(run)], stop=lambda: False
    )
    assert begin_with == tmp_path / "piper.ckpt"
    trainer._resume(begin_with)
    assert trainer.position.step == 0
    event = next(event for event in read_lines(run / "events.jsonl") if event["kind"] == "begun")
    assert (event["plan"]["mode"], event["plan"]["moved_symbols"]) == ("warm-start", ["a"])
    row = trainer.models.model_g.enc_p.emb.weight[14]
    assert torch.equal(row, small["state_dict"]["model_g.enc_p.emb.weight"][15]), "the phoneme, not the number"
    trainer.position = replace(trainer.position, step=1, batch=1)
    trainer._save("stop")
    origin = read_origin(load_checkpoint(run / "checkpoints" / "epoch=0-step=2.ckpt"))
    assert (origin.symbols, origin.phonemizer) == ({"a": (14,)}, "espeak 1.51 abc ru")
    assert not origin.held


def test_a_run_that_begins_with_nothing_is_not_told_to_hold_its_rates(tmp_path: Path) -> None:
    run = run_folder(tmp_path, {"learning_rate": "keep"})
    trainer, begin_with = make_trainer(run, run_workspace(run), on_cpu(), callbacks=[], stop=lambda: False)
    assert begin_with is None
    before = trainer.optimization.learning_rates()
    trainer.optimization.end_epoch()
    assert trainer.optimization.learning_rates()["g"] < before["g"]


def test_every_training_setting_reaches_the_trainer() -> None:
    assert train_settings(TrainingSettings(seed=5, keep_last=7)).keep_last == 7
    assert asdict(train_settings(TrainingSettings()))["lr_decay"] == 0.999875


def test_signals_are_requests_to_stop(tmp_path: Path) -> None:
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    write_json(tmp_path / "run.json", {"format": 1})
    try:
        stop = listen(tmp_path)
        signal.raise_signal(signal.SIGHUP)
        assert not stop()
        signal.raise_signal(signal.SIGTERM)
        assert stop()
        assert not stop_requested(tmp_path)
        (tmp_path / "run.json").unlink()
        with pytest.raises(RunError, match="directory was removed"):
            stop()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_errors_that_the_user_can_mend_have_exit_code_two_and_faults_have_one() -> None:
    assert explain(CheckpointFileError("a.ckpt: cut off\nsecond")) == ("a.ckpt: cut off second", 2)
    assert explain(DatasetError("no clips"))[1] == 2
    message, code = explain(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"))
    assert code == 2
    assert message.startswith("the memory is full (CUDA out of memory. Tried to allocate 2 GiB); free it from other")
    assert explain(MemoryError())[0].startswith("the memory is full (MemoryError); ")
    message, code = explain(ZeroDivisionError("division"))
    assert (code, message) == (1, "the trainer failed: ZeroDivisionError: division")


def test_a_folder_that_is_no_run_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("usage:")


def test_a_run_that_was_not_prepared_fails_with_one_line_and_a_status(tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text('[voice]\nname = "a"\nlanguage = "ru"\n')
    write_json(tmp_path / "run.json", {"format": 1, "model": asdict(PRESETS["tiny"])})
    done = subprocess.run(
        [sys.executable, "-m", "workbench.train", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "prepare.json can't be read" in done.stderr
    assert "Traceback" not in done.stderr
    assert "prepare.json" in read_json(tmp_path / "status.json")["message"]


def test_a_full_disk_under_the_log_does_not_swallow_the_reason_of_the_end(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}")
    code = (
        "import sys; from workbench.train import __main__ as trainer; from workbench.errors import RunError\n"
        "def refuse(*_): raise RunError('the last checkpoint was not saved: the disk is full')\n"
        "trainer.train = refuse; sys.exit(trainer.main([sys.argv[1]]))"
    )
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], stderr=full, check=False, timeout=50)
    assert done.returncode != 0
    assert read_status(tmp_path)["message"] == "the last checkpoint was not saved: the disk is full"


def test_a_run_whose_clips_are_gone_says_so_and_what_to_do(tmp_path: Path) -> None:
    fill(tmp_path / "cache", range(2))
    write_json(tmp_path / "run.json", {"format": 1, "model": asdict(PRESETS["tiny"])})
    folder = cache_folder(tmp_path / "cache", SETTINGS)
    write_json(tmp_path / "prepare.json", prepared(cache=str(folder), trained=[{"key": "key0"}, {"key": "key1"}]))
    write_json(tmp_path / "split.json", {"train": ["key0", "removed"], "validation": ["key1"], "test": []})
    (tmp_path / "workbench.toml").write_text('[voice]\nname = "a"\nlanguage = "ru"\n')
    with pytest.raises(DatasetError, match=r"1 of 2 clips of this run .* Put them back, or begin a new run"):
        make_trainer(tmp_path, load_workspace(tmp_path), on_cpu(), callbacks=(), stop=lambda: False)
