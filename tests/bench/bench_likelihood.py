"""Does a trained voice rank clips with a wrong text first? A short real training on data with swapped texts.

    python tests/bench/bench_likelihood.py                  # the demo's recordings: about ten minutes
    python tests/bench/bench_likelihood.py --data tones     # a made-up language: some minutes

Quality tiny, trained by mel, KL and duration loss. The discriminators stay out: they have no say in the alignment, and
are most of a step's time. The wrong texts are in the training, as they are in a user's. The language of tones has a
sound of two sines for each phoneme, so nothing but the reading has to be learned.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import soundfile
import tomli_w
import torch

from core_vits.cache import CacheReader
from core_vits.config import PRESETS, ModelConfig
from core_vits.dataset import Batch, ClipDataset, Collate
from core_vits.likelihood import path_likelihood
from core_vits.losses import duration_loss, kl_loss, mel_loss, target_segments
from core_vits.spectrogram import mel_spectrogram
from core_vits.synthesizer import Synthesizer
from workbench.jobs.rundir import read_json
from workbench.mismatch.likelihoods import scale_of
from workbench.train import prepare
from workbench.workers.targets.alignment_scores import batches

DEMO = Path(__file__).resolve().parents[2] / "workbench" / "demo"
SEED = 1
PAIRS = 4


def tones(folder: Path, rate: int, clips: int = 60) -> list[list[str]]:
    """Rows of a made-up language, and their recordings: each of its phonemes sounds for 80 to 160 ms."""
    chance = np.random.default_rng(SEED)
    phonemes = list("aeioumnszk")
    pitches = {one: 150.0 * 1.32**number * np.array([1.0, 2.7]) for number, one in enumerate(phonemes)}
    rows = []
    (folder / "wavs").mkdir()
    for number in range(clips):
        text = "".join(chance.choice(phonemes, chance.integers(12, 20)))
        parts = []
        for phoneme in text:
            times = np.arange(int(rate * chance.uniform(0.08, 0.16))) / rate
            parts.append(np.sin(2 * np.pi * np.outer(pitches[phoneme], times)).sum(0) * np.hanning(len(times)) ** 0.3)
        sound = 0.2 * np.concatenate(parts)
        soundfile.write(folder / "wavs" / f"{number}.wav", sound + chance.normal(0, 0.005, len(sound)), rate)
        rows.append([f"{number}.wav", text])
    return rows


def demo() -> list[list[str]]:
    """Rows of the bundled demo voice."""
    return [line.split("|") for line in (DEMO / "metadata.csv").read_text("utf-8").splitlines()]


def prepared(folder: Path, config: ModelConfig, data: str) -> tuple[ClipDataset, list[int], set[int]]:
    """Clips with some texts exchanged: the clips, the line of each, and the lines that are wrong."""
    rows = demo() if data == "demo" else tones(folder, config.audio.sample_rate)
    chosen = random.Random(SEED).sample(range(len(rows)), 2 * PAIRS)
    for one, other in zip(chosen[::2], chosen[1::2], strict=True):
        rows[one][-1], rows[other][-1] = rows[other][-1], rows[one][-1]
    (folder / "metadata.csv").write_text("".join("|".join(row) + "\n" for row in rows), "utf-8")
    settings = {
        "voice": {"name": "probe", "language": "ru", "quality": "tiny"},
        "dataset": {"audio": str(DEMO / "wavs") if data == "demo" else "wavs"},
        "text": {"phonemizer": "auto" if data == "demo" else "text"},
        "audio": {"sample_rate": config.audio.sample_rate, "trim_silence": data == "demo"},
        "workspace": {"root": str(folder), "file": str(folder / "workbench.toml")},
    }
    run = folder / "runs" / "1"
    run.mkdir(parents=True)
    (run / "run.toml").write_text(tomli_w.dumps(settings), "utf-8")
    (run / "run.json").write_text("{}", "utf-8")
    with contextlib.redirect_stdout(io.StringIO()):
        prepare.prepare(run)
    found = read_json(run / "prepare.json")
    clips = ClipDataset(CacheReader(Path(found["cache"])), [clip["key"] for clip in found["trained"]], config.audio)
    return clips, [clip["line"] for clip in found["trained"]], {row + 1 for row in chosen}


def batch_of(clips: ClipDataset, places: Sequence[int]) -> Batch:
    """Some of the clips as a model sees them."""
    loaded = Collate(audio_config=clips.audio_config)([clips[place] for place in places])
    return loaded.on(torch.device("cpu"))


def training(generator: Synthesizer, clips: ClipDataset, batch_size: int) -> Iterator[float]:
    """Train; the KL loss of each step."""
    config = generator.config
    optimizer = torch.optim.AdamW(generator.parameters(), 1e-3, betas=(0.8, 0.99), weight_decay=0.01)
    order = random.Random(SEED)
    while True:
        places = order.sample(range(len(clips)), len(clips))
        for begin in range(0, len(places) - batch_size + 1, batch_size):
            batch = batch_of(clips, places[begin : begin + batch_size])
            generator.train()
            output = generator(
                batch.phoneme_ids_BT, batch.phoneme_lengths_B, batch.spectrogram_BCF, batch.spectrogram_lengths_B
            )
            target = target_segments(output, batch.audio_B1S, batch.spectrogram_BCF, config)
            mel = mel_loss(target.mel_BML, mel_spectrogram(output.audio_B1S.squeeze(1), config.audio))
            kl = kl_loss(output)
            optimizer.zero_grad()
            (45 * mel + kl + duration_loss(output)).backward()
            torch.nn.utils.clip_grad_norm_(generator.parameters(), 100.0)
            optimizer.step()
            yield float(kl.detach())


def gains(generator: Synthesizer, clips: ClipDataset) -> np.ndarray:
    """How much likelier each clip is under its own text."""
    generator.eval()
    result = np.full(len(clips), np.nan)
    for indices in batches(clips.lengths):
        # The batch is in an order of its own; a clip's key says which it is.
        place = {clips[index].key: index for index in indices}
        found = path_likelihood(generator, together := batch_of(clips, indices))
        for key, gain in zip(together.keys, (found.own_B - found.others_B).tolist(), strict=True):
            result[place[key]] = gain
    return result


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=("tones", "demo"), default="demo")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--every", type=int, default=250)
    parser.add_argument("--batch-size", type=int, default=8)
    options = parser.parse_args()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    config = PRESETS["tiny"]
    generator = Synthesizer(config)
    with tempfile.TemporaryDirectory() as folder:
        clips, lines, wrong = prepared(Path(folder), config, options.data)
        is_wrong = np.array([line in wrong for line in lines])
        print(f"{len(lines)} clips, {int(is_wrong.sum())} with another clip's text; batches of {options.batch_size}")
        print("step    kl      AUC    wrong among the first   median gain / spread   told   wrong   steps a second")
        begun = time.monotonic()
        for step, kl in enumerate(training(generator, clips, options.batch_size), start=1):
            if step % options.every == 0:
                found = gains(generator, clips)
                scale = scale_of(found)
                first = is_wrong[np.argsort(found)[: is_wrong.sum()]].sum()
                area = float(np.greater.outer(found[~is_wrong], found[is_wrong]).mean())
                told = (found < scale.limit) & (not scale.unusable)
                print(
                    f"{step:<7} {kl:<7.3f} {area:.4f} {first}/{is_wrong.sum():<20} {scale.median:.4f} / "
                    f"{scale.spread:<14.4f} {told.sum():<6} {(told & is_wrong).sum():<7} "
                    f"{step / (time.monotonic() - begun):.2f}",
                    flush=True,
                )
            if step == options.steps:
                break


if __name__ == "__main__":
    main()
