"""Fixtures every test may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Two test processes with two threads each on two cores would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repo() -> Path:
    """The root of the checkout."""
    return REPO


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of facts and fixtures that stands beside a developer's checkout; a user's clone has none."""
    folder = Path(os.environ.get("WORKBENCH_SHARED", REPO.parent / "shared"))
    if not (folder / "fixtures").is_dir():
        pytest.skip(f"needs the shared fixtures folder, which is not at {folder} (set WORKBENCH_SHARED)")
    return folder
