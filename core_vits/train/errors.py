"""What ends a training."""

from __future__ import annotations


class TrainingError(Exception):
    """Training can't go on. `str(error)` is the line to show."""
