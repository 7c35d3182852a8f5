"""Speak and export voices; runs in the `torch` worker."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core_vits.errors import CheckpointFileError
from core_vits.infer import to_int16
from workbench.api import Exporter, ExporterSpec, ExportResult, Verdict, Verifier
from workbench.errors import CheckpointError, ExportError, WorkbenchError
from workbench.host import Host, Registered
from workbench.jobs.rundir import CHECKPOINTS, EXPORTS, append_line, is_gone
from workbench.workers.targets.speaking import load_voice
from workbench.workers.targets.speech import Progress, check_place, finite, no_progress, prepare, save, telling
from workbench.workers.targets.voice_source import VoiceSource, find_source

_STAGING = re.compile(r"\.voice-(\d+)-\w+")


def speak(
    source: str,
    text: str | None,
    out_wav: str,
    *,
    run_folder: str | None = None,
    config: str | None = None,
    workspace: str | None = None,
    speaker: int | str | None = None,
    noise_scale: float | None = None,
    length_scale: float | None = None,
    noise_w: float | None = None,
    seed: int = 1234,
    normalize: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Speak a text into a 16-bit mono WAV.

    Args:
        source: a checkpoint (`.ckpt`) or an exported voice (`.onnx` with its `.onnx.json`).
        text: None: the language's default sentence.
        out_wav: the WAV; replaced when the new one is complete.
        run_folder: the run that saved the checkpoint; found by its place if not given.
        config: the voice's configuration, if it lies elsewhere.
        workspace: the workspace file, for voices that come without settings.
        speaker: number or name; the first if not given.
        noise_scale: variation of the sound; this and the next two: the voice's own if not given.
        length_scale: factor on all durations.
        noise_w: variation of the durations.
        seed: a checkpoint speaks the same samples for the same seed; an exported voice draws its noise itself.
        normalize: bring every sentence's peak to full scale, as Piper's runtime does.

    Returns:
        `wav`, `seconds`, `sample_rate` (Hz), `peak` (of the voice itself, before normalising, full scale = 1), `text`,
        `sentences` (their number), `speaker` (name; empty where there is one), `seconds_to_speak` (wall time of the
        synthesis).

    Raises:
        CheckpointError: the voice can't be loaded, or speaks no numbers.
        WorkbenchError: the text or the speaker is not for this voice.
        EnvironmentProblem: the WAV can't be written, or something else stands in its place.
    """
    report = progress or no_progress
    check_place(out_wav)
    with telling(source):
        speech = prepare(
            find_source(source, run_folder=run_folder, config=config, workspace=workspace),
            text,
            speaker=speaker,
            noise_scale=noise_scale,
            length_scale=length_scale,
            noise_w=noise_w,
        )
        total = len(speech.sentences) + 1
        report(0, total, "loading the voice")
        engine = load_voice(speech.voice)
        started = time.perf_counter()
        spoken = []
        for index, ids in enumerate(speech.sentences):
            report(index + 1, total, "speaking")
            spoken.append(finite(engine.speak(ids, speech.scales, speech.speaker, seed + index)))
    elapsed = time.perf_counter() - started
    samples = np.concatenate([to_int16(audio, normalize=normalize) for audio in spoken])
    save(out_wav, samples, speech.voice.sample_rate)
    report(total, total, "done")
    return {
        "wav": out_wav,
        "seconds": samples.size / speech.voice.sample_rate,
        "peak": max(float(np.abs(audio).max(initial=0.0)) for audio in spoken),
        **speech.as_json(),
        "seconds_to_speak": elapsed,
    }


def export(
    checkpoint: str,
    run_folder: str | None,
    out_folder: str,
    exporter: str = "onnx",
    *,
    config: str | None = None,
    workspace: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Export a checkpoint and compare the voice with it; only a voice that equals it gets its name.

    Everything happens in a folder beside the target. A voice of that name that is there already stays untouched until
    the new one is complete and accepted.

    Args:
        checkpoint: of this program or of Piper.
        run_folder: the run that saved the checkpoint; found by its place if None.
        out_folder: made if it is missing.
        exporter: name of an exporter.
        config: the voice's configuration, if it lies elsewhere.
        workspace: the workspace file, for checkpoints that come without settings.

    Returns:
        `accepted`; `files`: paths, the main one first, empty if it was rejected; `largest_difference` (full scale = 1;
        None if the exporter has no verifier); `message`: one line for the user; `findings` of the verifier; `voice`.

    Raises:
        CheckpointError: the checkpoint can't be read.
        ExportError: it could not be exported.
        PluginError: there is no such exporter.
    """
    report = progress or no_progress
    report(0, 3, "reading the checkpoint")
    source = find_source(checkpoint, run_folder=run_folder, config=config, workspace=workspace)
    host = Host.load(source.workspace)
    entry = host.exporter(exporter)
    folder = Path(out_folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _sweep(folder)
        with tempfile.TemporaryDirectory(prefix=f".voice-{os.getpid()}-", dir=folder) as staging:
            files, verdict = _export_and_verify(host, entry, source, Path(staging), report)
            if verdict is None or verdict.accepted:
                # The main file last: who sees it, sees all of the voice.
                for path in reversed(files):
                    path.replace(folder / path.name)
            names = [path.name for path in files]
    except OSError as error:
        raise ExportError(f"{out_folder}: the voice can't be written ({error.strerror or error})") from None
    report(3, 3, "done")
    result = _result(host, source, folder, names, verdict)
    _note(source, folder, exporter, result)
    return result


def _note(source: VoiceSource, folder: Path, exporter: str, result: Mapping[str, Any]) -> None:
    """Leave a note for viewers in the run that saved the checkpoint; the export is done whether the disk takes it.

    Piper's folders are left as they are: the note of a checkpoint from elsewhere stands beside the workspace's voices.
    """
    checkpoint = source.path.absolute()
    run = checkpoint.parent.parent
    if checkpoint.parent.name == CHECKPOINTS and not is_gone(run):
        notes, name = run / EXPORTS, checkpoint.name
    elif source.workspace is not None and folder.absolute() == source.workspace.voices:
        notes, name = folder / EXPORTS, str(checkpoint)
    else:
        return
    about = {"exporter": exporter} | {key: result[key] for key in ("largest_difference", "accepted", "message")}
    files = [str(Path(file).absolute()) for file in result["files"]]
    with contextlib.suppress(OSError):
        append_line(notes, {"checkpoint": name, "time": time.time(), "files": files, **about})


def _export_and_verify(
    host: Host, entry: Registered[ExporterSpec], source: VoiceSource, staging: Path, report: Progress
) -> tuple[list[Path], Verdict | None]:
    """
    Raises:
        CheckpointError: the checkpoint can't be read.
        ExportError: the exporter or its verifier failed.
        OSError: a file can't be written.
    """
    # One thread: a trainer may be running beside us and wants the cores.
    torch.set_num_threads(1)
    exporter: Exporter = host.create(entry)
    try:
        report(1, 3, "exporting")
        files = exporter.export(source.path, source.config, source.identity(), staging)
        report(2, 3, "comparing with the checkpoint")
        if not entry.spec.verifier:
            return files, None
        verifier: Verifier = host.create_target(entry.plugin, entry.spec.verifier)
        return files, verifier.verify(source.path, files)
    except (WorkbenchError, OSError):
        raise
    except CheckpointFileError as error:
        raise CheckpointError(str(error)) from None
    except Exception as error:
        said = " ".join(str(error).split())
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        raise ExportError(f"{source.path}: can't be exported ({kind}{said[:400]})") from error


def _result(host: Host, source: VoiceSource, folder: Path, names: list[str], verdict: Verdict | None) -> dict[str, Any]:
    accepted = verdict is None or verdict.accepted
    files = [folder / name for name in names] if accepted else []
    main = folder / names[0]
    said = "; ".join(finding.message for finding in verdict.findings) if verdict is not None else "was not compared"
    if accepted:
        message = f"{main} {said}"
        difference = verdict.largest_difference if verdict is not None else 0.0
        result = ExportResult(checkpoint=source.path, files=tuple(files), largest_difference=difference, accepted=True)
        host.emit("workbench_export_finished", result=result)
    else:
        kept = "; the voice of that name that was there is untouched" if main.exists() else ""
        message = f"{source.path}: the export is rejected and removed: {names[0]} {said}{kept}"
    return {
        "accepted": accepted,
        "files": [str(path) for path in files],
        "largest_difference": verdict.largest_difference if verdict is not None else None,
        "message": message,
        "findings": [finding.as_json() for finding in verdict.findings] if verdict is not None else [],
        "voice": source.identity().stem,
    }


def _sweep(folder: Path) -> None:
    """Remove what exports of processes that were killed left behind."""
    for path in folder.iterdir():
        match = _STAGING.fullmatch(path.name)
        if match and not Path(f"/proc/{match.group(1)}").exists() and Path("/proc/self").exists():
            with contextlib.suppress(OSError):
                shutil.rmtree(path)
