"""What names and first bytes of checkpoints tell, ours and Piper's."""

from __future__ import annotations

import os
import pickle
import zipfile
from pathlib import Path

import pytest
from piper_tree import checkpoint_bytes

from core_vits.checkpoint_names import CheckpointName, FileHead, read_counters, read_head, read_name


@pytest.mark.parametrize(
    ("name", "epoch", "step", "metric"),
    [
        ("epoch=426-step=202398.ckpt", 426, 202_398, ""),
        ("a/b/epoch=0-step=4.ckpt", 0, 4, ""),
        ("epoch=749-step=355500-val_loss=27.5963.ckpt", 749, 355_500, "val_loss"),
        ("epoch=9-val_mel=0.4312.ckpt", 9, None, "val_mel"),
        ("epoch=9-val_mos=3.1.ckpt", 9, None, "val_mos"),
        ("epoch=2164-step=1355540-v1.ckpt", 2164, 1_355_540, ""),
        ("last.ckpt", None, None, ""),
        ("interrupt.ckpt", None, None, ""),
        ("myepoch=3-step=x.ckpt", None, None, "myepoch"),
        ("epoch=99999999999999999999-step=1.ckpt", None, 1, ""),
    ],
)
def test_names_are_read(name: str, epoch: int | None, step: int | None, metric: str) -> None:
    read = read_name(name)
    assert (read.epoch, read.step, read.metric) == (epoch, step, metric)


def test_the_generation_follows_from_the_form_of_the_name() -> None:
    assert "1.3 to 1.4" in read_name("epoch=426-step=202398.ckpt").generation
    assert read_name("epoch=9-val_mel=0.4312.ckpt").generation == "Piper 1.5 or newer"
    assert read_name("last.ckpt").generation == ""
    assert read_name("epoch=749-step=355500-val_loss=27.5963.ckpt").generation == ""


@pytest.mark.parametrize(
    ("fixture", "epoch", "step"),
    [
        ("run_minid/epoch=0-val_mel=2.0829.ckpt", 0, 4),
        ("run_minid/last.ckpt", 2, 12),
        ("run_minid_ms/last.ckpt", 1, 8),
        ("run_minid_mrd/last.ckpt", 0, 4),
        ("run_tiny/last.gen_only.ckpt", 1, 8),
    ],
)
def test_the_head_of_a_checkpoint_of_the_real_piper_tells_epoch_and_step(
    shared: Path, fixture: str, epoch: int, step: int
) -> None:
    assert read_head(shared / "fixtures" / fixture) == FileHead(epoch, step)


def test_a_file_that_is_not_whole_says_so(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    whole = checkpoint_bytes(3, 320)
    path.write_bytes(whole[:-1])
    assert read_head(path) == FileHead(3, 320, "is not whole (half-copied?)")
    path.write_bytes(whole[:20])
    assert read_head(path) == FileHead(None, None, "is not whole (half-copied?)")
    path.write_bytes(b"")
    assert read_head(path).problem == "is empty"
    path.write_bytes(b"no archive" * 100)
    assert read_head(path).problem == "is no checkpoint"
    assert "can't be read" in read_head(tmp_path / "none.ckpt").problem
    assert "can't be read" in read_head(tmp_path).problem
    os.mkfifo(tmp_path / "pipe.ckpt")
    assert read_head(tmp_path / "pipe.ckpt").problem, "and nothing waits for a writer"


def test_nothing_in_a_hostile_file_is_carried_out(tmp_path: Path) -> None:
    canary = tmp_path / "canary"

    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(canary),)

    path = tmp_path / "last.ckpt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"epoch": 5, "global_step": 12, "state_dict": Harm()}, 2))
    assert read_head(path) == FileHead(5, 12)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps({"epoch": Harm(), "global_step": 12}, 2))
    assert read_head(path).epoch is None
    assert not canary.exists()


def test_what_the_name_leaves_out_is_taken_from_the_file(tmp_path: Path) -> None:
    path = tmp_path / "epoch=9-val_mel=0.4312.ckpt"
    path.write_bytes(checkpoint_bytes(9, 4740))
    assert read_counters(path) == CheckpointName(epoch=9, step=4740, metric="val_mel", score=0.4312)
    path = path.rename(tmp_path / "last.ckpt")
    assert read_counters(path) == CheckpointName(epoch=9, step=4740, metric="")
    path = path.rename(tmp_path / "epoch=3-step=8.ckpt")
    assert read_counters(path) == CheckpointName(epoch=3, step=8, metric=""), "the name goes first"
    assert read_counters(tmp_path / "gone.ckpt") == CheckpointName(epoch=None, step=None, metric="")
