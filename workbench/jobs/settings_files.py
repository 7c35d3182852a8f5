"""The files that say how a run was set up: what the workbench or Piper wrote down at its start."""

from __future__ import annotations

from workbench.jobs.piper_runs import PiperRun
from workbench.jobs.rundir import SETTINGS
from workbench.jobs.runs import RunView
from workbench.tail.lightning import CONFIG, HYPERPARAMETERS, read_settings


def settings_of(run: RunView) -> dict[str, str]:
    """The text of each file by its name; of Piper's runs those of every version, the newest first."""
    if isinstance(run, PiperRun):
        files = {
            f"{version.name}/{name}": version / name
            for version in reversed(run.versions)
            for name in (CONFIG, HYPERPARAMETERS)
        }
    else:
        files = {SETTINGS: run.folder / SETTINGS}
    texts = {}
    for name, path in files.items():
        try:
            text = read_settings(path)
        except OSError as error:
            text = f"can't be read ({error.strerror})"
        if text:
            texts[name] = text
    return texts
