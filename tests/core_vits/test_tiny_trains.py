"""The smallest preset learns something within seconds."""

from __future__ import annotations

import torch
from vits_batch import Model, make_batch

from core_vits.config import PRESETS


def test_mel_loss_of_tiny_falls_within_a_few_steps() -> None:
    torch.set_num_threads(1)
    model = Model(PRESETS["tiny"], seed=7)
    batch = make_batch(model.config, frames=[40, 36, 30], texts=[12, 10, 9])
    optimizer_g = torch.optim.AdamW(model.synthesizer.parameters(), 1e-3, betas=(0.8, 0.99), fused=True)
    optimizer_d = torch.optim.AdamW(model.waveform.parameters(), 1e-4, betas=(0.5, 0.9), fused=True)
    mels, kls = [], []
    for _ in range(10):
        generator, discriminator = model.losses(batch)
        optimizer_g.zero_grad()
        generator.total.backward()
        optimizer_g.step()
        optimizer_d.zero_grad()
        discriminator.total.backward()
        optimizer_d.step()
        mels.append(generator.mel.item())
        kls.append(generator.kl.item())
    assert sum(mels[-3:]) < 0.8 * sum(mels[:3]), mels
    assert kls[-1] < kls[0], kls
