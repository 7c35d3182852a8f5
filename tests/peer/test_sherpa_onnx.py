"""Our voices in sherpa-onnx: it ends the whole process when it does not like a file, so it always runs in a child."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytestmark = pytest.mark.peer

# sherpa-onnx 1.x wants eSpeak's data; piper-tts carries it.
SPEAK = """
import base64, json, sys
from pathlib import Path
import numpy, piper, sherpa_onnx
data = Path(piper.__file__).parent / "espeak-ng-data"
vits = sherpa_onnx.OfflineTtsVitsModelConfig(
    model=sys.argv[1], lexicon="", tokens=sys.argv[2], data_dir=str(data), noise_scale=0.0, noise_scale_w=0.0)
config = sherpa_onnx.OfflineTtsConfig(model=sherpa_onnx.OfflineTtsModelConfig(vits=vits, num_threads=1))
if not config.validate():
    raise SystemExit("the configuration is not valid")
tts = sherpa_onnx.OfflineTts(config)
audio = tts.generate(sys.argv[3], sid=int(sys.argv[4]), speed=1.0)
samples = numpy.array(audio.samples, dtype="<f4")
print(json.dumps({"rate": audio.sample_rate, "speakers": tts.num_speakers,
                  "audio": base64.b64encode(samples.tobytes()).decode()}))
"""


@pytest.fixture(scope="session")
def sherpa(peer_python: Path) -> Path:
    """The interpreter, if sherpa-onnx 1.x is there."""
    program = "import sherpa_onnx; print(sherpa_onnx.__version__)"
    done = subprocess.run([str(peer_python), "-P", "-c", program], capture_output=True, text=True, check=False)
    if not done.stdout.startswith("1."):
        found = done.stdout.strip() or "none"
        pytest.skip(f"needs sherpa-onnx 1.x in the peer's environment, found {found} (run `make peer`)")
    return peer_python


def test_sherpa_onnx_speaks_our_voice(sherpa: Path, ask_peer: Any, voice: Any) -> None:
    answer = ask_peer(SPEAK, voice.onnx, voice.tokens, "Добрый день.", 0)
    samples = np.frombuffer(base64.b64decode(answer["audio"]), dtype="<f4")
    assert answer["rate"] == 22_050
    assert answer["speakers"] in (0, 1)  # it counts none for a voice without a speaker input
    assert samples.size > 3_000
    assert np.isfinite(samples).all()
    assert samples.std() > 0.005


def test_sherpa_onnx_speaks_our_half_size_voice(sherpa: Path, ask_peer: Any, voice: Any) -> None:
    whole, half = (
        np.frombuffer(base64.b64decode(ask_peer(SPEAK, path, tokens, "Добрый день.", 0)["audio"]), dtype="<f4")
        for path, tokens in ((voice.onnx, voice.tokens), (voice.half, voice.half_tokens))
    )
    assert whole.size == half.size
    assert 10 * np.log10(np.square(whole).sum() / np.square(whole - half).sum()) > 40


def test_sherpa_onnx_tells_our_speakers_apart(sherpa: Path, ask_peer: Any, voice_of_two: Any) -> None:
    answers = [ask_peer(SPEAK, voice_of_two.onnx, voice_of_two.tokens, "Да.", speaker) for speaker in (0, 1)]
    assert [answer["speakers"] for answer in answers] == [2, 2]
    assert answers[0]["audio"] != answers[1]["audio"]


def test_without_the_metadata_that_we_write_sherpa_onnx_refuses_the_voice(
    sherpa: Path, voice: Any, tmp_path: Path
) -> None:
    graph = onnx.load(voice.onnx)
    del graph.metadata_props[:]
    onnx.save(graph, tmp_path / "bare.onnx")
    done = subprocess.run(
        [str(sherpa), "-P", "-c", SPEAK, str(tmp_path / "bare.onnx"), str(voice.tokens), "Да.", "0"],
        capture_output=True,
        timeout=55,
        check=False,
    )
    assert done.returncode != 0
