"""Defects of sound, planted into recordings of speech."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import soundfile
from planted.dataset import Line, Plant, Planted, Samples

Change = Callable[[Samples, int, np.random.Generator], Samples]


def _sound(name: str, *kinds: str) -> Callable[[Change], Plant]:
    """Changes the samples of one recording."""

    def decorate(change: Change) -> Plant:
        def do(planted: Planted) -> Line:
            line = planted.take()
            planted.change(line, change)
            return line

        return Plant(name, frozenset(kinds), do)

    return decorate


def _speech_level(samples: Samples) -> float:
    """Level of the louder half of 10-ms windows, full scale = 1."""
    frames = samples[: len(samples) // 160 * 160].reshape(-1, 160)
    power = np.sort((frames**2).mean(axis=1))
    return float(np.sqrt(power[len(power) // 2 :].mean()))


def _loud_places(samples: Samples, rate: int, low: float, high: float) -> np.ndarray:
    """Places of 10-ms windows of loud speech in a part of a recording."""
    hop = rate // 100
    frames = samples[: len(samples) // hop * hop].reshape(-1, hop)
    level = np.sqrt((frames**2).mean(axis=1))
    places = np.flatnonzero(level > _speech_level(samples))
    part = places[(places > low * len(level)) & (places < high * len(level))]
    return (part if len(part) else places) * hop


@_sound("digital silence", "audio.silent")
def silence(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return np.zeros_like(samples)


@_sound("50 dB too quiet", "audio.quiet")
def quiet(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return samples / np.abs(samples).max() * 10 ** (-50 / 20)


@_sound("clipped", "audio.clipped")
def clipped(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return np.clip(samples / np.abs(samples).max() * 4, -1, 1)


@_sound("clipped, scaled down", "signal.flat-tops")
def flat_tops(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return 0.6 * np.clip(samples / np.abs(samples).max() * 4, -1, 1)


@_sound("offset of 5 %", "signal.offset")
def offset(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return 0.9 * samples + 0.05


@_sound("noise 12 dB below the speech", "signal.noise")
def noise(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return 0.7 * (samples + chance.normal(0, _speech_level(samples) * 10 ** (-12 / 20), len(samples)))


@_sound("15 dB quieter", "signal.level")
def level(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return samples * 10 ** (-15 / 20)


@_sound("hum 25 dB below the speech", "signal.hum")
def hum(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    time, strength = np.arange(len(samples)) / rate, _speech_level(samples) * 10 ** (-25 / 20)
    waves = (np.sin(2 * np.pi * 50 * part * time + part) / part for part in (1, 2, 3))
    return 0.9 * samples + strength * np.sum(list(waves), axis=0)


@_sound("nothing above 3.4 kHz", "signal.dull")
def dull(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    spectrum = np.fft.rfft(samples)
    spectrum[np.fft.rfftfreq(len(samples), 1 / rate) > 3400] = 0
    return 0.95 * np.fft.irfft(spectrum, len(samples))


@_sound("2.5 s of silence before", "signal.leading-silence")
def leading(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return np.concatenate([chance.normal(0, 1e-4, int(2.5 * rate)), samples])


@_sound("2.5 s of silence after", "signal.trailing-silence")
def trailing(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return np.concatenate([samples, chance.normal(0, 1e-4, int(2.5 * rate))])


@_sound("begin cut off in a vowel", "signal.cut-start")
def cut_start(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return samples[int(chance.choice(_loud_places(samples, rate, 0.05, 0.25))) :]


@_sound("end cut off in a vowel", "signal.cut-end")
def cut_end(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    return samples[: int(chance.choice(_loud_places(samples, rate, 0.75, 0.95))) + rate // 100]


@_sound("five clicks", "signal.clicks")
def clicks(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    clicked = 0.7 * samples
    clicked[chance.integers(rate // 10, len(samples) - rate // 10, 5)] += 0.3 * chance.choice([-1, 1], 5)
    return clicked


@_sound("60 ms lost", "signal.dropout")
def dropout(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    lost, at = samples.copy(), int(chance.choice(_loud_places(samples, rate, 0.2, 0.7)))
    lost[at : at + int(0.06 * rate)] = 0
    return lost


@_sound("echo of 50 % after 150 ms", "signal.echo")
def echo(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    later = int(0.15 * rate)
    return 0.6 * (samples + 0.5 * np.concatenate([np.zeros(later), samples[:-later]]))


@_sound("40 % faster", "signal.pitch", "length.pace")
def faster(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    import soxr

    return soxr.resample(samples, 14, 10)


@_sound("another speaker", "signal.pitch")
def another_speaker(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    """Higher by eight semitones, at the same pace: overlapping windows are stretched, then resampled."""
    import soxr

    factor = 2 ** (8 / 12)
    window, hop = int(0.04 * rate), int(0.01 * rate)
    shape, stretched = np.hanning(window), np.zeros(int(len(samples) * factor) + 2 * window)
    weight = np.full(len(stretched), 1e-3)
    place = 0
    for target in range(0, len(stretched) - window, hop):
        ideal = int(target / factor)
        if ideal + window + hop > len(samples):
            break
        # Of places near by, the one that goes on best from the window before.
        wanted = samples[place + hop : place + hop + window] if target else samples[:window]
        nearby = range(max(0, ideal - hop), min(len(samples) - window, ideal + hop), 8)
        place = max(nearby, key=lambda at: float(np.dot(samples[at : at + len(wanted)], wanted)))
        stretched[target : target + window] += shape * samples[place : place + window]
        weight[target : target + window] += shape
    return soxr.resample((stretched / weight)[: int(len(samples) * factor)], factor, 1.0)


@_sound("0.2 s long", "length.segment", "length.text")
def short(samples: Samples, rate: int, chance: np.random.Generator) -> Samples:
    at = len(samples) // 3
    return samples[at : at + rate // 5]


def _same_sound(planted: Planted) -> Line:
    first, second = sorted((planted.take(), planted.take()), key=planted.number)
    planted.put(second, planted.path(first).read_bytes())
    return second


def _nearly_same_sound(planted: Planted) -> Line:
    first, second = sorted((planted.take(), planted.take()), key=planted.number)
    samples = planted.samples(first)
    strength = _speech_level(samples) * 10 ** (-45 / 20)
    planted.write(
        second,
        0.8 * samples[planted.source.rate // 20 :]
        + planted.chance.normal(0, strength, len(samples) - planted.source.rate // 20),
    )
    return second


def _long(planted: Planted) -> Line:
    """Four times as long as any other, of clips that follow each other in the source."""
    line = planted.take()
    begin, rate = planted.lines.index(line), planted.source.rate
    longest = max(len(planted.samples(other)) for other in planted.free[:40])
    clips, texts = [planted.samples(line)], [line.text]
    while sum(map(len, clips)) < 4 * max(longest, 8 * rate):
        file, text = planted.source.rows[(begin + len(clips)) % len(planted.source.rows)]
        clips.append(soundfile.read(planted.source.audio / file)[0])
        texts.append(text)
    planted.write(line, np.concatenate(clips))
    line.text = " ".join(texts)
    return line


SOUNDS = (
    silence, quiet, clipped, flat_tops, offset, noise, level, hum, dull, leading, trailing, cut_start, cut_end, clicks,
    dropout, echo, faster, another_speaker, short,
    Plant("same sound", frozenset({"duplicate.audio"}), _same_sound),
    Plant("nearly the same sound", frozenset({"duplicate.near"}), _nearly_same_sound),
    Plant("several clips in one", frozenset({"length.long"}), _long),
)  # fmt: skip
"""Each of them is found on its line."""
