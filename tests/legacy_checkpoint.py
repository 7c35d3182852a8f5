"""A checkpoint as the first Piper's trainer (Lightning 1.7) left them, made out of one that its successor wrote."""

from __future__ import annotations

from pathlib import Path, PosixPath
from typing import Any

import torch


def legacy_payload(payload: dict[str, Any], *, epoch: int, batches: int, rate: float) -> dict[str, Any]:
    """The same weights and moments under the layout of Lightning 1.7.

    Args:
        payload: of piper1-gpl.
        epoch: the one that was just finished.
        batches: trained in all.
        rate: learning rate of both sides, decayed in every epoch as that trainer really did.
    """
    steps = {"total": {"ready": 2 * batches, "completed": 2 * batches}, "current": {"ready": 2, "completed": 2}}
    every = {"ready": epoch + 1, "completed": epoch, "started": epoch + 1, "processed": epoch + 1}
    done = {"ready": batches, "completed": batches, "started": batches, "processed": batches}
    fit_loop = {
        "state_dict": {},
        "epoch_loop.state_dict": {"_batches_that_stepped": batches},
        "epoch_loop.batch_progress": {"total": done, "current": done, "is_last_batch": True},
        "epoch_loop.scheduler_progress": {"total": {"ready": 2 * epoch, "completed": 2 * epoch}},
        "epoch_loop.batch_loop.state_dict": {},
        "epoch_loop.batch_loop.optimizer_loop.state_dict": {},
        "epoch_loop.batch_loop.optimizer_loop.optim_progress": {
            "optimizer": {"step": steps, "zero_grad": steps},
            "optimizer_position": 2,
        },
        "epoch_loop.batch_loop.manual_loop.state_dict": {},
        "epoch_loop.val_loop.state_dict": {},
        "epoch_progress": {"total": every, "current": every},
    }
    hyper = {
        name: value
        for name, value in payload["hyper_parameters"].items()
        if name not in ("learning_rate_d", "betas_d", "lr_decay_d", "use_mrd", "_instantiator", "mos_metric")
    }
    groups = ("lr", "betas", "eps", "weight_decay", "amsgrad", "params")
    states = []
    for state in payload["optimizer_states"]:
        group = {name: state["param_groups"][0][name] for name in groups}
        states.append(
            {"state": state["state"], "param_groups": [{**group, "lr": rate, "initial_lr": 2e-4, "betas": (0.8, 0.99)}]}
        )
    scheduler = {
        "gamma": 0.999875,
        "base_lrs": [2e-4],
        "last_epoch": epoch + 1,
        "verbose": False,
        "_step_count": epoch + 2,
        "_get_lr_called_within_step": False,
        "_last_lr": [rate],
    }
    return {
        "epoch": epoch,
        "global_step": 2 * batches,
        "pytorch-lightning_version": "1.7.7",
        "state_dict": payload["state_dict"],
        "loops": {"fit_loop": fit_loop},
        "callbacks": {"ModelCheckpoint": {"dirpath": PosixPath("/home/anna/lightning_logs/version_0/checkpoints")}},
        "optimizer_states": states,
        "lr_schedulers": [scheduler, dict(scheduler)],
        "hparams_name": "kwargs",
        "hyper_parameters": {
            **hyper,
            "dataset": [PosixPath("/home/anna/train/dataset.jsonl")],
            "dataset_dir": PosixPath("/home/anna/train"),
            "quality": "medium",
            "checkpoint_epochs": 1,
            "max_phoneme_ids": None,
            "resume_from_checkpoint": PosixPath("/home/anna/lessac.ckpt"),
        },
    }


def write_legacy(path: Path, payload: dict[str, Any], **position: Any) -> Path:
    """Save it as torch does: with pathlib's objects pickled inside."""
    torch.save(legacy_payload(payload, **position), path)
    return path
