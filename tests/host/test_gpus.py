"""What the doctor says about `[training]` on given GPUs."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench.api import Finding, Severity
from workbench.config.settings import QUALITIES, TrainingSettings
from workbench.host.gpus import Gpu, advise, clips_that_fit, list_gpus

H100 = Gpu(name="NVIDIA H100 80GB HBM3", megabytes=81_559, capability=9.0)
RTX_3060 = Gpu(name="NVIDIA GeForce RTX 3060", megabytes=12_288, capability=8.6)
T4 = Gpu(name="Tesla T4", megabytes=15_360, capability=7.5)


def about(gpus: list[Gpu], **training: object) -> dict[str, Finding]:
    settings = TrainingSettings(**training)  # type: ignore[arg-type]
    return {finding.rule: finding for finding in advise(gpus, settings, "medium")}


@pytest.mark.parametrize(
    ("gpu", "training", "severity", "fix"),
    [
        (H100, {}, Severity.INFO, 'precision = "bf16-mixed" in [training]'),
        (H100, {"tf32": False}, Severity.INFO, 'precision = "bf16-mixed" and tf32 = true in [training]'),
        (RTX_3060, {"precision": "bf16-mixed"}, Severity.OK, ""),
        (T4, {}, Severity.OK, ""),
        (T4, {"precision": "bf16-mixed"}, Severity.WARNS, 'precision = "32-true" in [training]'),
        (T4, {"precision": "16-mixed"}, Severity.WARNS, 'precision = "32-true" in [training]'),
    ],
)
def test_number_formats_are_those_of_the_generation(
    gpu: Gpu, training: dict[str, object], severity: Severity, fix: str
) -> None:
    finding = about([gpu], **training)["doctor.gpu_precision"]
    assert (finding.severity, finding.fix) == (severity, fix)
    assert gpu.name in finding.message


@pytest.mark.parametrize(
    ("gpu", "training", "severity", "fix"),
    [
        (H100, {}, Severity.INFO, "cuda_graphs = true in [training]"),
        (H100, {"cuda_graphs": True}, Severity.OK, ""),
        (H100, {"batch_size": 400}, Severity.OK, ""),
        (H100, {"precision": "16-mixed"}, Severity.OK, ""),
        (H100, {"cuda_graphs": True, "precision": "16-mixed"}, Severity.INFO, ""),
        (T4, {}, Severity.OK, ""),
        (T4, {"cuda_graphs": True, "batch_size": 30}, Severity.WARNS,
         "cuda_graphs = false or a smaller batch_size in [training]"),
    ],
)  # fmt: skip
def test_recorded_steps_are_for_fast_cards_with_room(
    gpu: Gpu, training: dict[str, object], severity: Severity, fix: str
) -> None:
    finding = about([gpu], **training)["doctor.gpu_graphs"]
    assert (finding.severity, finding.fix) == (severity, fix)


def test_the_weakest_of_the_gpus_used_decides() -> None:
    training = {"precision": "bf16-mixed", "launcher": "ddp"}
    assert about([H100, T4], devices=1, **training)["doctor.gpu_precision"].severity == Severity.OK
    assert about([H100, T4], devices=2, **training)["doctor.gpu_precision"].severity == Severity.WARNS


def test_a_batch_above_what_fits_is_warned_of_with_one_that_fits() -> None:
    fit = clips_that_fit(T4, "medium", TrainingSettings())
    assert 8 < fit < 64
    assert about([T4], batch_size=fit)["doctor.gpu_batch"].severity == Severity.OK
    finding = about([T4], batch_size=fit + 1)["doctor.gpu_batch"]
    assert (finding.severity, finding.fix) == (Severity.WARNS, f"batch_size = {fit} in [training]")
    assert clips_that_fit(T4, "medium", TrainingSettings(precision="bf16-mixed")) > fit


def test_every_quality_has_an_estimate_and_a_card_that_holds_no_model_gets_zero() -> None:
    small = Gpu(name="GT 1030", megabytes=500, capability=6.1)
    for quality in QUALITIES:
        assert clips_that_fit(H100, quality, TrainingSettings()) > clips_that_fit(T4, quality, TrainingSettings()) > 0
        assert clips_that_fit(small, quality, TrainingSettings()) == 0


def test_nothing_is_said_where_no_gpu_trains() -> None:
    assert about([]) == {}
    assert about([H100], accelerator="cpu") == {}


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("echo 'Tesla T4, 15360, 7.5'; echo 'NVIDIA H100 80GB HBM3, 81559, 9.0'", [T4, H100]),
        ("echo 'Tesla T4, 15360, [N/A]'", []),
        ("echo 'Field \"compute_cap\" is not a valid field to query.'; exit 2", []),
    ],
)
def test_the_driver_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, script: str, found: list[Gpu]) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert list_gpus() == found
