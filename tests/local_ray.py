"""A Ray cluster of this machine for tests, one for all that a test process asks; skips them without the package."""

from __future__ import annotations

import functools
import os
from pathlib import Path

import pytest

from workbench.executors import Ray


@functools.cache
def local_ray() -> Ray:
    """The cluster; it ends with this process."""
    pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        patch.setenv("PYTHONPATH", os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]))
        return Ray()
