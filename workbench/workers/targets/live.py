"""Speak aloud: what is being made is played at once; runs in the `torch` worker.

The voice speaks on a thread of its own, the player plays on the main one, and between them is a queue.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core_vits.infer import to_int16
from workbench.api import LivePlayer, Player
from workbench.config import load_workspace
from workbench.errors import PluginError
from workbench.host import Host
from workbench.workers.targets.play import candidates
from workbench.workers.targets.speaking import Voice, load_voice
from workbench.workers.targets.speech import Progress, Speech, check_place, finite, no_progress, prepare, save, telling
from workbench.workers.targets.voice_source import find_source


def speak_live(
    source: str,
    text: str | None,
    out_wav: str,
    *,
    player: str | None = "auto",
    run_folder: str | None = None,
    workspace: str | None = None,
    speaker: int | str | None = None,
    length_scale: float | None = None,
    seed: int = 1234,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Speak a text, play it meanwhile, and write it into a 16-bit mono WAV at the end.

    A voice in two parts is heard after a fraction of its first sentence, any other after that sentence. What the latter
    says is brought to full scale as ever; nobody knows the peak of the former yet, so it stays as it is.

    Args:
        source: a checkpoint or an exported voice.
        text: None: the language's default sentence.
        out_wav: the WAV; replaced when the new one is complete.
        player: name of a player; `auto`: the preferred one that works here; None: nothing is played.
        run_folder: the run that saved the checkpoint; found by its place if not given.
        workspace: the workspace file, for settings of plugins and for voices that come without settings.
        speaker: number or name; the first if not given.
        length_scale: factor on all durations; the voice's own if not given.
        seed: of a checkpoint's noise.

    Returns:
        `wav`, `seconds`, `sample_rate`, `text`, `sentences`, `speaker`; `seconds_to_first_audio` and
        `seconds_to_speak` (from the loaded voice on); `seconds_late`: all pauses in the middle together, because audio
        was not ready when it was due; `play`: `played`, `message` (one line) and `reasons` why something plays not or
        not yet.

    Raises:
        CheckpointError: the voice can't be loaded, or speaks no numbers.
        WorkbenchError: the text or the speaker is not for this voice.
        PluginError: no player has that name.
        EnvironmentProblem: the WAV can't be written, or something else stands in its place.
    """
    report = progress or no_progress
    check_place(out_wav)
    host = Host.load(load_workspace(Path(workspace)) if workspace else None)
    chosen, reasons = _choose(host, player) if player is not None else (None, [])
    with telling(source):
        voice = find_source(source, run_folder=run_folder, workspace=workspace)
        speech = prepare(voice, text, speaker=speaker, length_scale=length_scale)
        report(0, len(speech.sentences) + 1, "loading the voice")
        making = _Making(load_voice(voice), speech, seed, report)
        message = ""
        if chosen is not None:
            try:
                message = chosen.play_live(making.blocks(), voice.sample_rate)
            except OSError as error:
                reasons.append(" ".join(str(error).split()))
        making.finish()
    save(out_wav, np.concatenate(making.pieces), voice.sample_rate)
    report(len(speech.sentences) + 1, len(speech.sentences) + 1, "done")
    return {
        "wav": out_wav,
        "seconds": sum(piece.size for piece in making.pieces) / voice.sample_rate,
        **speech.as_json(),
        **making.times(voice.sample_rate),
        "play": {"message": message, "played": bool(message), "reasons": reasons},
    }


def _choose(host: Host, name: str) -> tuple[LivePlayer | None, list[str]]:
    """The player, if the one that would play here plays what is still being made; else why not.

    Raises:
        PluginError: no player has that name.
    """
    reasons: list[str] = []
    for entry in candidates(host, name):
        try:
            player: Player = host.create(entry)
            reason = player.available(os.environ)
        except PluginError as error:
            reason = " ".join(str(error).split())
        else:
            if not reason and isinstance(player, LivePlayer):
                return player, reasons
            if not reason:
                return None, [*reasons, f"{entry.spec.name}: plays complete files only"]
        reasons.append(f"{entry.spec.name}: {reason}")
    return None, reasons


class _Making:
    """A text that is being spoken on another thread."""

    def __init__(self, engine: Voice, speech: Speech, seed: int, report: Progress) -> None:
        self.pieces: list[NDArray[np.int16]] = []
        """16-bit samples, as far as they were taken."""
        self._ready: list[float] = []
        """When each piece was ready, seconds after the beginning."""
        self._queue: SimpleQueue[NDArray[np.int16] | BaseException | None] = SimpleQueue()
        self._begin = time.perf_counter()
        self._spoken = False
        arguments = (engine, speech, seed, report)
        threading.Thread(target=self._make, args=arguments, daemon=True, name="speaking").start()

    def _make(self, engine: Voice, speech: Speech, seed: int, report: Progress) -> None:
        try:
            for index, ids in enumerate(speech.sentences):
                report(index + 1, len(speech.sentences) + 1, "speaking")
                for piece in engine.stream(ids, speech.scales, speech.speaker, seed + index):
                    samples = to_int16(finite(piece), normalize=not engine.in_chunks)
                    self._ready.append(time.perf_counter() - self._begin)
                    self._queue.put(samples)
            self._queue.put(None)
        except BaseException as error:  # noqa: BLE001 - told on the thread that waits for the samples
            self._queue.put(error)

    def blocks(self) -> Iterator[bytes]:
        """The samples, as soon as they are made.

        Raises:
            what the voice raised.
        """
        while not self._spoken:
            piece = self._queue.get()
            if isinstance(piece, BaseException):
                raise piece
            if piece is None:
                self._spoken = True
            else:
                self.pieces.append(piece)
                yield piece.astype("<i2").tobytes()

    def finish(self) -> None:
        """Take what a player did not take, or all if there is none."""
        for _ in self.blocks():
            pass

    def times(self, sample_rate: int) -> dict[str, float]:
        """When it was to be heard first and last, and how late what came between."""
        late, due = 0.0, self._ready[0]
        for piece, ready in zip(self.pieces, self._ready, strict=True):
            late += max(0.0, ready - due)
            due = max(due, ready) + piece.size / sample_rate
        return {
            "seconds_to_first_audio": self._ready[0],
            "seconds_to_speak": self._ready[-1],
            "seconds_late": late,
        }
