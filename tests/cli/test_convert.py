"""`workbench convert`, as a user types it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch
from hostile_files import archive, call, text, with_extra


def old_format(state: Any) -> bytes:
    stream = io.BytesIO()
    torch.save(
        {"state_dict": state, "hyper_parameters": {"quality": "medium"}}, stream, _use_new_zipfile_serialization=False
    )
    return stream.getvalue()


def test_a_file_in_the_old_format_is_converted_without_a_workspace(workbench: Any, folder: Path) -> None:
    (folder / "a.ckpt").write_bytes(old_format({"w": torch.ones(2)}))
    outcome = workbench("convert", "a.ckpt", "--out", "b.ckpt")
    assert outcome.code == 0
    assert outcome.out.splitlines()[:-1] == ["left out: hyper_parameters.quality"]
    assert outcome.out.splitlines()[-1].startswith("wrote b.ckpt (0.0 MB)")
    assert torch.load(folder / "b.ckpt", weights_only=True)["state_dict"]["w"].tolist() == [1, 1]


def test_a_file_with_code_is_refused_with_the_way_around_and_its_names_are_shown_before_it_runs(
    workbench: Any, folder: Path
) -> None:
    canary = folder / "canary"
    (folder / "a.ckpt").write_bytes(archive(with_extra(call("posix", "system", text(f"touch {canary}")))))
    outcome = workbench("convert", "a.ckpt", "--out", "b.ckpt")
    assert outcome.code == 2
    assert outcome.error.startswith("a.ckpt: refused: the file wants to import posix.system")
    assert outcome.error.endswith("workbench convert FILE --out NEW.ckpt --i-trust-this-file")
    assert not canary.exists()
    trusting = workbench("convert", "a.ckpt", "--out", "b.ckpt", "--i-trust-this-file", "--json")
    assert trusting.code == 0
    assert trusting.err.splitlines()[0] == "a.ckpt wants to import posix.system"
    assert trusting.json["imports"] == ["posix.system"]
    assert trusting.json["ran_code"] is True
    assert canary.exists()
    assert (folder / "b.ckpt").exists()


def test_a_file_that_is_not_there_is_one_line(workbench: Any, folder: Path) -> None:
    outcome = workbench("convert", "no.ckpt", "--out", "b.ckpt")
    assert outcome.code == 2
    assert outcome.error == "no.ckpt: can't be read (No such file or directory)"
