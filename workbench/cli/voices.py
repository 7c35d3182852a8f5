"""The verbs `export` and `speak`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from core_vits.hold import held
from workbench.api import Severity
from workbench.cli.context import find_checkpoint, open_host, open_workspace
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console, ProgressLines
from workbench.config import Workspace, shown
from workbench.errors import CheckpointError, DatasetError

EXPORT = "workbench.workers.targets.voice:export"
SPEAK = "workbench.workers.targets.voice:speak"
SPEAK_LIVE = "workbench.workers.targets.live:speak_live"
PLAY = "workbench.workers.targets.play:play"
_AUDIBLE_PAUSE = 0.01
"""Seconds."""
_LONGEST_TEXT = 10_000
_LONGEST_BYTES = 4 * _LONGEST_TEXT


def run_export(args: argparse.Namespace, console: Console) -> int:
    """Write a checkpoint as a voice; exit code 1 when the voice does not equal it."""
    workspace = open_workspace(args)
    checkpoint, run = find_checkpoint(workspace, args.checkpoint)
    folder = args.out.absolute() if args.out is not None else workspace.voices
    result = export(workspace, checkpoint, run, folder, args.exporter, console)
    console.answer(result)
    return OK if result["accepted"] else NO


def export(
    workspace: Workspace, checkpoint: Path, run: Path | None, folder: Path, exporter: str, console: Console
) -> Mapping[str, Any]:
    """Export in a worker and say what came of it.

    Raises:
        WorkbenchError: there is no voice, and why.
    """
    from workbench.workers import Worker

    console.note(f"exporting {checkpoint.name}")
    with Worker("torch") as worker, held(checkpoint):
        result: Mapping[str, Any] = worker.call(
            EXPORT,
            on_progress=ProgressLines(console, "exporting"),
            checkpoint=shown(checkpoint),
            run_folder=shown(run) if run is not None else None,
            out_folder=str(folder),
            exporter=exporter,
            workspace=str(workspace.file),
        )
    if result["accepted"]:
        for file in result["files"]:
            console.line(f"wrote {file}")
        if result["largest_difference"] is None:
            console.line("not compared with the checkpoint")
        for finding in result["findings"]:
            level = "" if finding["severity"] == Severity.OK else f"{finding['severity']}  "
            console.line(f"{level}{finding['subject']} {finding['message']}")
    else:
        console.note(f"not exported: {result['message']}")
    return result


def run_speak(args: argparse.Namespace, console: Console) -> int:
    """Speak a text, write it as WAV, and play it if this machine can."""
    text = _text(args.text)
    workspace = open_workspace(args)
    if args.player != "auto" and not args.no_play:
        open_host(args, workspace, console).player(args.player)  # refuses a name that is none before anything is spoken
    source, run = _source(workspace, args.source)
    wav = args.out.absolute() if args.out is not None else _new_wav(workspace, source)
    options = {"speaker": args.speaker, "length_scale": args.length_scale}
    if args.stream:
        player = None if args.no_play else args.player
        spoken = speak_live(workspace, source, run, text, wav, player, console, **options)
        played = spoken["play"]["played"]
    else:
        spoken, played = speak(workspace, source, run, text, wav, console, **options), False
    heard = spoken["play"] if played else None if args.no_play else play(workspace, wav, args.player, console)
    console.answer({**spoken, "source": str(source), "play": heard})
    return OK


def speak(
    workspace: Workspace,
    source: Path,
    run: Path | None,
    text: str | None,
    wav: Path,
    console: Console,
    **options: Any,
) -> Mapping[str, Any]:
    """Synthesise in a worker and write `wav`.

    Args:
        workspace: whose plugins and settings serve.
        source: a checkpoint or an exported voice.
        run: the run of the checkpoint; None for a voice, or for a file that belongs to no run.
        text: None: the language's default sentence.
        wav: file to write; its folder is made when there is something to write.
        console: where to print to.
        options: `speaker` and `length_scale`; None: the voice's own.

    Raises:
        WorkbenchError: it can't be spoken, and why.
    """
    spoken = _call(SPEAK, workspace, source, run, console, text=text, out_wav=str(wav), **options)
    _tell_wav(spoken, console)
    return spoken


def speak_live(
    workspace: Workspace,
    source: Path,
    run: Path | None,
    text: str | None,
    wav: Path,
    player: str | None,
    console: Console,
    **options: Any,
) -> Mapping[str, Any]:
    """As `speak`, but played while it is being made, if `player` can do that.

    Raises:
        WorkbenchError: it can't be spoken, and why.
    """
    spoken = _call(SPEAK_LIVE, workspace, source, run, console, text=text, out_wav=str(wav), player=player, **options)
    late = spoken["seconds_late"]
    told = "without a pause" if late < _AUDIBLE_PAUSE else f"with {late:.2f} s of pauses until more was ready"
    console.line(f"first audio after {spoken['seconds_to_first_audio']:.2f} s, then {told}")
    if spoken["play"]["played"]:
        console.line(spoken["play"]["message"])
    elif player is not None:
        console.line(f"not played while it was made ({'; '.join(spoken['play']['reasons'])})")
    _tell_wav(spoken, console)
    return spoken


def _call(
    target: str, workspace: Workspace, source: Path, run: Path | None, console: Console, **options: Any
) -> Mapping[str, Any]:
    """Speak in a worker."""
    from workbench.workers import Worker

    with Worker("torch") as worker, held(source):
        spoken: Mapping[str, Any] = worker.call(
            target,
            on_progress=ProgressLines(console, "speaking"),
            source=shown(source),
            run_folder=shown(run) if run is not None else None,
            workspace=str(workspace.file),
            **options,
        )
    return spoken


def _tell_wav(spoken: Mapping[str, Any], console: Console) -> None:
    who = f", speaker {spoken['speaker']}" if spoken["speaker"] else ""
    console.line(f"wrote {spoken['wav']} ({spoken['seconds']:.1f} s, {spoken['sample_rate']} Hz{who})")


def play(workspace: Workspace, wav: Path, player: str, console: Console) -> Mapping[str, Any]:
    """Play in a worker and say what was heard or why nothing was."""
    from workbench.workers import Worker

    with Worker("audio") as worker:
        played: Mapping[str, Any] = worker.call(PLAY, wav=str(wav), player=player, workspace=str(workspace.file))
    console.line(str(played["message"]))
    return played


def _text(given: str | None) -> str | None:
    """The text in one line; None when none was given."""
    if given is None:
        return None
    raw = _standard_input() if given == "-" else os.fsencode(given)
    try:
        text = " ".join(raw.decode("utf-8-sig").split())
    except UnicodeDecodeError as error:
        raise DatasetError(
            f"the text to speak: byte {error.start + 1} is not UTF-8; convert it (iconv -t UTF-8), then speak it"
        ) from None
    if not text:
        raise DatasetError("the text to speak is empty")
    if len(text) > _LONGEST_TEXT:
        raise _too_long()
    return text


def _standard_input() -> bytes:
    """All of stdin, whatever the locale says of its encoding."""
    raw = sys.stdin.buffer.read(_LONGEST_BYTES + 1)
    if len(raw) > _LONGEST_BYTES:
        raise _too_long()
    return raw


def _too_long() -> DatasetError:
    return DatasetError(f"the text to speak is longer than {_LONGEST_TEXT} characters; speak it in parts")


def _source(workspace: Workspace, name: str) -> tuple[Path, Path | None]:
    """A voice file, or a checkpoint and its run."""
    if name.endswith(".onnx"):
        for path in (Path(name), workspace.voices / name):
            if path.is_file():
                return path.absolute(), None
        raise CheckpointError(f"{name}: there is no such voice, neither here nor in {workspace.voices}")
    return find_checkpoint(workspace, name)


def _new_wav(workspace: Workspace, source: Path) -> Path:
    """A file name that is not taken: what was spoken, with what, and when."""
    stem = re.sub(r"[^\w.-]+", "_", source.stem)
    folder = workspace.voices / "spoken"
    name = f"{stem}-{time.strftime('%Y%m%d-%H%M%S')}"
    wav, number = folder / f"{name}.wav", 1
    while wav.exists():
        number += 1
        wav = folder / f"{name}-{number}.wav"
    return wav
