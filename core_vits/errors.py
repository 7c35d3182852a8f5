"""Errors of the library that name a file; one line each, for the user to read."""

from __future__ import annotations


class CheckpointFileError(Exception):
    """A checkpoint file can't be written, read or used. `str(error)` is the line to show."""
