"""Asks a checkpoint of a run how likely it finds each of the run's clips under its text. Runs in the torch worker."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from core_vits.cache import CacheError, CacheReader
from core_vits.dataset import ClipDataset, Collate
from core_vits.errors import CheckpointFileError
from core_vits.infer import load_generator
from core_vits.likelihood import path_likelihood
from core_vits.synthesizer import Synthesizer
from workbench.config import Workspace, load_workspace
from workbench.errors import CheckpointError, DatasetError, RunError
from workbench.jobs.curation import read_curation
from workbench.jobs.rundir import PREPARED, read_json
from workbench.mismatch.kept import ASKED, Judged, keep, stamp_before
from workbench.mismatch.likelihoods import Scale, Scored, scale_of, unlikely
from workbench.mismatch.score_memo import ScoreMemo

Progress = Callable[[float, float, str], None]

_MOST_CLIPS = 16
_FEWEST_CLIPS = 4
_MOST_FRAMES = 6_000
"""Of a batch, padding included; a few hundred megabytes with the largest voice."""


def score(
    checkpoint: str,
    run_folder: str,
    table: str,
    progress: Progress | None = None,
    *,
    workspace_file: str | None = None,
) -> dict[str, Any]:
    """Score every clip of a run.

    Args:
        checkpoint: of the run.
        run_folder: the run, with what its preparation left.
        table: name of the metadata file, for the findings.
        progress: called with clips done, clips in all, and what is being done.
        workspace_file: in whose cache folder scores and findings are kept, so that only what changed is asked again;
            None: nothing is kept.

    Returns:
        `summary` (clips, median, spread, threshold), `findings` (`Finding.as_json`, the least likely first) and `clips`
        (`row`, `file`, `gain`, `log_likelihood`; the least likely first).

    Raises:
        CheckpointError: the file can't be read.
        RunError: the run was not prepared.
        DatasetError: its prepared clips are gone.
    """
    prepared = _prepared(Path(run_folder))
    workspace = load_workspace(Path(workspace_file)) if workspace_file is not None else None
    try:
        generator = load_generator(Path(checkpoint))
        memo = ScoreMemo(workspace.cache if workspace is not None else None, Path(checkpoint))
        reader = CacheReader(Path(prepared["cache"]))
        keys = [clip["key"] for clip in prepared["trained"]]
        dataset = ClipDataset(
            reader,
            keys,
            generator.config.audio,
            speaker_ids=prepared.get("speakers") if generator.config.num_speakers > 1 else None,
        )
        values = _likelihoods(generator, dataset, keys, memo, progress)
    except CheckpointFileError as error:
        raise CheckpointError(str(error)) from None
    except (CacheError, ValueError) as error:
        raise DatasetError(str(error)) from None
    except OSError as error:
        raise CheckpointError(f"{checkpoint}: can't be read ({error.strerror or error})") from None
    clips = [
        Scored(
            row=clip["line"], file=clip["file"], text=reader.entries[clip["key"]].text,
            own=values[clip["key"]][0], others=values[clip["key"]][1],
        )
        for clip in prepared["trained"]
    ]  # fmt: skip
    reader.close()
    scale = scale_of(np.array([clip.gain for clip in clips]))
    findings = [finding.as_json() for finding in unlikely(clips, scale, table)]
    if workspace is not None:
        _keep(workspace, Path(run_folder), Path(checkpoint), findings, clips)
    return {
        "summary": _summary(clips, scale),
        "findings": findings,
        "clips": [_as_json(clip) for clip in sorted(clips, key=_least_likely_first)],
    }


def _prepared(run: Path) -> dict[str, Any]:
    """What the preparation of a run left.

    Raises:
        RunError: nothing that can be read.
    """
    try:
        data = read_json(run / PREPARED)
        for clip in data["trained"]:
            int(clip["line"]), str(clip["key"]), str(clip["file"])
        Path(data["cache"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(
            f"{run.name}: {PREPARED} can't be read ({error}), so its clips are not known; name another checkpoint"
        ) from None
    return data


def _likelihoods(
    generator: Synthesizer, dataset: ClipDataset, keys: Sequence[str], memo: ScoreMemo, progress: Progress | None
) -> Mapping[str, tuple[float, float]]:
    """Key of each clip with its likelihood under its own text and under others.

    A clip is compared with the texts of its batch, so a batch with one new clip is asked as a whole.
    """
    missing = [
        indices for indices in batches(dataset.lengths) if not all(keys[index] in memo.known for index in indices)
    ]
    done, total = 0, sum(map(len, missing))
    collate = Collate(audio_config=dataset.audio_config)
    for indices in missing:
        if progress is not None:
            progress(done, total, "clips")
        batch = collate([dataset[index] for index in indices]).on(torch.device("cpu"))
        found = path_likelihood(generator, batch)
        pairs = zip(found.own_B.tolist(), found.others_B.tolist(), strict=True)
        memo.add(dict(zip(batch.keys, pairs, strict=True)))
        done += len(indices)
    return memo.known


def _keep(
    workspace: Workspace, run: Path, checkpoint: Path, findings: Sequence[Mapping[str, Any]], clips: Sequence[Scored]
) -> None:
    """Keep what was found, with the recordings as they were when the run was prepared."""
    curation = read_curation(workspace.curation)
    prepared = (run / PREPARED).stat().st_mtime
    judged = (
        Judged(
            row=clip.row,
            file=clip.file,
            text=clip.text,
            stamp=stamp_before(curation.recording(workspace.audio_folder, clip.file), prepared),
            suspicion=-clip.gain,
        )
        for clip in clips
    )
    keep(workspace.cache, ASKED, f"{checkpoint.name} of {run.name}", findings, judged, read=time.time())


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Indices of clips in batches of similar length, so that each text is compared with texts like it.

    Args:
        lengths: frames of each clip.
    """
    order = sorted(range(len(lengths)), key=lambda index: (lengths[index], index))
    parts: list[list[int]] = []
    for index in order:
        # The last one is the longest: what it takes, all take.
        full = parts and len(parts[-1]) >= max(_FEWEST_CLIPS, min(_MOST_CLIPS, _MOST_FRAMES // max(1, lengths[index])))
        if not parts or full:
            parts.append([])
        parts[-1].append(index)
    if len(parts) > 1 and len(parts[-1]) < _FEWEST_CLIPS:
        rest = parts.pop()
        parts[-1] += rest
    return parts


def _summary(clips: Sequence[Scored], scale: Scale) -> dict[str, Any]:
    return {
        "clips": len(clips),
        "median_gain": round(scale.median, 4),
        "spread": round(scale.spread, 4),
        "threshold": round(scale.limit, 4),
        "judged": not scale.unusable,
    }


def _as_json(clip: Scored) -> Mapping[str, Any]:
    known = np.isfinite(clip.gain)
    return {
        "row": clip.row,
        "file": clip.file,
        "gain": round(clip.gain, 4) if known else None,
        "log_likelihood": round(clip.own, 4),
    }


def _least_likely_first(clip: Scored) -> tuple[bool, float]:
    return (not np.isfinite(clip.gain), clip.gain)
