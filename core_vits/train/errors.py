"""What ends a training."""

from __future__ import annotations


class TrainingError(Exception):
    """Training can't go on. `str(error)` is the line to show."""


class PeerLost(TrainingError):
    """Another process of the run has ended or does not answer; the reason is not here but there."""
