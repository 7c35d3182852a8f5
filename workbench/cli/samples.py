"""The verb `samples`: sentences that a run's voice said while it was trained."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.cli.context import find_run, open_host, open_workspace
from workbench.cli.guard import OK
from workbench.cli.output import Console
from workbench.cli.voices import play
from workbench.config import Workspace, shown
from workbench.errors import RunError

if TYPE_CHECKING:
    from workbench.jobs.runs import RunView
    from workbench.tail.clips import Clip

_FEW = 20


def run_samples(args: argparse.Namespace, console: Console) -> int:
    """List the samples of a run; write or play one."""
    workspace = open_workspace(args)
    run = find_run(workspace, args.run_name)
    clips = list(enumerate(_clips(run), start=1))
    wanted = args.play if args.play is not None else args.write
    if wanted is not None:
        if not 1 <= wanted <= len(clips):
            raise RunError(f"run {run.label} has no sample {wanted}; `workbench samples {run.id}` lists {len(clips)}")
        return _take(args, workspace, run, clips[wanted - 1][1], console)
    console.answer({"run": run.id, "samples": [_as_json(number, clip) for number, clip in clips]})
    if not clips:
        console.line(f"run {run.label} has no sample yet; one is spoken at each validation")
        return OK
    listed = clips if args.all else clips[-_FEW:]
    console.line(
        f"run {run.label}: {len(clips)} samples" + (f", the newest {_FEW}" if len(listed) < len(clips) else "")
    )
    rows = [
        (number, "-" if clip.epoch is None else clip.epoch, clip.batch, f"{clip.entry.seconds:.1f}", clip.text)
        for number, clip in listed
    ]
    console.table(("no.", "epoch", "batch", "s", "sentence"), rows)
    return OK


def _clips(run: RunView) -> list[Clip]:
    from workbench.jobs.curves import follower_of
    from workbench.tail.clips import clips_of

    follower = follower_of(run)
    follower.poll()
    return clips_of(follower)


def _take(args: argparse.Namespace, workspace: Workspace, run: RunView, clip: Clip, console: Console) -> int:
    """Write a sample, and play it if that was asked for."""
    from workbench.workers.targets.clips import clip_name, write_clip

    if args.play is not None and args.player != "auto":
        open_host(args, workspace, console).player(
            args.player
        )  # refuses a name that is none before anything is written
    wav = args.out.absolute() if args.out is not None else workspace.voices / "spoken" / clip_name(clip, run.id)
    write_clip(clip, wav)
    console.line(f"wrote {shown(wav)} ({clip.entry.seconds:.1f} s, epoch {clip.epoch}): {clip.text}")
    played = play(workspace, wav, args.player, console) if args.play is not None else None
    console.answer({"run": run.id, "wav": str(wav), "play": played})
    return OK


def _as_json(number: int, clip: Clip) -> dict[str, Any]:
    entry = clip.entry
    return {
        "number": number,
        "sentence": clip.text,
        "epoch": clip.epoch,
        "batch": clip.batch,
        "seconds": round(entry.seconds, 3),
        "sample_rate": entry.sample_rate,
        "time": entry.wall_time,
        "file": str(Path(entry.path)),
        "offset": entry.offset,
        "bytes": entry.length,
    }
