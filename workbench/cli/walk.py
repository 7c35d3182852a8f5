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
from workbench.config import Workspace, shown, with_overrides
from workbench.errors import DatasetError, RunError

_LONGEST_SENTENCE = 120


def run_walk(args: argparse.Namespace, console: Console) -> int:
    """Health, a short training, export, speak; ends by naming the voice and the WAV."""
    from workbench.jobs.start import start_run

    workspace = open_workspace(args)
    text = args.text or a_sentence(workspace)

    console.note("[1/4] health of the dataset")
    report = scan(workspace, console)
    print_report(report, console, limit=5)
    if blocks(report):
        console.note("the dataset can't be trained; mend what blocks and walk again")
        return NO

    console.note(f"[2/4] a short training, {args.steps} batches")
    host = open_host(args, workspace, console)
    short = with_overrides(
        workspace, {"training.max_steps": args.steps, "training.epochs": max(args.steps, workspace.training.epochs)}
    )
    ended = follow(start_run(short, host), console)
    code = outcome(ended, console)
    if code != OK:
        return code
    if not ended.checkpoints:
        raise RunError(f"run {ended.id} ended without a checkpoint; see {ended.folder}/logs")
    folder = ended.folder

    console.note("[3/4] export, and comparison with the checkpoint")
    exported = export(ended.checkpoints[-1].file, folder, workspace.voices, "onnx", console)
    if not exported["accepted"]:
        return NO

    console.note("[4/4] speak")
    voice = Path(exported["files"][0])
    wav = workspace.voices / f"{voice.stem}.wav"
    spoken = speak(voice, None, text, wav, console)
    played = play(wav, "auto", console)

    console.line()
    console.line(f"run:   {shown(folder)}")
    console.line(f"voice: {shown(voice)}")
    console.line(f"WAV:   {shown(wav)}")
    console.answer(
        {"run": str(folder), "voice": str(voice), "wav": str(wav), "text": text, "spoken": spoken, "play": played}
    )
    return OK


def a_sentence(workspace: Workspace) -> str:
    """The first transcript of the dataset that is not too long: something the voice has heard.

    Raises:
        DatasetError: the metadata can't be read or has no text.
    """
    from core_vits.manifest import ManifestError, read_metadata

    dataset = workspace.dataset
    try:
        manifest = read_metadata(
            workspace.metadata,
            delimiter=dataset.delimiter,
            quoting=dataset.quoting,
            multi_speaker=dataset.multi_speaker,
        )
    except ManifestError as error:
        raise DatasetError(str(error)) from None
    texts = [row.text.strip() for row in manifest.rows if row.text.strip()]
    if not texts:
        raise DatasetError(f"{dataset.metadata}: there is no row with a text")
    return next((text for text in texts if 20 <= len(text) <= _LONGEST_SENTENCE), texts[0][:_LONGEST_SENTENCE])
