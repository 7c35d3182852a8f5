"""What a run takes over from the voice that it goes on from: the numbers of its speakers and symbols.

A checkpoint knows speakers and symbols by number only. Whoever had number 3 must have it again, or the run goes on with
another person's voice.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core_vits.manifest import Row, speaker_ids
from workbench.config import Workspace, shown
from workbench.config.settings import BY_CLIPS, RESUME, VOCODER
from workbench.errors import DatasetError, RunError
from workbench.jobs.rundir import CHECKPOINTS, IDENTITY, VOICE_CONFIG, read_json
from workbench.jobs.voice_files import find_voice_config, speaker_map


@dataclass(frozen=True, kw_only=True)
class Inherited:
    """Numbers that a checkpoint was trained with; empty for a run that begins from scratch."""

    config: Path | None = None
    """The file that says so."""
    speakers: Mapping[str, int] = field(default_factory=dict)
    num_speakers: int = 1
    """Rows of its table of speakers, which may be more than have names."""
    id_map: Mapping[str, Sequence[int]] = field(default_factory=dict)
    exact: bool = False
    """Whether the run goes on with all of the checkpoint, so that nothing may have another number."""


def inherited(run: Path, workspace: Workspace) -> Inherited:
    """What the run's own earlier checkpoints were trained with, or else the checkpoint that it begins with.

    Raises:
        RunError: there is a configuration, and it can't be read.
    """
    own = run / VOICE_CONFIG
    if own.is_file() and any((run / CHECKPOINTS).glob("*.ckpt")):
        return _read(own, exact=True)
    return inherited_from(*_beginning(run, workspace))


def inherited_from(checkpoint: Path | None, mode: str) -> Inherited:
    """What a run takes over that begins with this much of a checkpoint.

    Raises:
        RunError: there is a configuration beside the checkpoint, and it can't be read.
    """
    # Of the decoder and the flow alone, no number means anything.
    config = find_voice_config(checkpoint) if checkpoint is not None and mode != VOCODER else None
    return _read(config, exact=mode == RESUME) if config is not None else Inherited()


def _beginning(run: Path, workspace: Workspace) -> tuple[Path | None, str]:
    """The checkpoint that a new run begins with, and how much of it is taken."""
    try:
        named = read_json(run / IDENTITY).get("resumed_from")
    except (OSError, ValueError):
        named = None
    set_there = workspace.start_checkpoint
    if named and (set_there is None or Path(named).absolute() != set_there.absolute()):
        return Path(named), RESUME  # the command line named another one than the settings
    return set_there, workspace.start.mode


def _read(config: Path, *, exact: bool) -> Inherited:
    """
    Raises:
        RunError: it can't be read.
    """
    try:
        data: Any = json.loads(config.read_text(encoding="utf-8-sig"))
        speakers = speaker_map(data)
        id_map = {str(symbol): list(ids) for symbol, ids in data["phoneme_id_map"].items()}
        num_speakers = int(data.get("num_speakers", 1))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise RunError(
            f"{shown(config)}: what the checkpoint numbers how can't be read ({type(error).__name__}: "
            f"{' '.join(str(error).split())[:120]}). Put the config.json of the checkpoint's training there"
        ) from None
    highest = max(speakers.values(), default=0)
    return Inherited(
        config=config, speakers=speakers, num_speakers=max(num_speakers, highest + 1), id_map=id_map, exact=exact
    )


def number_speakers(
    workspace: Workspace, rows: Sequence[Row], recorded: Iterable[Row], before: Inherited
) -> tuple[dict[str, int], int]:
    """Number the speakers of a dataset.

    Args:
        workspace: says in which order.
        rows: of the whole table.
        recorded: those that have a recording.
        before: what the run goes on from.

    Returns:
        Id of each speaker, and how many the model must have; nobody and 1 for a voice without speakers.
    """
    if not workspace.dataset.multi_speaker:
        return {}, 1
    names = {row.speaker for row in rows}
    # With weights alone and no speaker in common, hundreds of strangers would only fill the table.
    kept = before.speakers if before.exact or names & set(before.speakers) else {}
    by_clips = workspace.dataset.speaker_order == BY_CLIPS
    speakers = speaker_ids(recorded if by_clips else rows, by_clips=by_clips, known=kept)
    room = before.num_speakers if kept or before.exact else 1
    return speakers, max(room, 1 + max(speakers.values(), default=0))


def check_symbols(workspace: Workspace, id_map: Mapping[str, Sequence[int]], before: Inherited) -> None:
    """Refuse to go on with all of a checkpoint where a symbol has another id than it was trained with.

    Raises:
        DatasetError: it names the symbol and both ids.
    """
    if not before.exact or before.config is None:
        return
    for symbol, ids in id_map.items():
        then = before.id_map.get(symbol)
        if then is not None and list(then) != list(ids):
            where = workspace.text.phoneme_map or "the phonemizer"
            raise DatasetError(
                f"{where}: '{symbol}' has the id {' '.join(map(str, ids))}, the checkpoint was trained with "
                f"{' '.join(map(str, then))} ({shown(before.config)}). Set [text] phoneme_map to that file, or begin "
                "from scratch"
            )
