"""All measures of a decoded recording."""

from __future__ import annotations

from workbench.api import AudioMeasures
from workbench.scan.levels import channels_agree, clicks, edges_above, levels, longest_gap, peak_and_clipping
from workbench.scan.sound import Sound, digest

MEASURE_VERSION = 2
"""Goes up when a measure means something else: what was measured before is measured again."""


def measure(sound: Sound) -> AudioMeasures:
    """Measure a recording of at least one sample."""
    # SciPy's FFT is a third of a second; a scan that finds everything measured does without.
    from workbench.scan.periods import echo, hum, pitch
    from workbench.scan.spectra import spectra

    found = levels(sound)
    peak, clipped, flat_tops = peak_and_clipping(sound)
    starts, ends = edges_above(sound, found.noise_db)
    spectrum = spectra(sound, found)
    f0, f0_spread = pitch(sound, found)
    hum_db, hum_hz = hum(sound, found)
    seconds, measured = sound.frames / sound.rate, len(sound.mono_S) / sound.rate
    window = sound.window / sound.rate
    speaks = found.after > 0
    return AudioMeasures(
        seconds=seconds,
        peak=round(peak, 6),
        rms_db=round(found.rms_db, 2),
        loudness=round(spectrum.loudness, 2),
        speech_db=round(found.speech_db, 2),
        noise_db=round(found.noise_db, 2),
        dc=round(float(sound.mono_S.mean()), 6),
        clipped=clipped,
        flat_tops=flat_tops,
        leading_silence=round(found.first * window if speaks else measured, 3),
        trailing_silence=round(max(0.0, measured - found.after * window) if speaks else measured, 3),
        starts_loud_db=round(starts, 2),
        ends_loud_db=round(ends, 2),
        longest_gap=round(longest_gap(sound, found.db_W), 4),
        bandwidth=round(spectrum.bandwidth, 1),
        hum_db=round(hum_db, 2),
        hum_hz=hum_hz,
        clicks=clicks(sound),
        echo=round(echo(sound), 3),
        f0=round(f0, 1),
        f0_spread=round(f0_spread, 2),
        channels_agree=round(channels_agree(sound.raw_SC), 4),
        not_finite=sound.not_finite,
        digest=digest(sound),
        sketch=spectrum.sketch,
    )
