"""The rule of memory against the batches that the trainer really makes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from core_vits.batching import SAMPLERS
from core_vits.needed_memory import CUDA_BYTES, PARAMETERS, step_memory
from workbench.api import Finding, Utterance
from workbench.api.testing import make_facts, make_utterance
from workbench_health.memory import MemoryRule, largest_batches


def clips(*frames: int) -> list[Utterance]:
    return [
        make_utterance(row=row, file=f"{row}.wav", frames=count, seconds=count * 256 / 22_050)
        for row, count in enumerate(frames, 1)
    ]


def found(utterances: list[Utterance], **facts: Any) -> list[Finding]:
    rule = MemoryRule(make_facts(Path(), **{"parts": lambda: {item.row: "train" for item in utterances}, **facts}))
    return [*(finding for item in utterances for finding in rule.check(item)), *rule.finish()]


def lengths(count: int, seed: int = 1) -> list[int]:
    return (60 + torch.rand(count, generator=torch.Generator().manual_seed(seed)) ** 3 * 900).int().tolist()


def test_nothing_is_said_where_no_gpu_is_known() -> None:
    assert found(clips(100_000)) == []


def test_a_clip_that_does_not_fit_alone_is_named_with_the_numbers() -> None:
    (item,) = found(clips(400, 40_000, 500), gpu_bytes=8 << 30)
    assert (item.rule, item.subject) == ("memory.clip", "metadata.csv:1")
    assert "'2.wav'" in item.message
    need = CUDA_BYTES + step_memory("medium", "32-true").bytes(1, 40_000)
    assert item.evidence["need"] == round(need)
    assert item.evidence["has"] == 8 << 30


def test_a_setting_stands_for_the_gpu_of_another_machine() -> None:
    assert found(clips(40_000), limits={"gpu_gb": 6.0})[0].evidence["has"] == 6_000_000_000
    assert found(clips(40_000), limits={"gpu_gb": 80.0}, gpu_bytes=1 << 30) == []


def test_a_clip_that_is_not_trained_needs_no_memory() -> None:
    (item,) = clips(40_000)
    assert found([make_utterance(frames=item.frames, dropped="its text is empty")], gpu_bytes=8 << 30) == []


@pytest.mark.parametrize("batching", ["buckets", "random"])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_the_largest_batch_is_that_of_the_trainer(batching: str, devices: int, precision: str) -> None:
    """At one byte less than the largest batch takes there is a finding, at as many there is none."""
    utterances = clips(*lengths(300))
    facts: dict[str, Any] = {"batching": batching, "devices": devices, "precision": precision, "seed": 7}
    memory = step_memory("medium", precision, devices=devices)
    shapes = []
    for rank in range(devices):
        sampler = SAMPLERS[batching]([item.frames or 0 for item in utterances], 16, 7, rank=rank, world=devices)
        for epoch in range(8):
            shapes += [[utterances[clip].frames or 0 for clip in batch] for batch in sampler.batches(epoch)]
    made = largest_batches(make_facts(Path(), parts=lambda: {item.row: "train" for item in utterances}, **facts),
                           {item.row: item.frames or 0 for item in utterances})  # fmt: skip
    assert [len(batch) for batch in made] == [len(batch) for batch in shapes]
    need = CUDA_BYTES + max(memory.bytes(len(batch), max(batch)) for batch in made)
    assert found(utterances, gpu_bytes=int(need) + 1, **facts) == []
    (item,) = found(utterances, gpu_bytes=int(need) - 1, **facts)
    assert (item.rule, item.evidence["batching"], item.evidence["need"]) == ("memory.batch", batching, round(need))


@pytest.mark.parametrize("batching", ["buckets", "random"])
def test_the_quick_look_never_passes_what_would_not_fit(batching: str) -> None:
    for seed in range(20):
        utterances = clips(*lengths(80, seed))
        facts = {"batching": batching, "seed": seed}
        all_facts = make_facts(Path(), parts=lambda: {item.row: "train" for item in utterances}, **facts)  # noqa: B023
        made = largest_batches(all_facts, {item.row: item.frames or 0 for item in utterances})
        need = CUDA_BYTES + max(step_memory("medium", "32-true").bytes(len(batch), max(batch)) for batch in made)
        assert [item.rule for item in found(utterances, gpu_bytes=int(need) - 1, **facts)] == ["memory.batch"]


def test_clips_of_validation_are_in_no_training_batch() -> None:
    utterances = clips(*[200] * 40, 6000)
    parts = {item.row: "train" for item in utterances}
    (item,) = found(utterances, gpu_bytes=7 << 30, batching="random", parts=lambda: parts)
    assert item.rule == "memory.batch"
    parts[41] = "validation"
    assert found(utterances, gpu_bytes=7 << 30, batching="random", parts=lambda: parts) == []


@pytest.mark.parametrize("batching", ["buckets", "random"])
@pytest.mark.parametrize("devices", [1, 2])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_recorded_steps_need_a_second_batch_with_its_gradients_and_workspaces(
    batching: str, devices: int, precision: str
) -> None:
    utterances = clips(*lengths(120))
    facts: dict[str, Any] = {"batching": batching, "devices": devices, "precision": precision, "cuda_graphs": True}
    memory = step_memory("medium", precision, devices=devices)
    all_facts = make_facts(Path(), parts=lambda: {item.row: "train" for item in utterances}, **facts)
    made = largest_batches(all_facts, {item.row: item.frames or 0 for item in utterances})
    usual = max(memory.bytes(len(batch), max(batch)) for batch in made)
    parameters = sum(PARAMETERS["medium"])
    fixed = step_memory("medium", precision).fixed
    both = CUDA_BYTES + usual + (usual - memory.fixed) + 4 * parameters + (fixed - 16 * parameters)
    assert found(utterances, gpu_bytes=int(both) + 1, **facts) == []
    (item,) = found(utterances, gpu_bytes=int(both) - 1, **facts)
    assert (item.rule, item.evidence["need"]) == ("memory.graphs", round(both))
    assert item.evidence["unrecorded"] == round(CUDA_BYTES + usual)
    assert "by arithmetic, not measured" in item.message
    (item,) = found(utterances, gpu_bytes=int(CUDA_BYTES + usual) - 1, **facts)
    assert item.rule == "memory.batch", "what does not fit at all is told as that"
    assert found(utterances, gpu_bytes=int(both) - 1, **{**facts, "cuda_graphs": False}) == []


def test_in_16_mixed_nothing_is_recorded_and_nothing_said() -> None:
    utterances = clips(*lengths(120))
    facts: dict[str, Any] = {"cuda_graphs": True, "batching": "random"}
    has = 12 << 30
    assert [item.rule for item in found(utterances, gpu_bytes=has, precision="32-true", **facts)] == ["memory.graphs"]
    half = 7 << 30
    assert [item.rule for item in found(utterances, gpu_bytes=half, precision="bf16-mixed", **facts)] == [
        "memory.graphs"
    ]
    assert found(utterances, gpu_bytes=half, precision="16-mixed", **facts) == []
