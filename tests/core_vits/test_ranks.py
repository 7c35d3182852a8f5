"""Two processes give the weights of one with the joined batch, and send each gradient once."""

from __future__ import annotations

import math
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from ddp_probe import CASES, PLACES, STEPS
from torch import Tensor
from training_parts import settings

from core_vits.train.distributed import MEETING, make_fabric
from core_vits.train.errors import PeerLost, TrainingError
from core_vits.train.ranks import GradientMean, Ranks, merged_means

TOLERANCE = 1e-5
"""Relative: of the weights of each layer after two steps (measured: 1.3e-7), of all gradients (measured: 2e-6)."""
IN_PARTS = 1e-6
"""Relative, of the weights of each layer after two steps in parts."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one process and each of two made of the same batches."""
    folder = tmp_path_factory.mktemp("ranks")
    tests = Path(__file__).resolve().parent.parent
    processes = []
    for world in (1, 2):
        for rank in range(world):
            environment = {**os.environ, "PYTHONPATH": str(tests), "GLOO_SOCKET_IFNAME": "lo"}
            if world > 1:
                names = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, MEETING: folder / "meeting"}
                environment |= {name: str(value) for name, value in names.items()}
            command = [sys.executable, str(tests / "ddp_probe.py"), str(folder)]
            processes.append(subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True))
    for process in processes:
        _, said = process.communicate(timeout=280)
        assert process.returncode == 0, said
    return {path.stem: torch.load(path, weights_only=True) for path in folder.glob("*.pt")}


def distance(one: Tensor, other: Tensor) -> float:
    """Relative to the length of `one`."""
    return float((one.double() - other.double()).norm() / one.double().norm().clamp_min(1e-12))


def flat(tensors: dict[str, Tensor]) -> Tensor:
    return torch.cat([value.double().flatten() for value in tensors.values()])


@pytest.mark.parametrize("case", CASES)
class TestTwoProcesses:
    def test_they_have_the_weights_of_one_with_the_joined_batch(self, case: str, found: dict[str, Any]) -> None:
        alone, together = (found[rank]["cases"][case]["weights"] for rank in ("1-0", "2-0"))
        assert alone.keys() == together.keys()
        for name, value in alone.items():
            assert distance(value, together[name]) < TOLERANCE, name

    def test_they_have_its_gradients(self, case: str, found: dict[str, Any]) -> None:
        alone, together = (found[rank]["cases"][case]["gradients"] for rank in ("1-0", "2-0"))
        assert alone.keys() == together.keys()
        assert distance(flat(alone), flat(together)) < TOLERANCE

    def test_both_have_the_same_weights_to_the_bit(self, case: str, found: dict[str, Any]) -> None:
        first, second = (found[rank]["cases"][case]["weights"] for rank in ("2-0", "2-1"))
        assert all(torch.equal(first[name], second[name]) for name in first)

    def test_the_mean_of_their_losses_is_the_loss_of_the_joined_batch(self, case: str, found: dict[str, Any]) -> None:
        for alone, together in zip(
            found["1-0"]["cases"][case]["losses"], found["2-0"]["cases"][case]["losses"], strict=True
        ):
            assert alone.keys() == together.keys()
            for name, value in alone.items():
                assert together[name] == pytest.approx(value, rel=TOLERANCE), name

    def test_each_gradient_is_sent_once_and_little_else(self, case: str, found: dict[str, Any]) -> None:
        sent = found["2-0"]["cases"][case]["bytes"]
        assert sent["gradients"] == STEPS * sent["parameters"]
        assert sent["messages"] == 2 * STEPS, "how large the parts are, and whether they fitted"
        assert sent["words"] == STEPS * (3 + 1) * 8
        assert found["1-0"]["cases"][case]["bytes"]["gradients"] == 0


def test_the_plain_mean_of_both_is_another_gradient(found: dict[str, Any]) -> None:
    """So it is the shares that make the difference: KL is a mean over frames, duration one over phonemes."""
    alone, together = (found[rank]["cases"]["the plain mean"] for rank in ("1-0", "2-0"))
    assert distance(flat(alone["gradients"]), flat(together["gradients"])) > 0.001
    furthest = max(distance(value, together["weights"][name]) for name, value in alone["weights"].items())
    assert furthest > 100 * TOLERANCE
    assert together["losses"][0]["kl"] != pytest.approx(alone["losses"][0]["kl"], rel=0.001)
    assert together["losses"][0]["mel"] == pytest.approx(alone["losses"][0]["mel"], rel=TOLERANCE)


def test_a_validation_that_is_divided_finds_the_same_means(found: dict[str, Any]) -> None:
    alone = found["1-0"]["validation"]
    assert found["2-0"]["validation"] == found["2-1"]["validation"]
    assert found["2-0"]["validation"]["metrics"] == pytest.approx(alone["metrics"], rel=TOLERANCE)
    assert (len(alone["keys"]), alone["clips_of"], alone["skipped"]) == (6, 6, [])
    assert sorted(found["2-0"]["validation"]["keys"]) == sorted(alone["keys"]), "so their losses may be compared"


def test_a_process_whose_memory_is_full_in_validation_keeps_nobody_waiting(found: dict[str, Any]) -> None:
    """The second process looks at one of three batches of two clips, here clip by clip; then at none of them."""
    for rank in ("2-0", "2-1"):
        divided, nothing = (found[rank][f"validation of {what}"] for what in ("clips", "nothing"))
        assert (len(divided["keys"]), divided["clips_of"], divided["skipped"]) == (6, 6, [])
        assert divided["metrics"] != found[rank]["validation"]["metrics"], "parts draw numbers of their own"
        assert divided["metrics"] == pytest.approx(found[rank]["validation"]["metrics"], rel=0.1)
        assert (len(nothing["keys"]), nothing["clips_of"]) == (4, 6)
        assert [line.split(":")[0] for line in nothing["skipped"]] == ["a", "b"]
    assert found["1-0"]["validation of nothing"]["metrics"] == {}


class TestARunOfTwo:
    def test_one_stop_request_makes_both_leave_at_the_same_step(self, found: dict[str, Any]) -> None:
        for rank in ("2-0", "2-1"):
            assert (found[rank]["stopped"]["outcome"], found[rank]["stopped"]["step"]) == ("stopped", 3)

    def test_only_the_first_writes(self, found: dict[str, Any]) -> None:
        assert found["2-0"]["stopped"]["saved"] == ["epoch=0-step=6.ckpt"]
        assert found["2-1"]["stopped"]["saved"] == []
        assert found["2-0"]["stopped"]["files"] == ["epoch=0-step=6.ckpt", "index.jsonl"]
        assert found["2-0"]["whole"]["saved"] == ["epoch=0-step=8.ckpt", "epoch=1-step=16.ckpt"]
        assert not found["2-0"]["whole"]["problems"] + found["2-1"]["whole"]["problems"]

    def test_a_run_that_was_stopped_and_resumed_is_to_the_bit_the_one_that_was_not(self, found: dict[str, Any]) -> None:
        """On every process: each has random numbers of its own, and the checkpoint holds all of them."""
        for rank in ("2-0", "2-1"):
            whole, resumed = found[rank]["whole"], found[rank]["resumed"]
            assert resumed["resumed_from"] == "epoch=0-step=6.ckpt"
            assert (resumed["outcome"], resumed["step"]) == ("completed", 8)
            assert all(torch.equal(resumed["weights"][name], value) for name, value in whole["weights"].items())
            assert torch.equal(resumed["random"], whole["random"])
            assert resumed["losses"] == whole["losses"][3:]
        assert not torch.equal(found["2-0"]["whole"]["random"], found["2-1"]["whole"]["random"])

    def test_both_report_the_losses_of_the_joined_batch(self, found: dict[str, Any]) -> None:
        assert found["2-0"]["whole"]["losses"] == found["2-1"]["whole"]["losses"]

    def test_a_save_after_another_one_at_the_same_step_keeps_nobody_waiting(self, found: dict[str, Any]) -> None:
        """After a resume the timer runs out at every step; the end of an epoch and of the run save as well."""
        steps = [8, 8, 10, 12, 14, 16, 16]
        expected = [f"epoch={0 if step <= 8 else 1}-step={step}.ckpt" for step in steps]
        assert found["2-0"]["resumed"]["saved"] == expected

    def test_processes_that_would_train_different_voices_are_refused(self, found: dict[str, Any]) -> None:
        assert "unequal" not in found["2-0"]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("world", [1, 2])
class TestFullMemory:
    """The first process has no memory for more than one clip; in a run of two the other one has enough."""

    def test_the_weights_are_those_of_a_run_with_enough_memory(
        self, place: str, world: int, found: dict[str, Any]
    ) -> None:
        enough = found[f"{world}-0"]["cases"]["parts of different number"]
        for rank in range(world):
            short = found[f"{world}-{rank}"]["short"][place]
            for name, value in enough["weights"].items():
                assert distance(value, short["weights"][name]) < IN_PARTS, name
            assert distance(flat(enough["gradients"]), flat(short["gradients"])) < TOLERANCE
            for one, other in zip(enough["losses"], short["losses"], strict=True):
                assert other == pytest.approx(one, rel=1e-5)

    def test_all_processes_hear_of_it_once(self, place: str, world: int, found: dict[str, Any]) -> None:
        for rank in range(world):
            (told,) = found[f"{world}-{rank}"]["short"][place]["told"]
            assert re.search(r"did not fit into the memory of cpu: it was trained in [34] parts", told)


@pytest.mark.parametrize("place", PLACES)
def test_when_both_processes_run_out_of_memory_the_weights_are_those_of_the_undivided_batch(
    place: str, found: dict[str, Any]
) -> None:
    enough = found["2-0"]["cases"]["halves of different length"]
    first, second = (found[rank]["both short"][place] for rank in ("2-0", "2-1"))
    for name, value in enough["weights"].items():
        assert torch.equal(first["weights"][name], second["weights"][name]), name
        assert distance(value, first["weights"][name]) < IN_PARTS, name
    assert len(first["told"]) == 2, "one line of each process"
    assert first["told"] == second["told"]


def test_both_processes_have_the_same_weights_to_the_bit_after_one_ran_out_of_memory(found: dict[str, Any]) -> None:
    for place in PLACES:
        first, second = (found[rank]["short"][place]["weights"] for rank in ("2-0", "2-1"))
        assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_once_did_not_fit_is_divided_beforehand(found: dict[str, Any]) -> None:
    parameters = found["2-1"]["short"]["judges"]["bytes"]["parameters"]
    # The first step sends all twice, the second one does not fail.
    assert found["2-1"]["short"]["judges"]["bytes"]["gradients"] == (STEPS + 1) * parameters


def test_a_clip_that_does_not_fit_alone_ends_all_processes_and_is_named(found: dict[str, Any]) -> None:
    for rank in ("1-0", "2-0", "2-1"):
        assert re.match(r"\d\.wav: this clip alone, \d+ frames and \d+ phonemes, does not fit", found[rank]["hopeless"])


def test_they_agree_on_what_one_of_them_says(found: dict[str, Any]) -> None:
    for rank in ("2-0", "2-1"):
        together = found[rank]["together"]
        assert together["raised"] == (True, False)
        assert together["total"] == [3.0, 2 * math.pi]
        assert together["gathered"] == [{"rank": 0}, {"rank": 1}]
        assert together["first"] == "rank 0"


def test_one_process_has_nobody_to_talk_to(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.distributed.all_reduce", None)
    ranks = Ranks(make_fabric(settings()))
    assert ranks.raised(True, False) == (True, False)
    assert ranks.total(2) == [2.0]
    weight = torch.nn.Parameter(torch.ones(2))
    mean = GradientMean(ranks, [weight])
    weight.sum().backward()
    mean.finish()
    assert weight.grad is not None
    assert weight.grad.tolist() == [1.0, 1.0]


def test_a_process_that_was_started_alone_refuses_to_train_on_two_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(TrainingError, match=r'devices is 2, but 1 process was started; set launcher to "ddp"'):
        make_fabric(settings(devices=2))


def test_means_of_processes_are_weighted_and_one_without_clips_has_no_part() -> None:
    merged = merged_means([{"mel": (6.0, 3.0)}, {"mel": (2.0, 1.0), "kl": (5.0, 2.0)}, {}])
    assert merged == {"mel": 2.0, "kl": 2.5}


def test_a_peer_that_is_lost_inside_the_backward_pass_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr("torch.distributed.all_reduce", broken)
    weight = torch.nn.Parameter(torch.ones(2))
    GradientMean(SimpleNamespace(count=2), [weight])  # type: ignore[arg-type]
    with pytest.raises(PeerLost, match="another process of this run has ended"):
        weight.sum().backward()


def test_a_full_memory_can_still_send_what_the_others_wait_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients and zeros travel in memory that was taken beforehand."""
    sent: list[tuple[int, list[float]]] = []

    def all_reduce(flat: Tensor, **_: object) -> SimpleNamespace:
        sent.append((flat.data_ptr(), flat.tolist()))
        return SimpleNamespace(wait=lambda: None)

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.distributed, "all_reduce", all_reduce)
    weights = [torch.nn.Parameter(torch.ones(size)) for size in (2, 3)]
    mean = GradientMean(SimpleNamespace(count=2), weights)  # type: ignore[arg-type]
    mean.reserve()
    for name in ("zeros", "zeros_like", "empty", "cat"):
        monkeypatch.setattr(torch, name, full)
    monkeypatch.setattr(Tensor, "new_zeros", full)
    (2.0 * weights[1].sum()).backward()
    mean.send()
    mean.recall()
    mean.send(nothing=True)
    mean.recall()
    mean.finish()
    assert [values for _, values in sent] == [[2.0] * 3 + [0.0] * 2, [0.0] * 5, [2.0] * 3 + [0.0] * 2]
    assert len({place for place, _ in sent}) == 1
    assert weights[1].grad is not None
    assert weights[1].grad.tolist() == [1.0] * 3, "half of what it and the other process, which is none here, have"


def test_a_lack_of_memory_is_not_blamed_on_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(torch.distributed, "all_reduce", full)
    weight = torch.nn.Parameter(torch.ones(2))
    GradientMean(SimpleNamespace(count=2), [weight])  # type: ignore[arg-type]
    with pytest.raises(torch.OutOfMemoryError):
        weight.sum().backward()
