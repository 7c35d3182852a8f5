#!/usr/bin/env python3
"""Rebuild the bundled demo voice (`workbench/demo`) from an installed Debian package `festvox-ru`.

    apt-get install festvox-ru
    python tests/demo/build_demo.py --out workbench/demo

Each clip is one unbroken stretch of the package's recording: silence is cut from both ends and nothing else is touched,
so every sample is the one that was recorded. The same package gives the same samples, texts and ORIGIN.md; the bytes of
a FLAC file also depend on the version of libFLAC, which signs its name.

Letters: S samples, K frames of 10 ms.
"""

from __future__ import annotations

import argparse
import re
import sys
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

PACKAGE = Path("/usr/share/festival/voices/russian/msu_ru_nsh_clunits")
PROSE = Path(__file__).with_name("origin.md")
SAMPLE_RATE = 16_000
"""Hz, as recorded. Resampling would only claim a bandwidth that is not there."""
PAD_SECONDS = 0.15
FRAME = SAMPLE_RATE // 100

# Below the loud parts of the clip: speech is louder than the first number, and a stretch that never comes within the
# second is a breath or a click before the sentence.
SPEECH_BELOW_LOUD_DB = 36.0
VOICE_BELOW_LOUD_DB = 20.0
LONGEST_STOP_FRAMES = 15
"""Frames (10 ms) of quiet that still belong to one stretch: the closure of a stop consonant."""

# Prompts 1-248 are "Aelita"; number 249 begins another book, by an author who died in 1953.
LAST_AELITA_PROMPT = 248
# fmt: off
PROMPTS = (
    6, 18, 22, 25, 37, 38, 39, 40, 41, 43, 44, 45, 46, 49, 50, 51, 54, 56, 58, 60, 62, 63, 70,
    74, 79, 81, 95, 99, 109, 120, 131, 141, 143, 149, 150, 151, 154, 184, 201, 208, 214, 217,
    231, 232, 239, 240, 241, 246,
)
# fmt: on

# The first prompt of each scene, in the order of the book.
SCENES = (
    (1, "Petersburg: the notice on the wall"),
    (12, "Los's workshop: Skyles is shown the machine"),
    (39, "the companion: Skyles declines, Gusev asks to come along"),
    (54, "the sleepless night: Los thinks of Katya"),
    (61, "the same night: Gusev and Masha"),
    (65, "the departure"),
    (73, "the flight and the descent"),
    (81, "the first hours on Mars"),
    (89, "the abandoned house"),
    (110, "night: Los looks at the Earth"),
    (118, "the Martians arrive; the airship"),
    (137, "the way to Soatsera; the azure grove"),
    (148, "Aelita: the globe and the stairs"),
    (153, "Aelita's first tale"),
    (169, "the days at the estate"),
    (178, "Aelita's second tale"),
    (199, "the city; Tuskub before the Council"),
    (212, "Los and Aelita; Gusev leaves"),
    (218, "the uprising"),
    (235, "the labyrinth"),
    (243, "the end of the journey and the return"),
)


class DemoError(Exception):
    """The package is absent or is not the one the demo was made from."""


@dataclass(frozen=True, kw_only=True)
class Clip:
    """One clip of the demo voice."""

    name: str
    """File name, as in metadata.csv."""
    prompt: str
    """Identifier in the package, `ru_0006`."""
    text: str
    samples_S: npt.NDArray[np.int16]
    begin: int
    """First sample of the clip within the package's recording."""


def read_prompts(package: Path) -> dict[str, str]:
    """Read the package's prompts: identifier to text in NFC, without the `+` that marks stress."""
    path = package / "etc" / "txt.done.data"
    if not path.is_file():
        raise DemoError(f"{path}: not found. Install the Debian package festvox-ru.")
    prompts = {}
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        match = re.fullmatch(r'\(\s*(\S+)\s+"(.*)"\s*\)', line)
        if match is None:
            raise DemoError(f'{path}:{number}: not of the form ( id "text" ).')
        prompts[match[1]] = unicodedata.normalize("NFC", match[2].replace("+", "")).strip()
    return prompts


def find_speech(samples_S: npt.NDArray[np.int16]) -> tuple[int, int]:
    """Return the first sample of a 16 kHz clip to keep and the one after the last, `PAD_SECONDS` of quiet included."""
    count = len(samples_S) // FRAME
    frames_KS = samples_S[: count * FRAME].astype(np.int64).reshape(count, FRAME)
    level_K = 10 * np.log10((frames_KS**2).mean(1) + 1)
    loud = float(np.percentile(level_K, 95))
    stretches: list[tuple[int, int]] = []
    for frame in np.flatnonzero(level_K > loud - SPEECH_BELOW_LOUD_DB).tolist():
        if stretches and frame - stretches[-1][1] <= LONGEST_STOP_FRAMES:
            stretches[-1] = (stretches[-1][0], frame)
        else:
            stretches.append((frame, frame))
    voiced = [(a, b) for a, b in stretches if level_K[a : b + 1].max() > loud - VOICE_BELOW_LOUD_DB]
    if not voiced:
        raise DemoError("no speech in the recording.")
    pad = round(PAD_SECONDS * SAMPLE_RATE)
    return max(0, voiced[0][0] * FRAME - pad), min(len(samples_S), (voiced[-1][1] + 1) * FRAME + pad)


def read_clips(package: Path) -> Iterator[Clip]:
    """Cut the clips of the demo from the package, in the order of the book."""
    prompts = read_prompts(package)
    for index, number in enumerate(PROMPTS, 1):
        prompt = f"ru_{number:04d}"
        path = package / "wav" / f"{prompt}.wav"
        if number > LAST_AELITA_PROMPT:
            raise DemoError(f"{prompt}: not from Aelita; the last such prompt is {LAST_AELITA_PROMPT}.")
        if prompt not in prompts or not path.is_file():
            raise DemoError(f"{path}: the prompt or the recording is missing. Install festvox-ru 0.5.")
        samples_S, rate = soundfile.read(path, dtype="int16")
        if rate != SAMPLE_RATE or samples_S.ndim != 1:
            raise DemoError(f"{path}: {rate} Hz, shape {samples_S.shape}; mono {SAMPLE_RATE} Hz wanted.")
        begin, end = find_speech(samples_S)
        yield Clip(
            name=f"aelita_{index:04d}.flac",
            prompt=prompt,
            text=prompts[prompt],
            samples_S=samples_S[begin:end],
            begin=begin,
        )


def describe(clips: list[Clip]) -> str:
    """Return ORIGIN.md: the prose beside this script, then one table row a clip."""
    rows = []
    for clip in clips:
        number = int(clip.prompt.removeprefix("ru_"))
        scene = next(name for first, name in reversed(SCENES) if first <= number)
        begin = clip.begin / SAMPLE_RATE
        end = (clip.begin + len(clip.samples_S)) / SAMPLE_RATE
        rows.append(f"| {clip.name} | {clip.prompt} | {begin:.3f} | {end:.3f} | {scene} |\n")
    head = "| clip | prompt of the source | from, s | to, s | scene of the book |\n|---|---|---|---|---|\n"
    return PROSE.read_text("utf-8") + "\n" + head + "".join(rows)


def build(package: Path, out: Path) -> list[Clip]:
    """Write `wavs/`, `metadata.csv` and `ORIGIN.md` under `out` and return the clips.

    Raises:
        DemoError: if the package is absent or differs, or `out/wavs` holds a clip that this script does not make.
    """
    clips = list(read_clips(package))
    (out / "wavs").mkdir(parents=True, exist_ok=True)
    strange = {path.name for path in (out / "wavs").iterdir()} - {clip.name for clip in clips}
    if strange:
        raise DemoError(f"{out / 'wavs'}: holds {min(strange)}, which is not of the demo. Remove it.")
    for clip in clips:
        soundfile.write(
            out / "wavs" / clip.name,
            clip.samples_S,
            SAMPLE_RATE,
            format="FLAC",
            subtype="PCM_16",
            compression_level=1.0,
        )
    rows = "".join(f"{clip.name}|{clip.text}\n" for clip in clips)
    (out / "metadata.csv").write_text(rows, "utf-8", newline="\n")
    (out / "ORIGIN.md").write_text(describe(clips), "utf-8", newline="\n")
    return clips


def main() -> int:
    """Run the command line; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, default=PACKAGE, help="the voice's folder")
    parser.add_argument("--out", type=Path, required=True, help="the folder to write")
    options = parser.parse_args()
    try:
        clips = build(options.package, options.out)
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    seconds = sum(len(clip.samples_S) for clip in clips) / SAMPLE_RATE
    size = sum((options.out / "wavs" / clip.name).stat().st_size for clip in clips)
    print(f"{len(clips)} clips, {seconds / 60:.2f} min, {size / 1e6:.2f} MB in {options.out}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
