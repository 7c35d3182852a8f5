"""The verb `walk`: the whole way from recordings to a spoken sentence, with no terminal and no question."""

from __future__ import annotations

import argparse
from pathlib import Path

from workbench.cli.context import open_host, open_workspace
from workbench.cli.dataset import blocks, print_report, scan
from workbench.cli.follow import follow, outcome
from workbench.cli.guard import NO, OK
from workbench.cli.output import Console
from workbench.cli.voices import export, play, speak
from workbench.config import shown
from workbench.errors import RunError


def run_walk(args: argparse.Namespace, console: Console) -> int:
    """Health, a short training, export, speak; ends by naming the voice and the WAV."""
    from workbench.jobs.start import request_stop, start_run

    workspace = open_workspace(args)

    console.note("[1/4] health of the dataset")
    report = scan(workspace, console)
    print_report(report, console, limit=5)
    if blocks(report):
        console.note("the dataset can't be trained; mend what blocks and walk again")
        return NO

    console.note(f"[2/4] a short training, {args.steps} batches")
    host = open_host(args, workspace, console)
    # An epoch has at least one batch, so this many epochs never end before the batches do.
    # From scratch: a checkpoint's own batches would count.
    overrides = {
        "training.max_steps": args.steps,
        "training.epochs": max(args.steps, workspace.training.epochs),
        "start.checkpoint": "",
    }
    run = start_run(workspace, host, overrides=overrides)
    try:
        ended = follow(run, console, records=False)
    except KeyboardInterrupt:
        # Unlike `train`, whoever interrupts a walk wants none of it to go on.
        request_stop(run.folder)
        console.note(f"asked run {run.id} to stop at its next step")
        raise
    code = outcome(ended, console)
    if code != OK:
        return code
    if not ended.checkpoints:
        raise RunError(f"run {ended.id} ended without a checkpoint; see {ended.folder}/logs")
    folder = ended.folder

    console.note("[3/4] export, and comparison with the checkpoint")
    exported = export(workspace, ended.checkpoints[-1].file, folder, workspace.voices, "onnx", console)
    if not exported["accepted"]:
        return NO

    console.note("[4/4] speak")
    voice = Path(exported["files"][0])
    wav = workspace.voices / f"{voice.stem}.wav"
    spoken = speak(workspace, voice, None, args.text, wav, console)
    played = play(workspace, wav, "auto", console)

    console.line()
    console.line(f"run:   {shown(folder)}")
    console.line(f"voice: {shown(voice)}")
    console.line(f"WAV:   {shown(wav)}")
    console.answer({"run": str(folder), "voice": str(voice), "wav": str(wav), "spoken": spoken, "play": played})
    return OK
