"""Our voices in piper-tts as it is on PyPI."""

from __future__ import annotations

import base64
import json
import subprocess
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core_vits.infer import Scales, load_generator, synthesize, to_int16
from core_vits.phonemes import phonemes_to_ids

pytestmark = pytest.mark.peer

TEXT = "Добрый день. Как дела?"

SPEAK = """
import base64, json, sys
from piper import PiperVoice, SynthesisConfig
voice = PiperVoice.load(sys.argv[1])
speaker = int(sys.argv[3]) if sys.argv[3] != "None" else None
config = SynthesisConfig(speaker_id=speaker, noise_scale=0.0, noise_w_scale=0.0, length_scale=float(sys.argv[4]))
phonemes = voice.phonemize(sys.argv[2])
chunks = list(voice.synthesize(sys.argv[2], config))
print(json.dumps({
    "phonemes": phonemes,
    "ids": [voice.phonemes_to_ids(sentence) for sentence in phonemes],
    "rates": [chunk.sample_rate for chunk in chunks],
    "audio": [base64.b64encode(chunk.audio_int16_bytes).decode() for chunk in chunks],
}))
"""


def spoken(answer: dict[str, Any]) -> list[Any]:
    """16-bit samples of each sentence."""
    return [np.frombuffer(base64.b64decode(chunk), dtype="<i2") for chunk in answer["audio"]]


def test_the_command_speaks_our_voice(peer_python: Path, voice: Any, tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    subprocess.run(
        [str(peer_python), "-P", "-m", "piper", "-m", str(voice.onnx), "-f", str(wav), "--", TEXT],
        check=True,
        capture_output=True,
        timeout=55,
    )
    with wave.open(str(wav), "rb") as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (22_050, 1, 2)
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    assert samples.size > 5_000
    assert samples.std() > 300
    # Not one tone and not one level: every tenth of a second sounds, and no two are alike.
    blocks = [samples[start : start + 2205] for start in range(0, samples.size - 2205, 2205)]
    assert min(block.std() for block in blocks) > 30
    assert len({block.tobytes() for block in blocks}) == len(blocks)


@pytest.mark.parametrize("length_scale", [1.0, 1.4])
def test_the_peer_speaks_what_the_checkpoint_speaks(ask_peer: Any, voice: Any, length_scale: float) -> None:
    answer = ask_peer(SPEAK, voice.onnx, TEXT, None, length_scale)
    generator = load_generator(voice.checkpoint, fold=False)
    scales = Scales(noise_scale=0.0, noise_w=0.0, length_scale=length_scale)
    assert answer["rates"] == [22_050, 22_050]
    for ids, samples in zip(answer["ids"], spoken(answer), strict=True):
        wanted = to_int16(synthesize(generator, ids, scales=scales, seed=0))
        assert samples.size == wanted.size
        assert np.abs(samples.astype(int) - wanted).max() <= 2


def test_the_peer_numbers_phonemes_as_we_do(ask_peer: Any, voice: Any) -> None:
    answer = ask_peer(SPEAK, voice.onnx, TEXT, None, 1.0)
    id_map = json.loads(voice.json.read_text(encoding="utf-8"))["phoneme_id_map"]
    for phonemes, ids in zip(answer["phonemes"], answer["ids"], strict=True):
        assert phonemes_to_ids([phonemes], id_map) == (ids, {})


def test_each_speaker_of_our_voice_speaks_in_the_peer(ask_peer: Any, voice_of_two: Any) -> None:
    generator = load_generator(voice_of_two.checkpoint)
    scales = Scales(noise_scale=0.0, noise_w=0.0)
    heard = []
    for speaker in (0, 1):
        answer = ask_peer(SPEAK, voice_of_two.onnx, "Да.", speaker, 1.0)
        (samples,), (ids,) = spoken(answer), answer["ids"]
        wanted = to_int16(synthesize(generator, ids, scales=scales, speaker=speaker, seed=0))
        assert np.abs(samples.astype(int) - wanted).max() <= 2
        heard.append(samples.tobytes())
    assert heard[0] != heard[1]


def test_the_peer_speaks_our_half_size_voice_as_it_speaks_the_whole_one(ask_peer: Any, voice: Any) -> None:
    whole, half = (spoken(ask_peer(SPEAK, path, TEXT, None, 1.0)) for path in (voice.onnx, voice.half))
    assert voice.half.stat().st_size < 0.8 * voice.onnx.stat().st_size
    for one, other in zip(whole, half, strict=True):
        assert one.size == other.size
        error = np.square(one.astype(float) - other).sum()
        assert 10 * np.log10(np.square(one.astype(float)).sum() / error) > 40
