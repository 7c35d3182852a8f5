"""One batch of the game between generator and discriminators.

Legend: B utterances, S samples, L frames of a training segment.

Piper computes both losses with the same discriminator weights, then steps the generator, then the discriminators. The
order here is the same, and because of it both losses need only one pass of each signal through the discriminators,
where Piper makes two: the generated audio enters as a leaf of its own. The generator's loss is followed back through
the discriminators to that leaf and no further (no weight's gradient is computed to be thrown away), and from there
through the generator; the discriminators' loss is followed back to their weights. Losses are the same numbers,
gradients differ by rounding, and the discriminators, which are most of a step's arithmetic, have 7 forward passes'
worth of work instead of 10.

A step is a transaction: no weight, moment or scale changes before all gradients of both sides are there, on all
processes. Until then it can be given up and begun again, with the batch in parts (`core_vits.train.room`).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import torch
from lightning.fabric import Fabric
from torch import Tensor

from core_vits.config import LossWeights
from core_vits.dataset import Batch
from core_vits.layers.weight_norm import shared_weights
from core_vits.losses import (
    ALONE,
    DiscriminatorLosses,
    GeneratorLosses,
    Losses,
    Pair,
    Shares,
    TargetSegments,
    discriminator_losses,
    generator_losses,
    target_segments,
)
from core_vits.memory import with_room
from core_vits.spectrogram import mel_spectrogram
from core_vits.synthesizer import TrainingOutput
from core_vits.train.graphs import StepGraphs
from core_vits.train.models import VoiceModels
from core_vits.train.optim import Optimization, gradient_norm
from core_vits.train.ranks import GradientMean, Ranks


class AdversarialStep:
    """Trains and evaluates batches that are already on the device."""

    def __init__(
        self,
        fabric: Fabric,
        models: VoiceModels,
        optimization: Optimization,
        weights: LossWeights,
        ranks: Ranks | None = None,
        graphs: StepGraphs | None = None,
    ) -> None:
        """Listen to the gradients of the models.

        Args:
            fabric: precision and device.
            models: to train.
            optimization: their optimizers.
            weights: of the loss terms.
            ranks: the processes that train together; found out if not given.
            graphs: of these models, if steps shall be recorded.
        """
        self._fabric = fabric
        self._models = models
        self._optimization = optimization
        # Fabric's wrappers scale losses under 16-bit precision; the plain optimizers own the state.
        self._step_generator, self._step_judges = (
            fabric.setup_optimizers(optimizer) for optimizer in optimization.optimizers
        )
        self._weights = weights
        self._graphs = graphs
        ranks = ranks or Ranks(fabric)
        self._generator_mean = GradientMean(ranks, list(models.model_g.parameters()))
        self._judges_mean = GradientMean(ranks, list(models.judges()))

    def train(self, batch: Batch, *, with_norms: bool, shares: Shares = ALONE) -> Losses:
        """Train on one batch; returns 0-dim tensors on the device.

        Args:
            batch: on the device; this process's part of it.
            with_norms: also compute `grad_norm/g` and `grad_norm/d`.
            shares: of this part in the whole batch; the mean of the processes' losses is the loss of the whole batch.
        """
        self.begin()
        return {**self.add_gradients(batch, shares=shares, whole=True), **self.apply(with_norms=with_norms)}

    def reserve(self) -> None:
        """Take the memory that a step needs whatever its batch: Adam's moments, and what gradients travel in."""
        self._optimization.allocate_moments()
        for mean in self._means:
            mean.reserve()

    def begin(self) -> None:
        """Forget the gradients of the last step."""
        for optimizer in (self._step_generator, self._step_judges):
            optimizer.zero_grad(set_to_none=True)

    def add_gradients(self, batch: Batch, *, shares: Shares = ALONE, send: bool = True, whole: bool = False) -> Losses:
        """Add the gradients of a batch, or of a part of one, to those that are there.

        Args:
            batch: on the device.
            shares: of it in the whole batch of all processes.
            send: the gradients are complete with it, and go to the other processes while they are computed.
            whole: it is all of the step, so that what it launches may be recorded.

        Returns:
            The losses times the shares.
        """
        if self._graphs is not None and whole:
            # What is recorded can't send: all leave at its end, and the way to the others is not hidden.
            losses = self._graphs.gradients(batch, shares, partial(self._add_gradients, send=False))
            self.send()
            return losses
        return self._add_gradients(batch, shares, send=send)

    def _add_gradients(self, batch: Batch, shares: Shares, *, send: bool) -> Losses:
        for mean in self._means:
            mean.listens = send
        with self._fabric.autocast():
            output, targets = self._generate(batch)
            # float32 also under 16-bit precision: this is where the two halves of the gradient meet.
            heard_B1S = output.audio_B1S.detach().float().requires_grad_()
            waveform, resolution = self._judge(targets.audio_B1S, heard_B1S)
            losses_g = self._generator_losses(output, targets, waveform, resolution, shares)
            losses_d = discriminator_losses(waveform=waveform, resolution=resolution, shares=shares)
        self._follow_generator(output.audio_B1S, heard_B1S, losses_g)
        if send:
            self._generator_mean.send()
        self._fabric.backward(losses_d.total, inputs=list(self._models.judges()))
        if send:
            self._judges_mean.send()
        return _named(losses_g, losses_d)

    def send(self, *, nothing: bool = False) -> None:
        """Send the gradients that have not left.

        Args:
            nothing: zeros in their place, because this process has none: the others wait for as many messages.
        """
        for mean in self._means:
            mean.send(nothing=nothing)

    def recall(self) -> None:
        """Wait for what is on its way and forget it: gradients stay those of this process."""
        for mean in self._means:
            mean.recall()

    def apply(self, *, with_norms: bool) -> Losses:
        """Step both optimizers, when the gradients of all processes are there; returns the norms, if wanted."""
        for mean in self._means:
            mean.finish()
        norms: Losses = {}
        if with_norms:
            scale = self._loss_scale()
            norms["grad_norm/g"] = gradient_norm(list(self._models.model_g.parameters())) / scale
            norms["grad_norm/d"] = gradient_norm(list(self._models.judges())) / scale
        scaler = self._scaler
        # With the moments there, a step needs memory for some scalars at most, before it changes anything.
        if scaler is None:
            for stepped in (self._step_generator, self._step_judges):
                with_room(stepped.step, self._fabric.device)
        else:  # both gradients were scaled by the same number; it may change after both steps only
            for optimizer in self._optimization.optimizers:
                with_room(partial(scaler.step, optimizer), self._fabric.device)
            scaler.update()
        return norms

    def _follow_generator(self, audio_B1S: Tensor, heard_B1S: Tensor, losses: GeneratorLosses) -> None:
        """Follow the generator's losses back to its weights.

        Args:
            audio_B1S: what it generated, with its graph.
            heard_B1S: the leaf that the discriminators heard.
            losses: `judged` of them ends at the leaf.
        """
        # Under 16-bit precision a small gradient vanishes on its way through half-precision layers unless it is scaled.
        scale = self._loss_scale()
        (gradient_B1S,) = torch.autograd.grad(losses.judged * scale, heard_B1S, retain_graph=True)
        # Its derivative by the audio is the gradient that was just found.
        through_audio = (audio_B1S.float() * (gradient_B1S / scale)).sum()
        self._fabric.backward(losses.own + through_audio)

    @property
    def _means(self) -> tuple[GradientMean, GradientMean]:
        return self._generator_mean, self._judges_mean

    @property
    def _scaler(self) -> torch.amp.GradScaler | None:
        return getattr(self._fabric.strategy.precision, "scaler", None)

    def _loss_scale(self) -> float:
        """What losses, and so gradients, are multiplied with at this moment; 1 unless precision is 16-mixed."""
        return float(self._scaler.get_scale()) if self._scaler is not None else 1.0

    def evaluate(self, batch: Batch, *, shares: Shares = ALONE) -> Losses:
        """The losses of a batch times its shares, without learning from it; the caller has switched gradients off."""
        with self._fabric.autocast():
            output, targets = self._generate(batch)
            waveform, resolution = self._judge(targets.audio_B1S, output.audio_B1S)
            losses_g = self._generator_losses(output, targets, waveform, resolution, shares)
            losses_d = discriminator_losses(waveform=waveform, resolution=resolution, shares=shares)
        return _named(losses_g, losses_d)

    def _generate(self, batch: Batch) -> tuple[TrainingOutput, TargetSegments]:
        output: TrainingOutput = self._models.model_g(
            batch.phoneme_ids_BT,
            batch.phoneme_lengths_B,
            batch.spectrogram_BCF,
            batch.spectrogram_lengths_B,
            batch.speaker_ids_B,
        )
        targets = target_segments(output, batch.audio_B1S, batch.spectrogram_BCF, self._models.config)
        return output, targets

    def _judge(self, real_B1S: Tensor, fake_B1S: Tensor) -> tuple[Pair, Pair | None]:
        """What the discriminators say.

        One pass over both signals would launch half as many kernels. But the generator's loss is followed back through
        the generated audio only, and out of a common pass that costs as much as through both.
        """
        judge, resolution = self._models.model_d, self._models.resolution
        with shared_weights(judge, *([resolution] if resolution is not None else [])):
            waveform = (judge(real_B1S), judge(fake_B1S))
            return waveform, (resolution(real_B1S), resolution(fake_B1S)) if resolution is not None else None

    def _generator_losses(
        self,
        output: TrainingOutput,
        targets: TargetSegments,
        waveform: Pair,
        resolution: Pair | None,
        shares: Shares,
    ) -> GeneratorLosses:
        fake_mel_BML = mel_spectrogram(output.audio_B1S.squeeze(1), self._models.config.audio)
        return generator_losses(
            output,
            targets.mel_BML,
            fake_mel_BML,
            waveform=waveform,
            weights=self._weights,
            resolution=resolution,
            shares=shares,
        )


def _named(generator: GeneratorLosses, judges: DiscriminatorLosses) -> Losses:
    """The terms under the names of the curves."""
    terms: Mapping[str, Tensor | None] = {
        "mel": generator.mel,
        "kl": generator.kl,
        "duration": generator.duration,
        "feature": generator.feature,
        "generator": generator.generator,
        "discriminator": judges.discriminator,
        "mrd_feature": generator.resolution_feature,
        "mrd_generator": generator.resolution_generator,
        "mrd_discriminator": judges.resolution,
        "loss_g": generator.total,
        "loss_d": judges.total,
    }
    return {name: value for name, value in terms.items() if value is not None}
