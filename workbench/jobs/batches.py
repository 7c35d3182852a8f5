"""How a training divides its clips, in words, before it starts."""

from __future__ import annotations

from core_vits.manifest import ManifestError, batches_per_epoch, split_sizes
from workbench.config import Workspace
from workbench.jobs.dataset import read_table


def batch_maths(workspace: Workspace, clips: int) -> str:
    """One line: batches of all processes, and how many make an epoch.

    Args:
        workspace: settings.
        clips: rows of the table; those that turn out to be untrainable make the epoch shorter.
    """
    training = workspace.training
    trained, _, _ = split_sizes(clips, training.validation_split, training.test_clips)
    batches = batches_per_epoch(max(0, trained), training.batch_size, training.devices)
    each = f"batches of {training.batch_size}"
    if training.devices > 1:
        each += f" × {training.devices} processes = {training.batch_size * training.devices} clips"
    return f"{each}, {batches:,} an epoch of {max(0, trained):,} clips"


def batches_of(workspace: Workspace) -> str:
    """`batch_maths` of the workspace's table; empty when it can't be read, which the start will say better."""
    try:
        manifest = read_table(workspace)
    except (ManifestError, OSError):
        return ""
    return batch_maths(workspace, len(manifest.rows)) if manifest.rows else ""
