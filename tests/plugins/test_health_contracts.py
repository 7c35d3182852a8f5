"""Our rules against the contract that every rule keeps: what each finds, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

from workbench.api import Severity
from workbench.api.testing import HealthRuleContract, PluginContract, make_container, make_measures, make_utterance
from workbench_health.audio import AudioRule
from workbench_health.duplicates import DuplicateRule
from workbench_health.lengths import LengthRule
from workbench_health.phonemes import PhonemeRule
from workbench_health.recordings import RecordingRule
from workbench_health.signals import SignalRule
from workbench_health.texts import TextRule
from workbench_health.whole import DatasetRule


class TestPlugin(PluginContract):
    module = "workbench_health"


class TestRecordings(HealthRuleContract):
    name = "recording"
    make = staticmethod(RecordingRule)
    faults = (
        (make_utterance(path=None), Severity.DROPS),
        (make_utterance(path=None, file="../../secret.wav"), Severity.DROPS),
    )


class TestAudio(HealthRuleContract):
    name = "audio"
    make = staticmethod(AudioRule)
    faults = (
        (make_utterance(audio_error="can't be decoded: it is an empty file."), Severity.DROPS),
        (make_utterance(measures=make_measures(peak=0.0, rms_db=-200.0)), Severity.DROPS),
        (make_utterance(measures=make_measures(rms_db=-200.0), channels=2), Severity.DROPS),
        (make_utterance(measures=make_measures(channels_agree=-0.9), channels=2), Severity.WARNS),
        (make_utterance(measures=make_measures(peak=0.001)), Severity.WARNS),
        (make_utterance(measures=make_measures(peak=1.0, clipped=40)), Severity.WARNS),
        (make_utterance(container=make_container(encoding="PCM_U8", bytes=66_194)), Severity.WARNS),
        (make_utterance(container=make_container(kind="flac", encoding="PCM_16")), Severity.WARNS),
        (make_utterance(container=make_container(bytes=264_644)), Severity.WARNS),
    )
    clean = (
        make_utterance(measures=make_measures(), container=make_container()),
        make_utterance(measures=make_measures(peak=1.0, clipped=3)),
        make_utterance(measures=make_measures(channels_agree=0.2), channels=2),
        make_utterance(container=make_container(kind="mp3", encoding="MPEG_LAYER_III"), path=None),
        make_utterance(container=make_container(kind="unknown"), path=Path("001.sph")),
        make_utterance(measures=None),
    )


class TestTexts(HealthRuleContract):
    name = "text"
    make = staticmethod(TextRule)
    faults = (
        (make_utterance(text="  "), Severity.DROPS),
        (make_utterance(text="Сло\u200bво"), Severity.WARNS),
        (make_utterance(text="Та\ufffdк"), Severity.WARNS),
        (make_utterance(text="Й".replace("Й", "И\u0306") + "од"), Severity.WARNS),
        (make_utterance(text="Хоpошо."), Severity.WARNS),  # a Latin p
        (make_utterance(text="Це і є їжа."), Severity.WARNS),
        (make_utterance(text="Прив+ет, +аист."), Severity.WARNS),
        (make_utterance(text="В 1923 году."), Severity.INFO),
        (make_utterance(text="Добрый день"), Severity.INFO),
    )
    clean = tuple(
        make_utterance(text=text)
        for text in (
            "Добрый день.",
            "За\u0301мок и замо\u0301к.",
            "Он сказал Hello world.",
            "Плеер, C++ и план B!",
            "А Анна с Олей — у окна, к ним: «Да…»",
            "США и СССР.",
        )
    )


class TestPhonemes(HealthRuleContract):
    name = "phonemes"
    make = staticmethod(PhonemeRule)
    faults = (
        (make_utterance(phonemes=None, phoneme_error="the text has a NUL character."), Severity.DROPS),
        (make_utterance(phonemes=((),), phoneme_ids=()), Severity.DROPS),
        (make_utterance(phonemes=(("a", "☃"),)), Severity.WARNS),
        (make_utterance(phonemes=(("a", "?", "?", "a"),)), Severity.WARNS),
    )
    clean = (make_utterance(), make_utterance(phonemes=None), make_utterance(text=" ", phonemes=((),)))


class TestLengths(HealthRuleContract):
    name = "length"
    make = staticmethod(LengthRule)
    faults = (
        (make_utterance(seconds=0.5, phoneme_ids=tuple(range(60))), Severity.DROPS),
        (make_utterance(seconds=0.3), Severity.INFO),
    )
    clean = (make_utterance(), make_utterance(seconds=None), make_utterance(seconds=0.1, audio_error="is cut short."))


class TestWhole(HealthRuleContract):
    name = "dataset"
    make = staticmethod(DatasetRule)


class TestSignals(HealthRuleContract):
    name = "signal"
    make = staticmethod(SignalRule)
    faults = tuple(
        (make_utterance(measures=make_measures(**changes)), severity)
        for changes, severity in (
            ({"flat_tops": 40}, Severity.WARNS),
            ({"dc": -0.05}, Severity.WARNS),
            ({"noise_db": -35.0}, Severity.WARNS),
            ({"hum_db": 20.0, "hum_hz": 50}, Severity.WARNS),
            ({"leading_silence": 2.0}, Severity.INFO),
            ({"trailing_silence": 2.0}, Severity.INFO),
            ({"leading_silence": 0.0, "starts_loud_db": 42.0}, Severity.WARNS),
            ({"trailing_silence": 0.005, "ends_loud_db": 42.0}, Severity.WARNS),
            ({"clicks": 3}, Severity.WARNS),
            ({"longest_gap": 0.06}, Severity.WARNS),
            ({"echo": 0.4}, Severity.WARNS),
        )
    )
    clean = (
        make_utterance(measures=make_measures()),
        make_utterance(measures=None),
        make_utterance(measures=make_measures(leading_silence=0.0, starts_loud_db=5.0)),  # tight, not cut
        make_utterance(measures=make_measures(hum_db=11.0, hum_hz=50)),
        # A word of a second without a pause: its quietest tenth is speech, and its ends are quiet.
        make_utterance(measures=make_measures(seconds=1.2, noise_db=-22.0, starts_loud_db=-38.0, ends_loud_db=-30.0)),
        make_utterance(measures=make_measures(dc=0.03, clipped=400, peak=1.0)),  # told as clipped
        make_utterance(measures=make_measures(speech_db=-200.0, noise_db=-200.0, dc=0.1)),  # told as silent
    )


class TestDuplicates(HealthRuleContract):
    name = "duplicate"
    make = staticmethod(DuplicateRule)
    clean = (make_utterance(measures=make_measures()), make_utterance(path=None, measures=None))
