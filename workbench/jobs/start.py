"""Start, resume, stop and await runs.

What is written here is all that a run needs: nobody has to stay to look after it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import tomli_w

from core_vits.config import PRESETS, ModelConfig
from workbench.api import LaunchJob, LaunchPlan, RunFacts
from workbench.config import StartSettings, Workspace, settings_as_dict, with_overrides, workspace_from_dict
from workbench.config.settings import CONTINUE, KEEP, RANDOM, RESUME
from workbench.errors import EnvironmentProblem, RunError
from workbench.host import Host
from workbench.jobs.checks import (
    check_checkpoint,
    check_dataset,
    check_disk,
    check_front_end,
    check_idle,
    check_not_done,
)
from workbench.jobs.rundir import (
    CHECKPOINTS,
    FORMAT,
    IDENTITY,
    LAUNCH,
    LOGS,
    METRICS,
    PHONEME_MAP,
    SAMPLES,
    SETTINGS,
    FileLock,
    append_event,
    ask_to_stop,
    clear_stop,
    write_json,
)
from workbench.jobs.runs import RunView, read_run, still_busy
from workbench.jobs.supervisor import last_line

START_LOCK = ".start.lock"
"""In the folder of the runs: held while a run is started."""

_PACKAGES = ("voice-workbench", "torch", "lightning", "numpy", "librosa")
_START_SECONDS = 60.0


def start_run(
    workspace: Workspace,
    host: Host,
    *,
    resume: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
) -> RunView:
    """Make a run directory and start training in the background.

    It begins with the checkpoint that `[start]` names, if it names one. Whether the file fits is for the plan to say
    that is shown before (`workbench.workers.targets.starting`); the trainer makes the same one and refuses as well.

    Args:
        workspace: what to train.
        host: its plugins.
        resume: a checkpoint, of ours or Piper's, that the new run goes on from; goes before `[start]`.
        overrides: settings for this run only, for instance `{"training.epochs": 10}`.
        model: the architecture that the plan found, as plain values; by default that of the settings.

    Raises:
        RunActiveError: a run of this workspace is active; names it.
        ConfigError: an override is wrong.
        DatasetError: there is nothing to train on.
        CheckpointError: the checkpoint to go on from is none.
        PluginError: the phonemizer, a normaliser or the launcher isn't there.
        EnvironmentProblem: the folder of the runs can't be written, or has no room for two checkpoints.
        RunError: a plugin or the launcher refuses the run, or its supervisor did not start.
    """
    begun = going_on_from(resume) if resume is not None else {}
    if begun or overrides:
        workspace = with_overrides(workspace, {**begun, **(overrides or {})})
    check_dataset(workspace)
    check_front_end(workspace, host)
    checkpoint = workspace.start_checkpoint
    if checkpoint is not None:
        check_checkpoint(checkpoint)
    with _gate(workspace.runs, workspace.paths.runs):
        check_idle(workspace.runs)
        check_disk(workspace)
        folder = _make_folder(workspace.runs, workspace.voice.name)
        try:
            _describe(folder, workspace, host, model or asdict(model_of(workspace)))
            host.emit_run_created(_facts(folder, workspace))
            _write_launch(folder, workspace, host)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)  # nothing has started: an empty run would only be in the way
            raise
        append_event(folder, "created", resumed_from=str(checkpoint) if checkpoint else None)
        return _launch(folder)


def resume_run(folder: Path, host: Host) -> RunView:
    """Go on with a run in its own directory, at the batch after its newest checkpoint.

    Raises:
        RunActiveError: it, or another run of its workspace, is active.
        RunError: it has trained all its epochs, or its files can't be read.
    """
    run = read_run(folder)
    workspace = run_workspace(folder)
    with _gate(folder.parent, folder.parent.name):
        check_idle(folder.parent)
        check_not_done(run, workspace)
        check_dataset(workspace)
        check_front_end(workspace, host)
        clear_stop(folder)
        _write_launch(folder, workspace, host)
        newest = run.checkpoints[-1].file.name if run.checkpoints else None
        append_event(folder, "resumed", checkpoint=newest)
        return _launch(folder)


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

    A run from before there were buckets says nothing about them, and goes on with batches at random.

    Raises:
        RunError: `run.toml` can't be read.
        ConfigError: a setting in it is wrong.
    """
    try:
        tables = tomllib.loads((folder / SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{folder.name}: {SETTINGS} can't be read ({error}); this run can't be resumed") from None
    training = tables.setdefault("training", {})
    if isinstance(training, dict):
        training.setdefault("batching", RANDOM)
    return workspace_from_dict(tables, folder / SETTINGS)


def going_on_from(checkpoint: Path, settings: Workspace | None = None) -> dict[str, str]:
    """Settings with which a new run goes on from a checkpoint exactly.

    Args:
        checkpoint: of ours or Piper's.
        settings: of the run that saved it: learning rates that it held stay held.
    """
    start = settings.start if settings is not None else StartSettings()
    held = bool(start.checkpoint) and (start.mode, start.learning_rate) == (RESUME, KEEP)
    return {
        "start.checkpoint": str(checkpoint.absolute()),
        "start.mode": RESUME,
        "start.learning_rate": KEEP if held else CONTINUE,
        "start.optimizer": KEEP,
    }


def model_of(workspace: Workspace) -> ModelConfig:
    """The architecture that the settings ask for; speakers and symbols are known after the data set is prepared."""
    preset, training = PRESETS[workspace.voice.quality], workspace.training
    return replace(
        preset,
        audio=replace(preset.audio, sample_rate=workspace.audio.sample_rate),
        segment_size=training.segment_size,
        use_mrd=training.multi_resolution_discriminator,
    )


# --- the gate -------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def _gate(runs: Path, name: str) -> Iterator[None]:
    """Let one start at a time into a folder of runs; a start that is refused leaves no new file and no new folder.

    Args:
        runs: made if it is missing.
        name: what errors call it.

    Raises:
        RunActiveError: another start is on its way.
        RunError: a file stands where the folder is wanted.
        EnvironmentProblem: the folder can't be written.
    """
    lock = runs / START_LOCK
    gate = FileLock(lock)
    fresh: list[Path] = []
    try:
        fresh = [folder for folder in (runs, *runs.parents) if not folder.exists()]
        runs.mkdir(parents=True, exist_ok=True)
        was_there = lock.exists()
        gate.acquire(seconds=10.0)
        try:
            yield
        except BaseException:
            if not was_there:
                lock.unlink(missing_ok=True)
            raise
        finally:
            gate.release()
    except (FileExistsError, NotADirectoryError):
        _leave(fresh)
        raise RunError(
            f"{name}: a file stands where the folder of the runs is wanted. Move it away, or set runs in [paths] of "
            "workbench.toml"
        ) from None
    except OSError as error:
        _leave(fresh)
        raise EnvironmentProblem(
            f"{name}: the run can't be written here ({error.strerror or error}). Make the folder writable, or set runs "
            "in [paths] of workbench.toml"
        ) from error
    except BaseException:
        _leave(fresh)
        raise


def _leave(fresh: Sequence[Path]) -> None:
    """Remove folders that were made for nothing, the innermost first; one that holds anything stays."""
    for folder in fresh:
        with contextlib.suppress(OSError):
            folder.rmdir()


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


def _describe(folder: Path, workspace: Workspace, host: Host, model: Mapping[str, Any]) -> None:
    begun = workspace.start_checkpoint
    tables = settings_as_dict(workspace)
    tables["workspace"] = {"root": str(workspace.root), "file": str(workspace.file)}
    if workspace.phoneme_map is not None:
        shutil.copyfile(workspace.phoneme_map, folder / PHONEME_MAP)
        tables["text"]["phoneme_map"] = str(folder / PHONEME_MAP)
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
        "model": dict(model),
        "resumed_from": str(begun.absolute()) if begun else None,
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
