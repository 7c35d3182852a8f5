"""`workbench convert`: what it rewrites, what it refuses, and the fence around a file that is trusted."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hostile_files import GOOD_TENSOR, archive, call, dictionary, program, text

from core_vits.checkpoint import load_checkpoint
from workbench.errors import CheckpointError
from workbench.workers import trusted
from workbench.workers.targets.convert import convert, imports

WEIGHTS = {"model_g.w": torch.arange(4.0)}


class Runs:
    """When unpickled with trust: runs a line of Python in the loading process."""

    def __init__(self, line: str) -> None:
        self.line = line

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return exec, (self.line,)


def save(path: Path, **extra: object) -> Path:
    torch.save({"state_dict": WEIGHTS, **extra}, path)
    return path


def test_a_legacy_file_becomes_a_plain_one_and_the_original_stays(tmp_path: Path) -> None:
    legacy = {"dataset": [Path("/data/x")], "dataset_dir": Path("/d"), "betas": (0.8, 0.99), "batch_size": 4}
    source = save(tmp_path / "a.ckpt", hyper_parameters=legacy, score=np.float64(1.5))
    before = source.read_bytes()
    answer = convert(str(source), str(tmp_path / "b.ckpt"))
    found = load_checkpoint(tmp_path / "b.ckpt")
    assert found["hyper_parameters"] == {"dataset": None, "betas": [0.8, 0.99], "batch_size": 4}
    assert found["score"] == 1.5
    assert torch.equal(found["state_dict"]["model_g.w"], torch.arange(4.0))
    assert torch.equal(torch.load(tmp_path / "b.ckpt", weights_only=True)["state_dict"]["model_g.w"], torch.arange(4.0))
    assert answer["left_out"] == ["hyper_parameters.dataset_dir"]
    assert answer["ran_code"] is False
    assert source.read_bytes() == before


@pytest.mark.parametrize("trust", [False, True])
def test_the_old_format_needs_no_trust(tmp_path: Path, trust: bool) -> None:
    torch.save({"state_dict": WEIGHTS}, tmp_path / "a.ckpt", _use_new_zipfile_serialization=False)
    assert imports(str(tmp_path / "a.ckpt")) == []
    answer = convert(str(tmp_path / "a.ckpt"), str(tmp_path / "b.ckpt"), trust=trust)
    assert answer["ran_code"] is False
    assert list(load_checkpoint(tmp_path / "b.ckpt")["state_dict"]) == ["model_g.w"]


def test_without_the_word_of_trust_no_code_runs(tmp_path: Path) -> None:
    source = save(tmp_path / "a.ckpt", callbacks=Runs(f"open({str(tmp_path / 'canary')!r}, 'w')"))
    assert imports(str(source)) == ["builtins.exec"]
    with pytest.raises(CheckpointError, match=r"builtins\.exec.*--i-trust-this-file"):
        convert(str(source), str(tmp_path / "b.ckpt"))
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_with_it_the_values_are_taken_out_behind_a_fence(tmp_path: Path) -> None:
    """The file's own code looks at what it can reach: secrets, the network, other files of ours, memory."""
    listener = socket.create_server(("127.0.0.1", 0))
    reached: list[object] = []
    threading.Thread(target=lambda: reached.append(listener.accept()), daemon=True).start()
    look = f"""
import json, os, resource, socket
seen = {{"secret": os.environ.get("A_SECRET"), "home": os.environ["HOME"]}}
seen["memory"] = resource.getrlimit(resource.RLIMIT_AS)[0]
try:
    socket.create_connection(("127.0.0.1", {listener.getsockname()[1]}), 2).close()
    seen["network"] = True
except OSError:
    seen["network"] = False
open({str(tmp_path / "seen.json")!r}, "w").write(json.dumps(seen))
"""
    os.environ["A_SECRET"] = "42"
    try:
        source = save(tmp_path / "a.ckpt", callbacks={"x": Runs(look), "best": np.float64(2.0)}, arrays=[np.arange(3)])
        answer = convert(str(source), str(tmp_path / "b.ckpt"), trust=True)
    finally:
        del os.environ["A_SECRET"]
        listener.close()
    found = load_checkpoint(tmp_path / "b.ckpt")
    assert torch.equal(found["state_dict"]["model_g.w"], torch.arange(4.0))
    assert torch.equal(found["arrays"][0], torch.arange(3))
    assert found["callbacks"] == {"x": None, "best": 2.0}
    assert answer["ran_code"] is True
    seen = json.loads((tmp_path / "seen.json").read_text(encoding="utf-8"))
    assert seen["secret"] is None
    assert seen["home"] != os.environ.get("HOME")
    assert 0 < seen["memory"] < 20_000_000_000
    assert seen["network"] is not answer["offline"]
    assert bool(reached) is seen["network"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.ckpt", "b.ckpt", "seen.json"]


def test_objects_of_packages_that_are_not_here_are_left_out(tmp_path: Path) -> None:
    theirs = call("their.package", "Callback", text("x"))
    state = dictionary(**{"model_g.w": GOOD_TENSOR})
    (tmp_path / "a.ckpt").write_bytes(archive(program(dictionary(state_dict=state, callbacks=theirs))))
    answer = convert(str(tmp_path / "a.ckpt"), str(tmp_path / "b.ckpt"), trust=True)
    assert answer["left_out"] == ["callbacks (a Callback)"]
    assert list(load_checkpoint(tmp_path / "b.ckpt")) == ["state_dict"]


def test_a_trusted_file_that_cannot_be_loaded_is_one_line(tmp_path: Path) -> None:
    source = save(tmp_path / "a.ckpt", callbacks=Runs("raise RuntimeError('no\\nway')"))
    with pytest.raises(CheckpointError, match=r"can't be loaded with its code either \(.*way") as caught:
        convert(str(source), str(tmp_path / "b.ckpt"), trust=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.ckpt"]


def test_what_the_trusted_code_puts_in_the_place_of_the_result_is_read_as_a_strangers_file(tmp_path: Path) -> None:
    """It makes a pipe where the report is wanted, and a pickle of its own where the values are."""
    evil = archive(program(b"}" + text("state_dict") + call("posix", "system", text("true")) + b"s"))
    line = f"""
import os
os.mkfifo({trusted.REPORT!r})
open({trusted.RESULT!r}, "wb").write({evil!r})
os._exit(0)
"""
    source = save(tmp_path / "a.ckpt", callbacks=Runs(line))
    with pytest.raises(CheckpointError, match="its code leaves another file with code"):
        convert(str(source), str(tmp_path / "b.ckpt"), trust=True)
    assert not (tmp_path / "b.ckpt").exists()


@pytest.mark.parametrize(
    ("out", "said"),
    [("a.ckpt", "there is something of that name"), ("b.pt", "ends in .ckpt"), ("none/b.ckpt", "there is no folder")],
)
def test_a_target_that_may_not_be_written_is_refused_first(tmp_path: Path, out: str, said: str) -> None:
    source = save(tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match=said):
        convert(str(source), str(tmp_path / out))


def test_the_fenced_process_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    up = tmp_path / "up"
    source = save(tmp_path / "a.ckpt", callbacks=Runs(f"import os, time; os.mkfifo({str(up)!r}); time.sleep(60)"))
    script = f"""
from workbench.workers.targets.convert import convert
convert({str(source)!r}, {str(tmp_path / "b.ckpt")!r}, trust=True)
"""
    with subprocess.Popen([sys.executable, "-c", script]) as parent:
        while not up.exists():
            assert parent.poll() is None
            time.sleep(0.05)
        children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children").read_text(encoding="ascii").split()
        assert children
        parent.kill()
    while any(_is_running(child) for child in children):  # the time limit of a test ends this if they stay
        time.sleep(0.05)


def _is_running(process: str) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return False
