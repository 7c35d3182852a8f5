"""What names and first bytes of Piper's checkpoints tell."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from piper_tree import checkpoint_bytes

from core_vits.checkpoint_names import read_head
from workbench.jobs.piper_checkpoints import arranged, compared, is_checkpoint_name, view_of
from workbench.jobs.runs import CheckpointView


def named(tmp_path: Path, name: str, epoch: int = 7, step: int = 1600) -> CheckpointView:
    path = tmp_path / name
    path.write_bytes(checkpoint_bytes(epoch, step))
    return view_of(path, path.stat(), read_head(path))


@pytest.mark.parametrize(
    ("name", "epoch", "step", "mel", "mos", "kind"),
    [
        ("epoch=426-step=202398.ckpt", 426, 202398, None, None, ""),
        ("epoch=426-step=202398-v1.ckpt", 426, 202398, None, None, ""),
        ("epoch=41-val_mel=0.2455.ckpt", 41, 1600, 0.2455, None, "val_mel"),
        ("epoch=41-val_mel=0.2455-v12.ckpt", 41, 1600, 0.2455, None, "val_mel"),
        ("epoch=41-val_mos=3.9102.ckpt", 41, 1600, None, 3.9102, "val_mos"),
        ("epoch=41-val_mos=-0.5.ckpt", 41, 1600, None, -0.5, "val_mos"),
        ("epoch=41-val_mel=nan.ckpt", 41, 1600, None, None, ""),
        ("last.ckpt", 7, 1600, None, None, "last"),
        ("last-v3.ckpt", 7, 1600, None, None, "last"),
        ("my best voice.ckpt", 7, 1600, None, None, ""),
        ("epoch=99999999999999999999-step=1.ckpt", 7, 1, None, None, ""),
    ],
)
def test_a_name_of_any_version_of_piper_is_read(
    tmp_path: Path, name: str, epoch: int, step: int, mel: float | None, mos: float | None, kind: str
) -> None:
    assert is_checkpoint_name(name)
    view = named(tmp_path, name)
    assert (view.epoch, view.optimizer_step, view.step) == (epoch, step, step // 2)
    assert (view.val_mel, view.val_mos, view.kind, view.problem) == (mel, mos, kind, "")


@pytest.mark.parametrize("name", ["epoch=3.ckpt.part", ".epoch=3.ckpt.Xy12", ".last.ckpt", "notes.txt", "last.ckpt~"])
def test_what_a_copying_program_leaves_is_no_checkpoint(name: str) -> None:
    assert not is_checkpoint_name(name)


def test_mutated_heads_are_read_without_an_error(tmp_path: Path) -> None:
    chance = random.Random(5)
    whole = checkpoint_bytes(3, 320)
    path = tmp_path / "last.ckpt"
    for _ in range(300):
        data = bytearray(whole)
        for _ in range(chance.randint(1, 12)):
            data[chance.randrange(120)] = chance.randrange(256)
        path.write_bytes(data)
        view = view_of(path, path.stat(), read_head(path))
        assert view.epoch >= -1
        assert view.step >= -1


def test_the_newest_comes_last_and_is_named_by_what_says_most(tmp_path: Path) -> None:
    names = [
        "epoch=8-val_mel=0.3.ckpt",
        "last.ckpt",
        "epoch=9-val_mos=3.5.ckpt",
        "epoch=9-val_mel=0.4.ckpt",
        "odd.ckpt",
    ]
    views = [named(tmp_path, name, 9, 800) for name in names[:-1]]
    (tmp_path / "odd.ckpt").write_bytes(b"odd")
    views.append(view_of(tmp_path / "odd.ckpt", (tmp_path / "odd.ckpt").stat(), read_head(tmp_path / "odd.ckpt")))
    ordered = [view.file.name for view in arranged(views, None)]
    assert ordered[:3] == ["odd.ckpt", "epoch=8-val_mel=0.3.ckpt", "last.ckpt"]
    assert {*ordered[3:]} == {"epoch=9-val_mos=3.5.ckpt", "epoch=9-val_mel=0.4.ckpt"}


def test_steps_that_were_counted_anew_are_brought_to_the_batches_of_the_curves(tmp_path: Path) -> None:
    """Piper that went on with a file of the first Piper: epoch 2165 after 513 000 batches, and steps from 0."""
    views = [named(tmp_path, f"epoch={epoch}-val_mel=0.3.ckpt", epoch, 474 * (epoch - 2164)) for epoch in (2165, 2167)]
    assert [view.step for view in arranged(views, (2167, 513_000))] == [513_000 - 474, 513_000]
    # In step, to within the rounding: nothing is moved.
    assert [view.step for view in arranged(views, (2167, 712))] == [237, 711]
    # The curves are further than the newest checkpoint: nothing is known.
    assert [view.step for view in arranged(views, (2169, 513_000))] == [237, 711]


def test_the_best_is_marked_by_its_own_score_and_twins_share_theirs(tmp_path: Path) -> None:
    names = ["epoch=1-val_mel=0.30.ckpt", "epoch=2-val_mel=0.25.ckpt", "epoch=2-val_mos=3.5.ckpt", "last.ckpt"]
    views = arranged([named(tmp_path, name, 2, 40) for name in names], None)
    done = {view.file.name: view for view in compared(views, measured_mel={}, measured_mos={})}
    assert [name for name, view in done.items() if view.best] == ["epoch=2-val_mel=0.25.ckpt"]
    assert [name for name, view in done.items() if view.best_mos] == ["epoch=2-val_mos=3.5.ckpt"]
    assert {name: (view.val_mel, view.val_mos) for name, view in done.items()} == {
        "epoch=1-val_mel=0.30.ckpt": (0.3, None),
        "last.ckpt": (0.25, 3.5),
        "epoch=2-val_mel=0.25.ckpt": (0.25, 3.5),
        "epoch=2-val_mos=3.5.ckpt": (0.25, 3.5),
    }


def test_a_broken_file_is_never_the_best(tmp_path: Path) -> None:
    good = named(tmp_path, "epoch=1-val_mel=0.30.ckpt")
    path = tmp_path / "epoch=2-val_mel=0.20.ckpt"
    path.write_bytes(checkpoint_bytes(2, 40)[:-1])
    broken = view_of(path, path.stat(), read_head(path))
    assert [view.best for view in compared([good, broken], measured_mel={}, measured_mos={})] == [True, False]


def test_what_no_name_tells_is_taken_from_the_curves(tmp_path: Path) -> None:
    last = named(tmp_path, "last.ckpt", 2, 12)
    (view,) = compared([last], measured_mel={(tmp_path, 2): 2.687}, measured_mos={(tmp_path, 2): 3.5})
    assert (view.val_mel, view.val_mos, view.best, view.best_mos) == (2.687, 3.5, False, False)
    (other,) = compared([last], measured_mel={(tmp_path, 1): 2.687}, measured_mos={})
    assert (other.val_mel, other.val_mos) == (None, None)
