"""Checkpoint files: what can go wrong with a file, and that a failed save costs nothing."""

from __future__ import annotations

import errno
import os
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core_vits import checkpoint
from core_vits.checkpoint import (
    architecture_from_state_dict,
    inspect_checkpoint,
    load_checkpoint,
    save_atomic,
    sweep_temporaries,
)
from core_vits.config import PRESETS, ModelConfig, piper_hyperparameters
from core_vits.errors import CheckpointFileError
from core_vits.train.models import VoiceModels


def payload(value: float = 1.0, size: int = 20_000) -> dict[str, Any]:
    return {"state_dict": {"model_g.weight": torch.full((size,), value)}, "epoch": 3}


def value_in(path: Path) -> float:
    return float(load_checkpoint(path)["state_dict"]["model_g.weight"][0])


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.glob(".ckpt-*")]


def assert_equal(ours: Any, theirs: Any) -> None:
    """Values, types, and the layout of tensors; an ordered dictionary of theirs is a plain one of ours."""
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs)
        assert (ours.dtype, ours.stride()) == (theirs.dtype, theirs.stride())
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key, value in theirs.items():
            assert_equal(ours[key], value)
    elif isinstance(theirs, list | tuple):
        assert isinstance(ours, list if isinstance(theirs, list) else tuple)
        for one, other in zip(ours, theirs, strict=True):
            assert_equal(one, other)
    else:
        assert (type(ours), ours) == (type(theirs), theirs)


def message_of(path: Path) -> str:
    with pytest.raises(CheckpointFileError) as caught:
        load_checkpoint(path)
    text = str(caught.value)
    assert "\n" not in text
    assert path.name in text
    return text


class TestSaving:
    def test_what_was_saved_is_read_back(self, tmp_path: Path) -> None:
        size = save_atomic(tmp_path / "a.ckpt", payload(2.5))
        assert value_in(tmp_path / "a.ckpt") == 2.5
        assert (tmp_path / "a.ckpt").stat().st_size == size
        assert leftovers(tmp_path) == []

    def test_a_new_save_takes_the_place_of_the_old_file(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", payload(1.0))
        save_atomic(tmp_path / "a.ckpt", payload(2.0))
        assert value_in(tmp_path / "a.ckpt") == 2.0

    @pytest.mark.parametrize("error", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
    @pytest.mark.parametrize("call", ["write", "fsync", "replace", "statvfs"])
    def test_an_error_at_any_point_leaves_the_old_file_and_no_other(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: int
    ) -> None:
        save_atomic(tmp_path / "a.ckpt", payload(1.0))

        def refuse(*_: object, **__: object) -> Any:
            raise OSError(error, os.strerror(error))

        if call == "write":
            monkeypatch.setattr(checkpoint._WholeWrites, "write", _failing_write(refuse, after=3))
        elif call == "replace":
            monkeypatch.setattr(Path, "replace", refuse)
        else:
            monkeypatch.setattr(os, call, refuse)
        with pytest.raises(CheckpointFileError) as caught:
            save_atomic(tmp_path / "a.ckpt", payload(2.0))
        monkeypatch.undo()
        assert os.strerror(error) in str(caught.value)
        assert value_in(tmp_path / "a.ckpt") == 1.0
        assert leftovers(tmp_path) == []

    def test_a_limit_on_file_size_is_reported_as_what_it_is(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", payload(1.0))
        with file_size_limit(50_000), pytest.raises(CheckpointFileError, match="File too large"):
            save_atomic(tmp_path / "a.ckpt", payload(2.0, size=1_000_000))
        assert value_in(tmp_path / "a.ckpt") == 1.0
        assert leftovers(tmp_path) == []

    def test_a_disk_without_room_is_noticed_before_writing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real = os.statvfs(tmp_path)
        fields = list(real)
        fields[4] = 10  # f_bavail: ten blocks are left
        monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
        written: list[object] = []
        monkeypatch.setattr(torch, "save", lambda *given: written.append(given))
        with pytest.raises(CheckpointFileError, match=r"needs 4\.8 MB .* Free 4\.\d MB"):
            save_atomic(tmp_path / "a.ckpt", payload(size=1_000_000))
        assert written == []

    def test_a_file_that_reads_back_differently_never_replaces_the_old_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        save_atomic(tmp_path / "a.ckpt", payload(1.0))
        real = checkpoint._write_and_sync

        def damaging(temporary: Path, data: dict[str, Any]) -> int:
            size = real(temporary, data)
            with temporary.open("r+b") as file:
                file.seek(size // 2)
                file.write(b"\xff\x00\xff")
            return size

        monkeypatch.setattr(checkpoint, "_write_and_sync", damaging)
        with pytest.raises(CheckpointFileError, match="could not be saved"):
            save_atomic(tmp_path / "a.ckpt", payload(2.0))
        assert value_in(tmp_path / "a.ckpt") == 1.0

    def test_leftovers_of_dead_processes_are_swept_and_nothing_else(self, tmp_path: Path) -> None:
        dead = tmp_path / ".ckpt-999999999-abcd.tmp"
        mine = tmp_path / f".ckpt-{os.getpid()}-abcd.tmp"
        other = tmp_path / ".ckpt-notes.tmp"
        for path in (dead, mine, other):
            path.touch()
        assert sweep_temporaries(tmp_path) == [dead]
        assert mine.exists()
        assert other.exists()


class TestLoading:
    def test_a_missing_file_says_so(self, tmp_path: Path) -> None:
        assert "No such file" in message_of(tmp_path / "none.ckpt")

    def test_a_folder_is_not_a_checkpoint(self, tmp_path: Path) -> None:
        assert "can't be read" in message_of(tmp_path)

    def test_an_empty_file_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "a.ckpt").touch()
        assert "empty" in message_of(tmp_path / "a.ckpt")

    def test_text_is_not_a_checkpoint(self, tmp_path: Path) -> None:
        (tmp_path / "a.ckpt").write_text("hello")
        assert "not a checkpoint" in message_of(tmp_path / "a.ckpt")

    def test_another_archive_is_not_a_checkpoint(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.ckpt", "w") as archive:
            archive.writestr("word/document.xml", "x")
        assert "an archive of other files, not a checkpoint" in message_of(tmp_path / "a.ckpt")

    @pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
    def test_a_cut_off_file_says_so(self, tmp_path: Path, part: float) -> None:
        save_atomic(tmp_path / "a.ckpt", payload())
        whole = (tmp_path / "a.ckpt").read_bytes()
        (tmp_path / "b.ckpt").write_bytes(whole[: int(len(whole) * part)])
        assert "cut off" in message_of(tmp_path / "b.ckpt")

    def test_a_torch_file_without_weights_is_not_a_checkpoint(self, tmp_path: Path) -> None:
        torch.save({"hello": 1}, tmp_path / "a.ckpt")
        assert "no 'state_dict'" in message_of(tmp_path / "a.ckpt")

    def test_a_file_that_wants_to_run_code_runs_nothing_and_is_named(self, tmp_path: Path) -> None:
        canary = tmp_path / "canary"

        class Evil:
            def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
                return os.system, (f"touch {canary}",)

        torch.save({"state_dict": {}, "callbacks": Evil()}, tmp_path / "a.ckpt")
        text = message_of(tmp_path / "a.ckpt")
        assert "posix.system" in text
        assert "refused" in text
        assert not canary.exists()

    @pytest.mark.parametrize("name", ["run_minid", "run_minid_ms", "run_minid_mrd"])
    def test_what_is_read_is_what_torch_reads(self, shared: Path, name: str) -> None:
        path = shared / "fixtures" / name / "last.ckpt"
        assert_equal(load_checkpoint(path), torch.load(path, weights_only=True))

    def test_every_kind_of_tensor_that_a_checkpoint_may_hold_is_read_as_torch_reads_it(self, tmp_path: Path) -> None:
        base = torch.arange(24.0)
        kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16,
                 torch.int8, torch.uint8, torch.bool)  # fmt: skip
        tensors = {
            **{str(kind): base.to(kind) for kind in kinds},
            "transposed": base.view(4, 6).t(),
            "a part": base[3:9],
            "every second": base[::2],
            "one number": torch.tensor(2.5),
            "none": torch.empty(0, 3),
            "parameter": torch.nn.Parameter(base.clone()),
        }
        data = {"state_dict": tensors, "rng": [torch.get_rng_state()], "size": torch.Size([1, 2]), "n": np.float64(0.5)}
        torch.save({key: value for key, value in data.items() if key != "n"}, tmp_path / "a.ckpt")
        read = load_checkpoint(tmp_path / "a.ckpt")
        assert_equal(read, torch.load(tmp_path / "a.ckpt", weights_only=True))
        shared_memory = {read["state_dict"][name].untyped_storage().data_ptr() for name in ("transposed", "a part")}
        assert len(shared_memory) == 1
        torch.save(data, tmp_path / "b.ckpt")
        assert load_checkpoint(tmp_path / "b.ckpt")["n"] == 0.5

    def test_a_part_of_a_file_is_read_and_checked_alone(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", {**payload(), "optimizer_states": [torch.full((300,), 7.0)]})
        whole = (tmp_path / "a.ckpt").read_bytes()
        place = whole.index(torch.full((300,), 7.0).numpy().tobytes())
        (tmp_path / "a.ckpt").write_bytes(whole[:place] + b"\0\0\0\1" + whole[place + 4 :])
        part = load_checkpoint(tmp_path / "a.ckpt", keys=("state_dict",))
        assert list(part) == ["state_dict"]
        assert "the checksum of" in message_of(tmp_path / "a.ckpt")

    def test_a_glance_shows_shapes_without_reading_the_tensors(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", payload())
        seen = inspect_checkpoint(tmp_path / "a.ckpt")
        assert seen["state_dict"]["model_g.weight"].shape == (20_000,)
        assert seen["state_dict"]["model_g.weight"].is_meta
        assert seen["epoch"] == 3

    def test_paths_in_a_checkpoint_of_the_first_piper_become_text(self, tmp_path: Path) -> None:
        data = {**payload(), "hyper_parameters": {"dataset": [Path("/data/voice/dataset.jsonl")]}}
        torch.save(data, tmp_path / "a.ckpt")
        dataset = load_checkpoint(tmp_path / "a.ckpt")["hyper_parameters"]["dataset"]
        assert type(dataset[0]) is str
        assert dataset[0].endswith("data/voice/dataset.jsonl")

    def test_one_flipped_byte_in_the_weights_is_noticed(self, tmp_path: Path) -> None:
        save_atomic(tmp_path / "a.ckpt", payload())
        whole = bytearray((tmp_path / "a.ckpt").read_bytes())
        whole[len(whole) // 2] ^= 1
        (tmp_path / "a.ckpt").write_bytes(whole)
        text = message_of(tmp_path / "a.ckpt")
        assert re.search(r"the file is damaged \(the checksum of '.*data/0' is wrong\)", text)


class TestArchitecture:
    @pytest.mark.parametrize("name", ["run_minid", "run_minid_ms", "run_minid_mrd"])
    def test_shapes_tell_what_the_hyperparameters_of_piper_say(self, shared: Path, name: str) -> None:
        data = load_checkpoint(shared / "fixtures" / name / "last.ckpt")
        by_both = architecture_from_state_dict(data["state_dict"], data["hyper_parameters"])
        assert by_both == architecture_from_state_dict(data["state_dict"])
        assert by_both.discriminator_width_divisor == 16
        assert by_both.hidden_channels == data["hyper_parameters"]["hidden_channels"]
        assert by_both.use_mrd == data["hyper_parameters"]["use_mrd"]
        assert by_both.num_speakers == data["hyper_parameters"]["num_speakers"]

    @pytest.mark.parametrize("quality", list(PRESETS))
    def test_every_quality_is_recognised_with_its_hyperparameters(self, quality: str) -> None:
        with torch.device("meta"):
            state = VoiceModels(PRESETS[quality]).state_dict()
        found = architecture_from_state_dict(state, piper_hyperparameters(PRESETS[quality]))
        assert found == PRESETS[quality]

    @pytest.mark.parametrize("quality", ["x-low", "medium", "high"])
    def test_the_qualities_of_piper_are_recognised_by_their_shapes_alone(self, quality: str) -> None:
        preset = PRESETS[quality]
        with torch.device("meta"):
            state = VoiceModels(preset).state_dict()
        found = architecture_from_state_dict(state)  # no shape shows the sample rate
        assert replace(found, audio=preset.audio) == preset

    def test_a_plain_duration_predictor_and_several_speakers_are_recognised(self) -> None:
        config = ModelConfig(num_speakers=3, gin_channels=64, use_sdp=False, use_mrd=True)
        with torch.device("meta"):
            assert architecture_from_state_dict(VoiceModels(config).state_dict()) == config

    def test_other_models_are_refused_by_the_tensor_that_is_missing(self) -> None:
        with pytest.raises(CheckpointFileError, match=r"model_g\.enc_p\.emb\.weight"):
            architecture_from_state_dict({"encoder.weight": torch.zeros(2, 2)})


def _failing_write(refuse: Callable[[], Any], *, after: int) -> Callable[..., int]:
    count = 0

    def write(self: Any, data: bytes) -> int:
        nonlocal count
        count += 1
        if count <= after:
            self._file.write(data)
            return len(data)
        try:
            refuse()
        except OSError as error:
            self.error = error
            raise
        return 0

    return write


@contextmanager
def file_size_limit(limit: int) -> Iterator[None]:
    """No file of this process may grow beyond the limit."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
