"""Start, resume, stop and await runs.

What is written here is all that a run needs: nobody has to stay to look after it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from core_vits.config import PRESETS, ModelConfig
from workbench.api import LaunchJob, LaunchPlan, RunFacts
from workbench.config import Workspace, settings_as_dict, with_overrides, workspace_from_dict
from workbench.errors import DatasetError, EnvironmentProblem, RunActiveError, RunError
from workbench.host import Host
from workbench.jobs.rundir import (
    CHECKPOINTS,
    FORMAT,
    IDENTITY,
    LAUNCH,
    LOGS,
    METRICS,
    SAMPLES,
    SETTINGS,
    FileLock,
    append_event,
    ask_to_stop,
    clear_stop,
    write_json,
)
from workbench.jobs.runs import COMPLETED, RunView, list_runs, read_run, still_busy
from workbench.jobs.supervisor import last_line

CHECKPOINT_BYTES: Mapping[str, int] = {
    "x-low": 650_000_000,
    "low": 850_000_000,
    "medium": 850_000_000,
    "high": 1_000_000_000,
    "tiny": 12_000_000,
}
"""Size of a checkpoint of each quality: weights and two moments of generator and discriminators."""

_PACKAGES = ("voice-workbench", "torch", "lightning", "numpy", "librosa")
_START_SECONDS = 60.0


def start_run(
    workspace: Workspace,
    host: Host,
    *,
    resume: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> RunView:
    """Make a run directory and start training in the background.

    Args:
        workspace: what to train.
        host: its plugins.
        resume: a checkpoint, of ours or Piper's, that the new run goes on from.
        overrides: settings for this run only, for instance `{"training.epochs": 10}`.

    Raises:
        RunActiveError: a run of this workspace is active; names it.
        ConfigError: an override is wrong.
        DatasetError: there is nothing to train on.
        EnvironmentProblem: the disk is too full for two checkpoints.
        RunError: a plugin or the launcher refuses the run, or its supervisor did not start.
    """
    if overrides:
        workspace = with_overrides(workspace, overrides)
    _check_dataset(workspace)
    if resume is not None and not resume.is_file():
        raise RunError(f"{resume}: there is no such checkpoint to go on from")
    workspace.runs.mkdir(parents=True, exist_ok=True)
    gate = FileLock(workspace.runs / ".start.lock")
    gate.acquire(seconds=10.0)
    try:
        _check_idle(workspace.runs)
        _check_disk(workspace)
        folder = _make_folder(workspace.runs, workspace.voice.name)
        try:
            _describe(folder, workspace, host, resume)
            host.emit_run_created(_facts(folder, workspace))
            _write_launch(folder, workspace, host)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # nothing has started: an empty run would only be in the way
            raise
        append_event(folder, "created", resumed_from=str(resume) if resume else None)
        return _launch(folder)
    finally:
        gate.release()


def resume_run(folder: Path, host: Host) -> RunView:
    """Go on with a run in its own directory, at the batch after its newest checkpoint.

    Raises:
        RunActiveError: it, or another run of its workspace, is active.
        RunError: it has trained all its epochs, or its files can't be read.
    """
    run = read_run(folder)
    workspace = run_workspace(folder)
    gate = FileLock(folder.parent / ".start.lock")
    gate.acquire(seconds=10.0)
    try:
        _check_idle(folder.parent)
        _check_not_done(run, workspace)
        _check_dataset(workspace)
        clear_stop(folder)
        _write_launch(folder, workspace, host)
        newest = run.checkpoints[-1].file.name if run.checkpoints else None
        append_event(folder, "resumed", checkpoint=newest)
        return _launch(folder)
    finally:
        gate.release()


def request_stop(folder: Path) -> None:
    """Ask a run to save a checkpoint and stop; returns at once.

    Raises:
        RunError: it is not running.
    """
    run = read_run(folder)
    if not run.live:
        raise RunError(f"{run.id} is not running (it is {run.state}); there is nothing to stop")
    ask_to_stop(folder)
    append_event(folder, "stop_requested")


def wait(folder: Path, timeout: float | None = None, *, poll_seconds: float = 0.1) -> RunView:
    """Wait until a run has ended, or until the time is over; returns the run as it is then."""
    deadline = None if timeout is None else time.monotonic() + timeout
    while still_busy(folder) and (deadline is None or time.monotonic() < deadline):
        time.sleep(poll_seconds)
    return read_run(folder)


def run_workspace(folder: Path) -> Workspace:
    """The workspace as it was when the run was started.

    Raises:
        RunError: `run.toml` can't be read.
        ConfigError: a setting in it is wrong.
    """
    try:
        tables = tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder.name}: {SETTINGS} can't be read ({error}); this run can't be resumed") from None
    return workspace_from_dict(tables, folder / SETTINGS)


def model_of(workspace: Workspace) -> ModelConfig:
    """The architecture that the settings ask for; speakers and symbols are known after the data set is prepared."""
    preset, training = PRESETS[workspace.voice.quality], workspace.training
    return replace(
        preset,
        audio=replace(preset.audio, sample_rate=workspace.audio.sample_rate),
        segment_size=training.segment_size,
        use_mrd=training.multi_resolution_discriminator,
    )


# --- checks ---------------------------------------------------------------------------------------------------------


def _check_idle(runs: Path) -> None:
    """One run at a time: two would halve each other's speed, and most machines have one GPU.

    Raises:
        RunActiveError: one is active.
    """
    for run in list_runs(runs):
        if run.live:
            raise RunActiveError(
                f"{run.id} is training in this workspace (epoch {run.status.epoch + 1} of {run.status.epochs}). "
                f"Stop it first: workbench stop {run.id}"
            )
        if still_busy(run.folder):
            raise RunActiveError(f"{run.id} is still saving its last checkpoint. Try again in a few seconds")


def _check_dataset(workspace: Workspace) -> None:
    if not workspace.metadata.is_file():
        raise DatasetError(
            f"{workspace.dataset.metadata}: there is no such metadata file in {workspace.root}. "
            "Set metadata in [dataset] of workbench.toml"
        )
    if not workspace.audio_folder.is_dir():
        raise DatasetError(
            f"{workspace.dataset.audio}: there is no such folder of recordings in {workspace.root}. "
            "Set audio in [dataset] of workbench.toml"
        )


def _check_disk(workspace: Workspace) -> None:
    """The second checkpoint is written before the first may be removed.

    Raises:
        EnvironmentProblem: there is no room for two.
    """
    needed = 2 * CHECKPOINT_BYTES.get(workspace.voice.quality, 0)
    free = shutil.disk_usage(workspace.runs).free
    if free < needed:
        raise EnvironmentProblem(
            f"{workspace.paths.runs}: {free / 1e6:.0f} MB are free, two checkpoints of quality "
            f"{workspace.voice.quality} need {needed / 1e6:.0f} MB. Free space, or set runs in [paths] to another disk"
        )


def _check_not_done(run: RunView, workspace: Workspace) -> None:
    training, status = workspace.training, run.status
    done = status.epoch >= training.epochs or (training.max_steps and status.step >= training.max_steps)
    if run.state == COMPLETED and done:
        raise RunError(
            f"{run.id} is completed: {status.epoch} epochs, {status.step} batches. "
            f"Raise epochs or max_steps in {run.folder / SETTINGS} to train on"
        )


# --- making a run ---------------------------------------------------------------------------------------------------


def _make_folder(runs: Path, voice: str) -> Path:
    stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{voice}"
    for number in range(1, 1000):
        folder = runs / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        for name in (CHECKPOINTS, METRICS, SAMPLES, LOGS):
            (folder / name).mkdir()
        return folder
    raise RunError(f"{runs}: no free name for a run that begins with {stem}")


def _describe(folder: Path, workspace: Workspace, host: Host, resume: Path | None) -> None:
    tables = settings_as_dict(workspace)
    tables["workspace"] = {"root": str(workspace.root), "file": str(workspace.file)}
    (folder / SETTINGS).write_text(tomli_w.dumps(tables), encoding="utf-8")
    identity = {
        "format": FORMAT,
        "id": folder.name,
        "created": time.time(),
        "voice": workspace.voice.name,
        "language": workspace.voice.language,
        "quality": workspace.voice.quality,
        "argv": sys.argv,
        "workspace": str(workspace.file),
        "versions": _versions(host),
        "seed": workspace.training.seed,
        "model": asdict(model_of(workspace)),
        "resumed_from": str(resume.absolute()) if resume else None,
    }
    write_json(folder / IDENTITY, identity, durable=True)


def _versions(host: Host) -> dict[str, str]:
    """Versions of the program, of what computes, and of each active plugin."""
    versions = {"python": ".".join(map(str, sys.version_info[:3]))}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    plugins = {f"plugin {item.name}": item.version for item in host.plugins if item.state == "active"}
    return {**versions, **plugins}


def _facts(folder: Path, workspace: Workspace) -> RunFacts:
    return RunFacts(id=folder.name, folder=folder, workspace=workspace.file, settings=settings_as_dict(workspace))


def _write_launch(folder: Path, workspace: Workspace, host: Host) -> None:
    """Write down what the supervisor executes.

    Raises:
        RunError: the launcher refuses.
        PluginError: there is no such launcher.
    """
    plan = _plan(folder, workspace, host)
    # Steps run in the user's folder, so that relative paths in settings hold. Python must not import from there.
    # Threads that wait by spinning slow each other down ten times and more as soon as anything else wants a core.
    env = {"PYTHONSAFEPATH": "1", "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "PASSIVE")}
    steps = [
        {
            "name": "prepare",
            "argv": [sys.executable, "-m", "workbench.train.prepare", str(folder)],
            "env": env,
            "cwd": str(workspace.root),
        },
        {
            "name": "train",
            "argv": list(plan.argv),
            "env": {**env, **plan.env},
            "cwd": str(plan.cwd or workspace.root),
        },
    ]
    write_json(folder / LAUNCH, {"steps": steps}, durable=True)


def _plan(folder: Path, workspace: Workspace, host: Host) -> LaunchPlan:
    launcher = host.create(host.launcher(workspace.training.launcher))
    job = LaunchJob(
        run=folder,
        workspace=workspace.file,
        devices=workspace.training.devices,
        accelerator=workspace.training.accelerator,
        python=sys.executable,
    )
    try:
        reason = str(launcher.refuse(job))
        if not reason:
            plan: LaunchPlan = launcher.plan(job)
            return plan
    except Exception as error:
        raise RunError(f"the launcher '{workspace.training.launcher}' failed: {error}") from error
    raise RunError(reason)


def _launch(folder: Path) -> RunView:
    """Start the supervisor and return when it has the run.

    Raises:
        RunError: it did not take it; says why.
    """
    log = folder / LOGS / "supervisor.log"
    log.parent.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "workbench.jobs.supervisor", "--detach", str(folder)]
    with log.open("ab") as output:
        try:
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=folder,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
                start_new_session=True,
                timeout=_START_SECONDS,
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            code = 1
    if code != 0:
        raise RunError(f"{folder.name}: the run did not start: {last_line(log) or f'see {log}'}")
    return read_run(folder)
