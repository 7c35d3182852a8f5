"""The division of clips into batches, as it is told before a start."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from core_vits.batching import SAMPLERS
from core_vits.manifest import batches_per_epoch
from workbench.config import Workspace, load_workspace
from workbench.jobs.batches import batch_maths, batches_of


def workspace(folder: Path, **training: object) -> Workspace:
    (folder / "workbench.toml").write_text('[voice]\nname = "x"\nlanguage = "ru"\n')
    loaded = load_workspace(folder)
    return replace(loaded, training=replace(loaded.training, **training))  # type: ignore[arg-type]


def test_the_story_of_8397_clips_on_two_gpus_is_237_batches_an_epoch(tmp_path: Path) -> None:
    line = batch_maths(workspace(tmp_path, batch_size=16, devices=2), 8397)
    assert line == "batches of 16 × 2 processes = 32 clips, 237 an epoch of 7,553 clips"


def test_one_process_is_not_multiplied(tmp_path: Path) -> None:
    assert batch_maths(workspace(tmp_path, batch_size=4), 100) == "batches of 4, 22 an epoch of 85 clips"


def test_the_sampler_makes_as_many_batches_as_are_told_and_all_processes_the_same_number() -> None:
    for clips in (1, 7, 16, 33):
        for world in (1, 2, 3):
            for kind in SAMPLERS.values():
                samplers = [kind([9] * clips, 4, 1, rank=rank, world=world) for rank in range(world)]
                made = {len(list(sampler)) for sampler in samplers}
                assert made == {batches_per_epoch(clips, 4, world)} == {len(samplers[0])}


def test_a_table_that_cannot_be_read_is_left_to_the_start(tmp_path: Path) -> None:
    assert batches_of(workspace(tmp_path)) == ""
    (tmp_path / "metadata.csv").write_bytes(b"")
    assert batches_of(workspace(tmp_path)) == ""
    (tmp_path / "metadata.csv").write_text("a|b\nc|d\n")
    assert "an epoch of 1 clips" in batches_of(workspace(tmp_path))
