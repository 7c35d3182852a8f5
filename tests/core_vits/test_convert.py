"""Foreign checkpoints as clean ones."""

from __future__ import annotations

import argparse
import enum
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core_vits.checkpoint import load_checkpoint, save_atomic
from core_vits.convert import PIPER_HYPERPARAMETERS, WARM_STARTS, as_plain, piper_layout
from core_vits.restricted import read_file


class Colour(enum.IntEnum):
    RED = 3


def plain(value: object) -> tuple[Any, list[str]]:
    left_out: list[str] = []
    return as_plain(value, left_out), left_out


class TestPlainValues:
    def test_everything_that_has_a_plain_form_gets_it(self) -> None:
        value = {
            "tuple": (1, (2.5, None)),
            "set": {"a"},
            "path": Path("/data/x"),
            "number": np.float32(0.5),
            "whole": np.int64(7),
            "flag": np.bool_(True),
            "member": Colour.RED,
            "options": argparse.Namespace(batch=4, root=Path("r")),
            2: b"raw",
        }
        found, left_out = plain(value)
        assert found == {
            "tuple": [1, [2.5, None]],
            "set": ["a"],
            "path": "/data/x",
            "number": 0.5,
            "whole": 7,
            "flag": True,
            "member": 3,
            "options": {"batch": 4, "root": "r"},
            2: b"raw",
        }
        assert {type(item) for item in (found["number"], found["whole"], found["flag"], found["member"])} == {
            float, int, bool,
        }  # fmt: skip
        assert left_out == []

    def test_arrays_and_parameters_become_tensors(self) -> None:
        found, left_out = plain({"a": np.arange(3, dtype=">i4"), "p": torch.nn.Parameter(torch.ones(2))})
        assert torch.equal(found["a"], torch.tensor([0, 1, 2], dtype=torch.int32))
        assert type(found["p"]) is torch.Tensor
        assert not found["p"].requires_grad
        assert left_out == []

    def test_what_has_no_plain_form_is_left_out_and_named(self) -> None:
        found, left_out = plain({"a": {"b": [1, object()]}, "f": print, "s": torch.eye(2).to_sparse()})
        assert found == {"a": {"b": [1]}}
        assert left_out == ["a.b[1] (a object)", "f (a builtin_function_or_method)", "s (a Tensor)"]

    def test_a_value_that_contains_itself_ends(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        found, left_out = plain({"x": endless})
        assert len(left_out) == 1
        assert "x[0][0]" in left_out[0]
        assert isinstance(found["x"], list)

    def test_a_callback_that_is_named_by_its_class_gets_the_name_of_the_class(self) -> None:
        assert plain({"callbacks": {Colour: {"best": 1}}})[0] == {"callbacks": {"Colour": {"best": 1}}}


class TestPipersLayout:
    def test_the_hyperparameters_of_the_peers_own_files_are_all_known(self, shared: Path) -> None:
        for name in ("run_minid", "run_minid_ms", "run_minid_mrd", "run_tiny"):
            for path in (shared / "fixtures" / name).glob("last*.ckpt"):
                assert set(load_checkpoint(path)["hyper_parameters"]) == PIPER_HYPERPARAMETERS

    def test_what_the_first_piper_had_besides_is_left_out(self) -> None:
        legacy = {"resblock": "2", "sample_bytes": 2, "quality": "medium", "dataset": ["/a/b"], "seed": 1234}
        payload, left_out = piper_layout({"state_dict": {}, "hyper_parameters": legacy, "epoch": 3})
        assert payload == {"state_dict": {}, "hyper_parameters": {"resblock": "2", "dataset": None}, "epoch": 3}
        assert left_out == ["sample_bytes", "quality", "seed"]

    def test_a_warm_start_that_piper_would_do_again_is_forgotten(self) -> None:
        payload, _ = piper_layout({"hyper_parameters": dict.fromkeys(WARM_STARTS, "/x.ckpt")})
        assert payload["hyper_parameters"] == dict.fromkeys(WARM_STARTS)

    def test_a_file_without_hyperparameters_stays_without(self) -> None:
        assert piper_layout({"state_dict": {}}) == ({"state_dict": {}}, [])


def test_a_file_in_the_old_format_is_the_same_after_the_conversion(shared: Path, tmp_path: Path) -> None:
    original = load_checkpoint(shared / "fixtures" / "run_minid" / "last.ckpt")
    torch.save(original, tmp_path / "old.ckpt", _use_new_zipfile_serialization=False)
    left_out: list[str] = []
    value = as_plain(read_file(tmp_path / "old.ckpt", old_format=True).value, left_out)
    save_atomic(tmp_path / "new.ckpt", piper_layout(value)[0])
    found = load_checkpoint(tmp_path / "new.ckpt")
    assert left_out == []
    assert list(found) == list(original)
    assert all(torch.equal(found["state_dict"][key], value) for key, value in original["state_dict"].items())
    assert found["loops"] == original["loops"]
    assert found["hyper_parameters"] == original["hyper_parameters"]
    for before, after in zip(original["optimizer_states"], found["optimizer_states"], strict=True):
        assert before["param_groups"][0]["params"] == after["param_groups"][0]["params"]
        assert all(
            torch.equal(after["state"][index]["exp_avg"], item["exp_avg"]) for index, item in before["state"].items()
        )
