"""Files that are in use stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from core_vits.hold import held, remove_unless_held


def test_a_file_that_is_held_stays_until_it_is_let_go(tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    file.write_bytes(b"weights")
    with held(file), held(file):
        assert not remove_unless_held(file)
        assert file.read_bytes() == b"weights"
    assert remove_unless_held(file)
    assert not file.exists()


def test_a_holder_that_is_killed_lets_go(tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    file.write_bytes(b"weights")
    program = (
        "import sys, time; from pathlib import Path; from core_vits.hold import held\n"
        "with held(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(file)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert not remove_unless_held(file)
        holder.kill()
        holder.wait()
    assert remove_unless_held(file)


def test_a_file_that_is_not_there_can_be_held_and_not_removed(tmp_path: Path) -> None:
    with held(tmp_path / "gone.ckpt"):
        pass
    with pytest.raises(FileNotFoundError):
        remove_unless_held(tmp_path / "gone.ckpt")
