"""Phonemes of other kinds than eSpeak's plain ones: piper-tts makes the ids that we train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tiny_voice import voice_config, write_checkpoint

from core_vits.phoneme_map import Clusters
from core_vits.phonemes import phonemes_to_ids
from workbench.api import VoiceIdentity
from workbench_onnx.exporter import OnnxExporter
from workbench_piper.text import TextPhonemizer

pytestmark = pytest.mark.peer

CLUSTERS = [["a", "ɪ"], ["a", "ʊ"], ["ɔ", "ɪ"], ["e", "ɪ"], ["o", "ʊ"], ["a", "ɪ", "ɚ"]]
ENGLISH = (
    "I like how boys go away today.",
    "Out in the rain, they say: no!",
    "The fire goes out. I pay the toy maker; you buy a bow tie?",
    "Hello world",
)

ASK = """
import json, sys
from piper import PiperVoice
answer = []
for path in sys.argv[1:3]:
    voice = PiperVoice.load(path)
    texts = [voice.phonemize(text) for text in sys.argv[3:]]
    answer.append([[[phonemes, voice.phonemes_to_ids(phonemes)] for phonemes in text] for text in texts])
print(json.dumps(answer))
"""


def exported(folder: Path, **changes: Any) -> Path:
    """A voice with another configuration."""
    folder.mkdir()
    checkpoint = write_checkpoint(folder / "a.ckpt")
    identity = VoiceIdentity(name="probe", language="en-US", quality="tiny")
    config: Mapping[str, Any] = {**voice_config(), "espeak": {"voice": "en-us"}, **changes}
    return OnnxExporter().export(checkpoint, config, identity, folder)[0]


def test_vowel_clusters_are_merged_as_the_peer_merges_them(ask_peer: Any, tmp_path: Path) -> None:
    id_map = {**voice_config()["phoneme_id_map"], "aɪɚ": [200]}
    plain = exported(tmp_path / "plain", phoneme_id_map=id_map)
    merging = exported(tmp_path / "merging", phoneme_id_map=id_map, vowel_clusters=CLUSTERS)
    apart, merged = ask_peer(ASK, plain, merging, *ENGLISH)
    clusters, seen = Clusters(CLUSTERS), set()
    for sentences, wanted in zip(apart, merged, strict=True):
        for (phonemes, _), (peers, ids) in zip(sentences, wanted, strict=True):
            ours = clusters.merge(phonemes)
            assert list(ours) == peers
            assert phonemes_to_ids([ours], id_map) == (ids, {})
            seen |= {symbol for symbol in ours if len(symbol) > 1}
    assert seen == {"".join(cluster) for cluster in CLUSTERS}


def test_a_text_of_phonemes_is_numbered_as_the_peer_numbers_it(ask_peer: Any, tmp_path: Path) -> None:
    voice = exported(tmp_path / "voice", phoneme_type="text")
    texts = ("dˈobrɨj dʲˈenʲ. kak dʲɪlˈa?", "ˈã, ç ɝ!")
    answer, _ = ask_peer(ASK, voice, voice, *texts)
    ours = TextPhonemizer().phonemize(texts, language="ru")
    assert [[phonemes for phonemes, _ in text] for text in answer] == ours
    for text, sentences in zip(answer, ours, strict=True):
        ids, missing = phonemes_to_ids(sentences, voice_config()["phoneme_id_map"])
        assert [number for _, numbers in text for number in numbers] == ids
        assert missing == {}
