"""Does an exported voice say what its checkpoint says?

The checkpoint is run by torch, the file by onnxruntime, on the same ids, scales, speakers and noise. A voice draws its
noise inside the graph, where nobody can look at it, so the comparison is made twice: with the file as it is and the
noise scaled by zero, and with a copy in memory whose random nodes are inputs, which torch and onnxruntime get alike.

Legend: B utterances (1 here), T phonemes, F frames, D latent channels, S samples.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor

from core_vits.infer import Scales, load_generator
from core_vits.synthesizer import InferenceOutput, Synthesizer
from workbench.api import Finding, Severity, Verdict
from workbench_onnx.settings import OnnxSettings

TOLERANCE = 1e-4
"""Largest accepted difference as a part of the loudest sample (-80 dB).

Measured with 32-bit floats: 0.7e-6 to 4.2e-6 for voices of quality tiny and medium, loud and quiet. Relative to the
loudest sample, because a voice at the start of its training is quiet and must not pass for that reason alone."""

_QUIETEST = 0.01
"""Of full scale; what is quieter than this is compared as if it had this peak."""

LARGEST_POSSIBLE = 2.0
"""Audio lies within -1 and 1, so this stands for signals of different length and for what is no number."""

_RANDOM_NODE = "RandomNormalLike"
_SPEAKERS_CHECKED = 4


@dataclass(frozen=True, kw_only=True)
class Case:
    """One comparison."""

    ids: tuple[int, ...]
    scales: Scales
    speaker: int | None
    noise: bool
    """Whether noise is fed to both; else the file runs as it is and the scales are zero."""

    @property
    def name(self) -> str:
        """How a message calls it."""
        speaker = "" if self.speaker is None else f", speaker {self.speaker}"
        noise = "fixed noise" if self.noise else "no noise"
        return f"{len(self.ids)} ids, length scale {self.scales.length_scale:g}, {noise}{speaker}"


class OnnxVerifier:
    """Compares a voice with its checkpoint."""

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
        voice = next((path for path in files if path.suffix == ".onnx"), None)
        config = next((path for path in files if path.name.endswith(".onnx.json")), None)
        if voice is None or config is None:
            return _rejected("voice", "there is no .onnx with its .onnx.json among the exported files")
        # As the checkpoint stores it: the export folds the weight norm, and that is checked too.
        generator = load_generator(checkpoint, fold=False)
        try:
            described = json.loads(config.read_text(encoding="utf-8"))
            sessions = _Sessions(voice)
        except Exception as error:  # noqa: BLE001 - a damaged file makes protobuf and onnxruntime raise anything
            return _rejected(voice.name, f"can't be loaded ({type(error).__name__}: {_one_line(error)})")
        wrong = _description_problem(described, generator, sessions)
        if wrong:
            return _rejected(config.name, wrong)
        verdict = _compare_all(voice.name, generator, sessions)
        if not described.get("vowel_clusters"):
            return verdict
        return replace(verdict, findings=(*verdict.findings, _clusters_note(voice.name)))


class _Sessions:
    """The file as it is, and the copy that takes its noise as inputs."""

    def __init__(self, path: Path) -> None:
        content = path.read_bytes()
        self.plain = _session(content)
        graph = onnx.load_from_string(content)
        # The copy loses what the nodes say about their noise, so that is looked at by itself.
        self.odd_noise = any(node.op_type == _RANDOM_NODE and not _is_standard(node) for node in graph.graph.node)
        self.noise_inputs = _random_nodes_become_inputs(graph.graph)
        # Not optimised: that takes longer than all runs, and the file as it is runs as programs will run it.
        self.noisy = _session(graph.SerializeToString(), optimise=False)
        self.inputs = [item.name for item in self.plain.get_inputs()]


def _session(content: bytes, *, optimise: bool = True) -> Any:
    options = onnxruntime.SessionOptions()
    # One thread: a trainer may be running beside us. Errors are raised; printed as well they would be said twice.
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimise:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _is_standard(node: Any) -> bool:
    """Whether a random node draws from N(0, 1), other numbers on every call."""
    standard = {"mean": 0.0, "scale": 1.0, "dtype": onnx.TensorProto.FLOAT}
    given = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    return all(name in standard and value == standard[name] for name, value in given.items())


def _random_nodes_become_inputs(graph: Any) -> list[str]:
    """Replace the random nodes by inputs of the same names, which are returned in the order of the graph."""
    random = [node for node in graph.node if node.op_type == _RANDOM_NODE]
    for node in random:
        graph.node.remove(node)
        graph.input.append(onnx.helper.make_tensor_value_info(node.output[0], onnx.TensorProto.FLOAT, None))
    return [node.output[0] for node in random]


def _description_problem(config: Any, generator: Synthesizer, sessions: _Sessions) -> str:
    """Empty, or why the JSON is not that of this voice."""
    model = generator.config
    if not isinstance(config, dict):
        return "is not a JSON object"
    for name, wanted in (("num_symbols", model.num_symbols), ("num_speakers", model.num_speakers)):
        if config.get(name) != wanted:
            return f"says {name} = {config.get(name)}, the checkpoint has {wanted}"
    expected = ["input", "input_lengths", "scales", *(["sid"] if model.num_speakers > 1 else [])]
    if sessions.inputs != expected:
        return f"the graph's inputs are {', '.join(sessions.inputs)}; wanted are {', '.join(expected)}"
    if sessions.odd_noise:
        return "the graph's noise is not drawn anew from N(0, 1)"
    random = 2 if model.use_sdp else 1
    if len(sessions.noise_inputs) != random:
        return f"the graph has {len(sessions.noise_inputs)} sources of noise; wanted are {random}"
    return ""


def cases(generator: Synthesizer) -> list[Case]:
    """What is compared: short and long, slow and fast, with and without noise, the first and last speakers."""
    model = generator.config
    speakers: list[int | None] = [None]
    if model.num_speakers > 1:
        half = _SPEAKERS_CHECKED // 2
        first, last = range(min(half, model.num_speakers)), range(max(0, model.num_speakers - half), model.num_speakers)
        speakers = sorted({*first, *last})
    random = np.random.default_rng(0)
    found = []
    for speaker in speakers:
        for length, scales, noise in (
            (5, Scales(noise_scale=0.0, length_scale=1.0, noise_w=0.0), False),
            (43, Scales(noise_scale=0.0, length_scale=1.3, noise_w=0.0), False),
            (21, Scales(), True),
            (87, Scales(noise_scale=0.4, length_scale=0.75, noise_w=0.5), True),
        ):
            ids = tuple(int(number) for number in random.integers(0, model.num_symbols, length))
            found.append(Case(ids=ids, scales=scales, speaker=speaker, noise=noise))
    return found


def _compare_all(subject: str, generator: Synthesizer, sessions: _Sessions) -> Verdict:
    largest, compared = 0.0, cases(generator)
    for number, case in enumerate(compared):
        difference, why = _compare(generator, sessions, case, seed=number)
        largest = max(largest, difference)
        if why:
            return _rejected(subject, f"{why} ({case.name}). Export again; the voice must not be used", largest)
    message = (
        f"equals its checkpoint: largest difference {largest:.1e} of full scale in {len(compared)} comparisons "
        f"(accepted: {TOLERANCE:.0e} of the loudest sample)"
    )
    evidence = {"largest_difference": largest, "tolerance": TOLERANCE, "comparisons": len(compared)}
    finding = Finding(rule="onnx.equal", severity=Severity.OK, subject=subject, message=message, evidence=evidence)
    return Verdict(accepted=True, largest_difference=largest, findings=(finding,))


def _compare(generator: Synthesizer, sessions: _Sessions, case: Case, *, seed: int) -> tuple[float, str]:
    """The largest difference of one case, and empty or why it is not accepted."""
    by_torch, noise = _run_torch(generator, case, seed)
    try:
        by_onnx = _run_onnx(sessions, case, noise)
    except Exception as error:  # noqa: BLE001 - onnxruntime has a class for each of its status codes
        # Noise that does not fit the frames means other durations.
        return LARGEST_POSSIBLE, f"can't be run with the checkpoint's noise ({_one_line(error)})"
    if by_torch.shape != by_onnx.shape:
        return LARGEST_POSSIBLE, f"speaks {by_onnx.size} samples where the checkpoint speaks {by_torch.size}"
    difference = float(np.abs(by_torch - by_onnx).max(initial=0.0))
    if not np.isfinite(difference):
        return LARGEST_POSSIBLE, "speaks samples that are no numbers"
    accepted = TOLERANCE * max(_QUIETEST, float(np.abs(by_torch).max(initial=0.0)))
    if difference > accepted:
        return difference, (
            f"differs from its checkpoint by {difference:.1e} of full scale; accepted is {accepted:.1e}, "
            f"{TOLERANCE:.0e} of the loudest sample"
        )
    return difference, ""


def _run_torch(generator: Synthesizer, case: Case, seed: int) -> tuple[NDArray[np.float32], list[Tensor]]:
    """Audio [S] by torch and the noise it was made with, in the order in which the graph draws it."""
    random = torch.Generator().manual_seed(seed)
    duration_noise = torch.randn((1, 2, len(case.ids)), generator=random)

    def infer(prior_noise: Tensor) -> InferenceOutput:
        return generator.infer(
            torch.tensor([case.ids]),
            torch.tensor([len(case.ids)]),
            case.scales.noise_scale,
            case.scales.length_scale,
            case.scales.noise_w,
            None if case.speaker is None else torch.tensor([case.speaker]),
            duration_noise_B2T=duration_noise,
            prior_noise_BDF=prior_noise,
        )

    with torch.inference_mode():
        # How many frames there are is known only after the durations; noise of one frame serves all until then.
        frames = infer(torch.zeros(1, 1, 1)).frame_mask_B1F.shape[2]
        prior_noise = torch.randn((1, generator.config.inter_channels, frames), generator=random)
        audio: NDArray[np.float32] = infer(prior_noise).audio_B1S.numpy().reshape(-1)
    return audio, [*([duration_noise] if generator.config.use_sdp else []), prior_noise]


def _run_onnx(sessions: _Sessions, case: Case, noise: list[Tensor]) -> NDArray[np.float32]:
    scales = (case.scales.noise_scale, case.scales.length_scale, case.scales.noise_w)
    feed: dict[str, Any] = {
        "input": np.array([case.ids], dtype=np.int64),
        "input_lengths": np.array([len(case.ids)], dtype=np.int64),
        "scales": np.array(scales, dtype=np.float32),
    }
    if case.speaker is not None:
        feed["sid"] = np.array([case.speaker], dtype=np.int64)
    if case.noise:
        feed.update(zip(sessions.noise_inputs, (item.numpy() for item in noise), strict=True))
    session = sessions.noisy if case.noise else sessions.plain
    audio = session.run(None, feed)[0]
    if audio.ndim != 4:
        raise ValueError(f"its output has {audio.ndim} axes, wanted are 4")
    flat: NDArray[np.float32] = audio.reshape(-1)
    return flat


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


def _one_line(text: object) -> str:
    return " ".join(str(text).split())[:200]
