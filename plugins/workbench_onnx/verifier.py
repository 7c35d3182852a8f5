"""Does an exported voice say what its checkpoint says?"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from core_vits.config import ModelConfig
from core_vits.infer import load_generator
from core_vits.streaming import decoder_margin
from core_vits.synthesizer import Synthesizer
from workbench.api import Finding, Severity, Verdict
from workbench_onnx.comparison import (
    LARGEST_POSSIBLE,
    TOLERANCE,
    Outcome,
    Speaks,
    compare,
    graph_problem,
    latent_names,
    one_line,
)
from workbench_onnx.rounding import rounded_copy, rounding_cost
from workbench_onnx.sessions import VoiceInParts, WholeVoice
from workbench_onnx.settings import OnnxSettings

SEAM_TOLERANCE = 1e-5
"""Accepted difference between audio decoded in chunks and at once, as a part of the loudest sample (-100 dB).

Measured: up to 2e-6, the rounding of 32-bit floats."""

Voice = TypeVar("Voice", bound=Speaks)


class _Verifier(ABC, Generic[Voice]):
    """What is common: which files belong together, what their JSON must say, how a refusal is told."""

    def __init__(self, settings: OnnxSettings | None = None) -> None:
        """No setting changes what is accepted."""

    def verify(self, checkpoint: Path, files: Sequence[Path]) -> Verdict:
        """Compare; a file that can't be read or run is rejected, not an error.

        Args:
            checkpoint: what was exported.
            files: what the exporter returned.

        Raises:
            CheckpointFileError: the checkpoint can't be read.
        """
        main = next((path for path in files if path.suffix == ".onnx"), None)
        config = next((path for path in files if path.name.endswith(".onnx.json")), None)
        if main is None or config is None:
            return _rejected("voice", "there is no .onnx with its .onnx.json among the exported files")
        # As the checkpoint stores it: the export folds the weight norm, and that is checked too.
        generator = load_generator(checkpoint, fold=False)
        try:
            described = json.loads(config.read_text(encoding="utf-8"))
            wrong = self._json_problem(described, generator.config)
            if wrong:
                return _rejected(config.name, wrong)
            voice = self._load(main, described)
        except Exception as error:  # noqa: BLE001 - a damaged file makes protobuf and onnxruntime raise anything
            return _rejected(main.name, f"can't be loaded ({type(error).__name__}: {one_line(error)})")
        wrong = self._graph_problem(voice, generator.config)
        if wrong:
            return _rejected(main.name, wrong)
        verdict = self._compare(main.name, generator, voice)
        if not described.get("vowel_clusters"):
            return verdict
        findings = (*verdict.findings, _clusters_note(main.name))
        return Verdict(accepted=verdict.accepted, largest_difference=verdict.largest_difference, findings=findings)

    def _json_problem(self, config: Any, model: ModelConfig) -> str:
        """Empty, or why the JSON is not that of this voice."""
        if not isinstance(config, dict):
            return "is not a JSON object"
        for name, wanted in (("num_symbols", model.num_symbols), ("num_speakers", model.num_speakers)):
            if config.get(name) != wanted:
                return f"says {name} = {config.get(name)}, the checkpoint has {wanted}"
        return ""

    @abstractmethod
    def _load(self, main: Path, config: Mapping[str, Any]) -> Voice:
        """The voice; raises anything if it can't be loaded."""

    @abstractmethod
    def _graph_problem(self, voice: Voice, model: ModelConfig) -> str:
        """Empty, or what the graph has other than it should."""

    @abstractmethod
    def _compare(self, subject: str, generator: Synthesizer, voice: Voice) -> Verdict:
        """Compare what they speak."""


class OnnxVerifier(_Verifier[WholeVoice]):
    """Compares a whole voice with its checkpoint."""

    def _load(self, main: Path, config: Mapping[str, Any]) -> WholeVoice:
        return WholeVoice(main)

    def _graph_problem(self, voice: WholeVoice, model: ModelConfig) -> str:
        return graph_problem(voice.text, model, outputs=1)

    def _compare(self, subject: str, generator: Synthesizer, voice: WholeVoice) -> Verdict:
        outcome = compare(generator, voice)
        return _different(subject, outcome) if outcome.why_not else _equal(subject, outcome)


class HalfVerifier(OnnxVerifier):
    """A voice of 16-bit weights must be its checkpoint with rounded weights, and these must sound like the others."""

    def _compare(self, subject: str, generator: Synthesizer, voice: WholeVoice) -> Verdict:
        generator.fold_weight_norm()
        rounded = rounded_copy(generator)
        outcome = compare(rounded, voice)
        if outcome.why_not:
            return _different(subject, outcome)
        cost = rounding_cost(generator, rounded)
        if cost.why_not:
            return _rejected(subject, f"{cost.why_not}. Use the whole voice", cost.largest)
        message = (
            f"{cost}. It equals its checkpoint with rounded weights: largest difference {outcome.largest:.1e} of full "
            f"scale in {outcome.compared} comparisons"
        )
        evidence = {
            "largest_difference": cost.largest,
            "snr_db": cost.snr,
            "log_mel_difference": cost.log_mel,
            "log_mel_difference_of_samples": cost.log_mel_of_samples,
            "changed_durations": cost.changed_durations,
            "largest_difference_from_rounded": outcome.largest,
            "comparisons": outcome.compared,
        }
        finding = Finding(rule="onnx.half", severity=Severity.OK, subject=subject, message=message, evidence=evidence)
        return Verdict(accepted=True, largest_difference=cost.largest, findings=(finding,))


class StreamingVerifier(_Verifier[VoiceInParts]):
    """Compares a voice in two parts with its checkpoint, decoded at once, and decoded in chunks with that."""

    def _json_problem(self, config: Any, model: ModelConfig) -> str:
        wrong = super()._json_problem(config, model)
        if wrong:
            return wrong
        decoder, margin = config.get("decoder"), decoder_margin(model)
        if config.get("streaming") is not True or not isinstance(decoder, dict):
            return "does not say that the voice is in two parts ('streaming', 'decoder')"
        if decoder.get("margin_frames") != margin:
            return f"says margin_frames = {decoder.get('margin_frames')}, the checkpoint's decoder needs {margin}"
        if config.get("hop_length") != model.audio.hop_length:
            return f"says hop_length = {config.get('hop_length')}, the checkpoint has {model.audio.hop_length}"
        return ""

    def _load(self, main: Path, config: Mapping[str, Any]) -> VoiceInParts:
        decoder = config["decoder"]
        return VoiceInParts(
            main,
            main.with_name(decoder["file"]),
            margin=decoder["margin_frames"],
            hop_length=config["hop_length"],
        )

    def _graph_problem(self, voice: VoiceInParts, model: ModelConfig) -> str:
        names = latent_names(model)
        inputs = [item.name for item in voice.decoder.get_inputs()]
        for what, found in (("encoder's outputs", voice.text.outputs), ("decoder's inputs", inputs)):
            if found != names:
                return f"the {what} are {', '.join(found)}; wanted are {', '.join(names)}"
        return graph_problem(voice.text, model, outputs=len(names))

    def _compare(self, subject: str, generator: Synthesizer, voice: VoiceInParts) -> Verdict:
        outcome = compare(generator, voice)
        if outcome.why_not:
            return _different(subject, outcome)
        if voice.seams > SEAM_TOLERANCE:
            return _rejected(
                subject,
                f"speaks otherwise in chunks than at once: by {voice.seams:.1e} of the loudest sample; accepted is "
                f"{SEAM_TOLERANCE:.0e}. Export again; the voice must not be used",
            )
        verdict = _equal(subject, outcome)
        message = (
            f"decoded in chunks it is what it is decoded at once: largest difference {voice.seams:.1e} of the loudest "
            f"sample (accepted: {SEAM_TOLERANCE:.0e})"
        )
        evidence = {"largest_difference": voice.seams, "tolerance": SEAM_TOLERANCE}
        seams = Finding(rule="onnx.seams", severity=Severity.OK, subject=subject, message=message, evidence=evidence)
        return Verdict(
            accepted=True, largest_difference=verdict.largest_difference, findings=(*verdict.findings, seams)
        )


def _equal(subject: str, outcome: Outcome) -> Verdict:
    message = (
        f"equals its checkpoint: largest difference {outcome.largest:.1e} of full scale in {outcome.compared} "
        f"comparisons (accepted: {TOLERANCE:.0e} of the loudest sample)"
    )
    evidence = {"largest_difference": outcome.largest, "tolerance": TOLERANCE, "comparisons": outcome.compared}
    finding = Finding(rule="onnx.equal", severity=Severity.OK, subject=subject, message=message, evidence=evidence)
    return Verdict(accepted=True, largest_difference=outcome.largest, findings=(finding,))


def _different(subject: str, outcome: Outcome) -> Verdict:
    return _rejected(subject, f"{outcome.why_not}. Export again; the voice must not be used", outcome.largest)


def _clusters_note(subject: str) -> Finding:
    message = (
        "has vowel clusters: Piper 1.5 and newer speaks them; sherpa-onnx knows single characters only and speaks them "
        "as separate sounds, which the voice has hardly learned"
    )
    return Finding(rule="onnx.clusters", severity=Severity.WARNS, subject=subject, message=message)


def _rejected(subject: str, message: str, difference: float = LARGEST_POSSIBLE) -> Verdict:
    evidence = {"largest_difference": difference, "tolerance": TOLERANCE}
    finding = Finding(rule="onnx.equal", severity=Severity.BLOCKS, subject=subject, message=message, evidence=evidence)
    return Verdict(accepted=False, largest_difference=difference, findings=(finding,))
