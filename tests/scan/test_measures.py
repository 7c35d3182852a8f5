"""Each measure answers to what it is named for, and to nothing else."""

from __future__ import annotations

import dataclasses
import io
from itertools import combinations

import numpy as np
import pytest
import soundfile
import soxr
from scan_sounds import RATE, buzz, differing_bits, measured, speech

from workbench.api import AudioMeasures

CLEAN = measured(speech())


def test_clean_speech_has_no_fault() -> None:
    found = (CLEAN.clipped, CLEAN.flat_tops, CLEAN.longest_gap, CLEAN.hum_hz, CLEAN.clicks, CLEAN.not_finite)
    assert found == (0, 0, 0.0, 0, 0, 0)
    assert CLEAN.echo < 0.1
    assert CLEAN.channels_agree == 1.0
    assert abs(CLEAN.dc) < 0.01


def test_levels_follow_the_gain_and_nothing_else_does() -> None:
    quiet = measured(speech() / 10)
    for name in ("rms_db", "loudness", "speech_db", "noise_db"):
        assert getattr(CLEAN, name) - getattr(quiet, name) == pytest.approx(20, abs=0.1), name
    assert quiet.peak == pytest.approx(CLEAN.peak / 10, rel=1e-3)
    for name in ("leading_silence", "trailing_silence", "bandwidth", "f0", "sketch"):
        assert getattr(quiet, name) == getattr(CLEAN, name), name


def test_loudness_is_that_of_the_standards_reference() -> None:
    """EBU Tech 3341: a sine of 997 Hz at full scale in one channel has -3.01 LUFS."""
    for rate in (16_000, 22_050, 48_000):
        sine = np.sin(2 * np.pi * 997 * np.arange(4 * rate) / rate)
        assert measured(sine, rate).loudness == pytest.approx(-3.01, abs=0.1)
        assert measured(sine / 100, rate).loudness == pytest.approx(-43.01, abs=0.1)


def test_loudness_is_gated_as_pyloudnorm_does_it() -> None:
    pyloudnorm = pytest.importorskip("pyloudnorm")
    pauses = np.concatenate([speech(), np.zeros(3 * RATE, np.float32), speech(2) / 30, speech(3)])
    meter = pyloudnorm.Meter(RATE)
    for samples in (speech(), pauses):
        assert measured(samples).loudness == pytest.approx(meter.integrated_loudness(samples.astype(float)), abs=0.5)
    assert measured(np.zeros(RATE, np.float32)).loudness == float("-inf")


def test_silence_before_and_after_speech_is_measured_to_two_windows() -> None:
    padded = measured(np.pad(speech(), (RATE, RATE // 2)))
    assert padded.leading_silence == pytest.approx(CLEAN.leading_silence + 1.0, abs=0.025)
    assert padded.trailing_silence == pytest.approx(CLEAN.trailing_silence + 0.5, abs=0.025)
    silence = measured(np.zeros(RATE, np.float32))
    assert (silence.leading_silence, silence.trailing_silence, silence.speech_db) == (1.0, 1.0, -200.0)
    assert silence.sketch == ""


def test_clipping_is_counted_at_full_scale_and_scaled_down() -> None:
    clipped = np.clip(speech() * 8, -1, 1)
    at_full = int((np.abs(clipped) == 1).sum())
    assert 0.7 * at_full < measured(clipped).clipped <= at_full
    scaled = measured((clipped * 20_000).astype(np.int16))
    assert scaled.clipped == 0
    assert 0.7 * at_full < scaled.flat_tops <= at_full
    loud = speech() / np.abs(speech()).max()
    assert measured(loud).clipped < 3
    one_side = np.stack([clipped, speech()], 1)
    assert measured(one_side).clipped == measured(clipped).clipped


def test_speech_that_is_cut_off_begins_or_ends_loud() -> None:
    loudest = int(np.convolve(speech() ** 2, np.ones(400), "same").argmax())
    cut = measured(speech()[loudest:])
    assert cut.starts_loud_db > CLEAN.starts_loud_db + 20
    assert cut.ends_loud_db < 10
    assert measured(speech()[:loudest]).ends_loud_db > CLEAN.ends_loud_db + 20


def test_a_dropout_is_a_gap_and_digital_silence_at_the_ends_is_none() -> None:
    holed = speech().copy()
    holed[30_000:31_600] = 0
    assert measured(holed).longest_gap == pytest.approx(0.1, abs=0.001)
    assert measured(np.pad(speech(), RATE)).longest_gap == 0


@pytest.mark.parametrize("rate", [8_000, 16_000, 32_000])
def test_bandwidth_tells_a_recording_that_was_resampled_upwards(rate: int) -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, 2 * 44_100).astype(np.float32)
    narrow = soxr.resample(soxr.resample(noise, 44_100, rate), rate, 44_100)
    assert 0.85 * rate / 2 < measured(narrow, 44_100).bandwidth < 1.05 * rate / 2
    assert measured(noise, 44_100).bandwidth > 21_000
    assert measured(noise[:500], 44_100).bandwidth == 0


@pytest.mark.parametrize("hertz", [50, 60])
def test_hum_is_found_in_the_pauses_and_told_by_its_frequency(hertz: int) -> None:
    time = np.arange(len(speech())) / RATE
    hum = sum(np.sin(2 * np.pi * hertz * number * time + number) / number for number in (1, 2, 3))
    found = measured(speech() + 0.002 * hum)
    assert found.hum_hz == hertz
    assert found.hum_db > 15
    assert measured(speech()[RATE : 2 * RATE] + 0.002 * hum[:RATE]).hum_hz == 0  # no pause to hear it in


def test_clicks_are_counted_once_each() -> None:
    clicked = speech().copy()
    clicked[[1_000, 20_011, 45_000, 60_000]] += 0.5
    assert measured(clicked).clicks == 4
    assert measured(np.random.default_rng(1).normal(0, 0.2, RATE)).clicks == 0


@pytest.mark.parametrize(("level", "seconds"), [(0.3, 0.12), (0.5, 0.3), (0.4, 0.06)])
def test_an_echo_is_found_wherever_it_is(level: float, seconds: float) -> None:
    late = int(seconds * RATE)
    echoed = speech() + level * np.pad(speech(), (late, 0))[: len(speech())]
    assert measured(echoed).echo > CLEAN.echo + 0.05
    assert measured(echoed).echo <= level + 0.1


@pytest.mark.parametrize("hertz", [85, 120, 180, 240, 330])
def test_the_fundamental_is_the_voices_at_any_rate(hertz: int) -> None:
    for rate in (8_000, 16_000, 22_050, 44_100):
        found = measured(buzz(hertz, rate=rate), rate)
        assert found.f0 == pytest.approx(hertz, rel=0.04)
        assert found.f0_spread < 1
    assert measured(np.random.default_rng(1).normal(0, 0.1, RATE)).f0 == 0


def test_channels_that_cancel_each_other_do_not_agree() -> None:
    noise = np.random.default_rng(1).normal(0, 0.1, len(speech()))
    assert measured(np.stack([speech(), -speech()], 1)).channels_agree == pytest.approx(-1)
    assert measured(np.stack([speech(), speech() / 2], 1)).channels_agree == pytest.approx(1)
    assert abs(measured(np.stack([speech(), noise], 1)).channels_agree) < 0.05
    assert measured(np.stack([speech(), 0 * speech()], 1)).channels_agree == 0


def test_what_is_no_number_is_counted_and_spoils_nothing_else() -> None:
    broken = speech().copy()
    broken[[5, 6, 40_000]] = [np.nan, np.inf, -np.inf]
    found = measured(broken)
    assert found.not_finite == 3
    assert found.rms_db == pytest.approx(CLEAN.rms_db, abs=0.1)


def test_equal_samples_have_one_digest_in_any_file() -> None:
    pcm = np.rint(speech() * 32_768).astype(np.int16)
    digests = {
        measured(pcm).digest,
        measured(pcm / np.float32(32_768)).digest,
        measured(np.stack([pcm, pcm], 1)).digest,
    }
    assert len(digests) == 1
    other = pcm.copy()
    other[100] += 1
    assert measured(other).digest not in digests


def test_sketches_tell_the_same_recording_from_another_of_the_same_voice() -> None:
    def coded(file_format: str, subtype: str) -> np.ndarray:
        file = io.BytesIO()
        soundfile.write(file, speech(), RATE, format=file_format, subtype=subtype)
        file.seek(0)
        return soundfile.read(file, dtype="float32")[0]

    same = {
        "quieter": measured(speech() / 5),
        "vorbis": measured(coded("OGG", "VORBIS")),
        "telephone": measured(soxr.resample(speech(), RATE, 8_000), 8_000),
        "other rate": measured(soxr.resample(speech(), RATE, 22_050), 22_050),
        "more silence": measured(np.pad(speech(), (3_001, 777))),
        "noise": measured(speech() + np.random.default_rng(1).normal(0, 1e-3, len(speech()))),
    }
    for name, found in same.items():
        assert differing_bits(found.sketch, CLEAN.sketch) < 60, name
    others = [measured(speech(number)).sketch for number in range(2, 8)]
    assert min(differing_bits(one, other) for one, other in combinations([CLEAN.sketch, *others], 2)) > 75


@pytest.mark.parametrize("rate", [1, 100, 4_000, 400_000, 2_000_000_000])
@pytest.mark.parametrize("length", [1, 2, 9, 100, 5_000])
def test_any_rate_and_length_can_be_measured(rate: int, length: int) -> None:
    for samples in (
        speech()[20_000 : 20_000 + length],
        np.zeros(length, np.float32),
        np.full(length, 1e30, np.float32),
    ):
        found = measured(samples, rate)
        assert found.as_json() == dataclasses.asdict(found)
        assert found == AudioMeasures.from_json(found.as_json())
        assert all(value == value for value in found.as_json().values()), "NaN"
