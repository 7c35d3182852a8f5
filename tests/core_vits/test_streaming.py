"""How far the decoder looks, and whether chunks that are decoded by themselves join without a trace."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from tiny_voice import TINY, tiny_generator, tiny_model
from torch import Tensor

from core_vits.config import PRESETS, AudioConfig, ModelConfig
from core_vits.layers.hifigan import Decoder
from core_vits.streaming import Chunk, Reach, chunks, decoder_margin, decoder_reach

FRAMES = 90
NARROW = 2**4
"""Channels of the decoder: how far it looks does not depend on them."""
LOPSIDED = ModelConfig(
    audio=AudioConfig(hop_length=60, filter_length=240, win_length=240),
    segment_size=1200,
    upsample_rates=(5, 4, 3),
    upsample_kernel_sizes=(11, 4, 7),
    resblock_kernel_sizes=(3, 9),
    resblock_dilation_sizes=((1, 2), (4, 1)),
)
"""An architecture that nobody has."""
ARCHITECTURES = {**PRESETS, "lopsided": LOPSIDED}


def decoder_of(config: ModelConfig) -> Decoder:
    """A narrow decoder of an architecture, in double precision, whose layers keep the loudness of what they get."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        decoder = Decoder(replace(config, inter_channels=4, upsample_initial_channel=NARROW)).double().eval()
    for name, parameter in decoder.named_parameters():
        if name.endswith("weight_g"):
            torch.nn.init.ones_(parameter)
        elif name.endswith("bias"):  # left as large as the signal they would drown it
            parameter.data.mul_(0.1)
    return decoder.requires_grad_(False)


def noise(dtype: torch.dtype) -> Tensor:
    return torch.randn(1, 4, FRAMES, generator=torch.Generator().manual_seed(5), dtype=dtype)


def decode_in_chunks(decoder: Decoder, latent_BDF: Tensor, parts: list[Chunk], hop: int) -> Tensor:
    decoded = [decoder(latent_BDF[..., c.context_begin : c.context_end], None)[..., c.samples(hop)] for c in parts]
    return torch.cat(decoded, dim=-1)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_frames_audio_depends_on_the_frames_within_reach_and_on_all_of_them(name: str) -> None:
    config = ARCHITECTURES[name]
    decoder, hop, middle = decoder_of(config), config.audio.hop_length, FRAMES // 2
    latent = noise(torch.float64).requires_grad_()
    audio = decoder(latent, None)[0, 0, middle * hop : (middle + 1) * hop]
    audio.square().sum().backward()
    assert latent.grad is not None
    touched = latent.grad.abs().sum((0, 1)).nonzero().flatten()
    assert Reach(middle - int(touched[0]), int(touched[-1]) - middle) == decoder_reach(config)


def test_the_margins_of_the_qualities_are_these() -> None:
    margins = {name: decoder_margin(config) for name, config in PRESETS.items()}
    assert margins == {"x-low": 11, "low": 11, "medium": 11, "high": 13, "tiny": 5}


@pytest.mark.parametrize("name", ["tiny", "medium", "high", "lopsided"])
@pytest.mark.parametrize(("first", "growth"), [(1, 1.0), (7, 1.5), (24, 2.0), (FRAMES, 1.0)])
def test_chunks_with_their_margin_are_the_whole(name: str, first: int, growth: float) -> None:
    config = ARCHITECTURES[name]
    decoder, hop = decoder_of(config).float(), config.audio.hop_length
    latent = noise(torch.float32)
    parts = list(chunks(FRAMES, decoder_margin(config), first=first, growth=growth))
    with torch.no_grad():
        whole = decoder(latent, None)
        joined = decode_in_chunks(decoder, latent, parts, hop)
    assert joined.shape == whole.shape
    assert float((joined - whole).abs().max() / whole.abs().max()) <= 1e-6


@pytest.mark.parametrize("name", ["tiny", "medium", "high", "lopsided"])
def test_one_frame_less_of_margin_leaves_a_trace(name: str) -> None:
    config = ARCHITECTURES[name]
    decoder, hop, margin = decoder_of(config), config.audio.hop_length, decoder_margin(config)
    latent = noise(torch.float64)
    with torch.no_grad():
        whole = decoder(latent, None)
        exact, short = (
            float(
                (decode_in_chunks(decoder, latent, list(chunks(FRAMES, m, first=30, growth=1)), hop) - whole)
                .abs()
                .max()
            )
            for m in (margin, margin - 1)
        )
    assert exact < 1e-14 < short


def test_the_whole_generator_speaks_the_same_in_chunks() -> None:
    config = tiny_model(speakers=3)
    generator = tiny_generator(config)
    hop = config.audio.hop_length
    with torch.no_grad():
        made = generator.infer_latent(
            torch.arange(3, 60).unsqueeze(0), torch.tensor([57]), speaker_ids_B=torch.tensor([2])
        )
        whole = generator.decode(made.latent_BDF, made.frame_mask_B1F, made.speaker_BG1)
        parts = chunks(made.latent_BDF.shape[2], decoder_margin(TINY), first=5)
        joined = [
            generator.decode(
                made.latent_BDF[..., c.context_begin : c.context_end],
                made.frame_mask_B1F[..., c.context_begin : c.context_end],
                made.speaker_BG1,
            )[..., c.samples(hop)]
            for c in parts
        ]
    assert len(joined) > 3
    assert float((torch.cat(joined, -1) - whole).abs().max() / whole.abs().max()) <= 1e-6


def test_chunks_begin_short_grow_and_leave_nothing_out() -> None:
    parts = list(chunks(1000, 11, first=20, growth=2, most=150))
    assert [part.end - part.begin for part in parts[:5]] == [20, 40, 80, 150, 150]
    assert parts[0].begin == parts[0].context_begin == 0
    assert parts[-1].end == parts[-1].context_end == 1000
    assert all(one.end == two.begin for one, two in pairwise(parts))
    assert (parts[1].context_begin, parts[1].context_end) == (9, 71)


@pytest.mark.parametrize("frames", [1, 24, 25, 34, 35, 36])
def test_a_remnant_that_is_shorter_than_its_margin_belongs_to_the_chunk_before(frames: int) -> None:
    parts = list(chunks(frames, 11, first=24))
    assert sum(part.end - part.begin for part in parts) == frames
    assert len(parts) == (1 if frames < 35 else 2)
