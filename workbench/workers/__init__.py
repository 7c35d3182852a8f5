"""Worker processes: heavy code behind a pipe, so that the terminal workbench never imports it.

Three pools exist by convention: `text` (phonemizers), `audio` (players) and `torch` (models). Each pool is one process;
it starts with the first call, lives on for the next ones, and is replaced when it dies.
"""

from workbench.workers.client import POOLS, Part, Progress, Worker

__all__ = ["POOLS", "Part", "Progress", "Worker"]
