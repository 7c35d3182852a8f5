"""Rules for the options that say how long, on what and how precisely to train."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from workbench.adopt.mapper import Mapper
from workbench.adopt.values import short

_ENDLESS = 1_000_000
"""Epochs that stand for Piper's -1: at a minute each, two years."""
_ACCELERATORS: Mapping[str, str] = {"auto": "auto", "gpu": "cuda", "cuda": "cuda", "cpu": "cpu"}
_PRECISIONS: Mapping[str, str] = {
    "32": "32-true", "32-true": "32-true", "16": "16-mixed", "16-mixed": "16-mixed", "bf16": "bf16-mixed",
    "bf16-mixed": "bf16-mixed",
}  # fmt: skip
_NOTHING = ("0", "0.0", "1", "1.0", "None", "False")
_SEEDS = 2**32
_LARGEST_KEEP = 1_000_000


def map_training(mapper: Mapper) -> None:
    """Length, device, precision, seed, and what is saved."""
    _length(mapper)
    devices = _devices(mapper)
    _launch(mapper, devices)
    _precision(mapper)
    _seed(mapper)
    _saving(mapper)
    _limits(mapper)


def _length(mapper: Mapper) -> None:
    epochs = mapper.options.value("trainer.max_epochs")
    if epochs is None or epochs < 0:
        mapper.set(
            "training.epochs", _ENDLESS, "trainer.max_epochs", "Piper's training has no end; stop it when it is good"
        )
    else:
        mapper.set("training.epochs", epochs, "trainer.max_epochs")
    steps = mapper.options.value("trainer.max_steps")
    if steps is not None and steps > 0:
        mapper.set("training.max_steps", -(-steps // 2), "trainer.max_steps", "Piper counts two steps a batch")


def _devices(mapper: Mapper) -> int:
    """Processes that train; tells when the number had to be guessed."""
    name = "trainer.devices"
    value = mapper.options.value(name)
    several = value if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(item, (int, str)) for item in several):
        value = "auto"  # no number and no list of GPUs
    count = device_count(value)
    visible = mapper.invocation.visible_devices if mapper.invocation else None
    cpu = str(mapper.options.value("trainer.accelerator")).lower() == "cpu"
    if count is None and visible is not None and not cpu:
        mapper.set("training.devices", visible, name, "as many as CUDA_VISIBLE_DEVICES names")
        return visible
    if count is None:
        if not cpu:
            mapper.check(
                f"{mapper.flag(name)} {short(value)}: Piper took every GPU there was; [training] devices is 1 here, "
                "write how many it shall be"
            )
        mapper.set("training.devices", 1, name, "" if cpu else "how many there were is not known")
        return 1
    note = ""
    if isinstance(value, (list, tuple)) or (isinstance(value, str) and "," in value):
        note = f"to take those GPUs: CUDA_VISIBLE_DEVICES={','.join(str(item) for item in _numbers(value))}"
    mapper.set("training.devices", count, name, note)
    return count


def _numbers(value: Any) -> list[str]:
    return [part for part in re.split(r"[\s,\[\]()]+", str(value)) if part]


def device_count(value: Any) -> int | None:
    """A number of devices; None for all there are."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if value > 0 else None
    numbers = _numbers(value)
    if isinstance(value, (list, tuple)) or "," in str(value):
        return len(numbers) or None
    return int(numbers[0]) if len(numbers) == 1 and re.fullmatch(r"0*[1-9]\d{0,3}", numbers[0]) else None


def _launch(mapper: Mapper, devices: int) -> None:
    name = "trainer.accelerator"
    accelerator = str(mapper.options.value(name)).lower()
    if accelerator in _ACCELERATORS:
        mapper.set("training.accelerator", _ACCELERATORS[accelerator], name)
    else:
        mapper.check(f"{mapper.flag(name)} {accelerator}: only CUDA and the CPU are trained on here; auto was set")
    name = "trainer.strategy"
    strategy = str(mapper.options.value(name)).lower()
    launcher = "ddp" if devices > 1 else "local"
    if strategy in ("auto", "none"):
        mapper.set("training.launcher", launcher, name)
    elif strategy.startswith("ddp"):
        note = (
            "every parameter takes part in a step here: none has to be looked for" if "find_unused" in strategy else ""
        )
        mapper.set("training.launcher", launcher, name, note if devices > 1 else "one device needs no ddp")
    else:
        mapper.set("training.launcher", launcher, name, f"'{strategy}' does not exist here")


def _precision(mapper: Mapper) -> None:
    name = "trainer.precision"
    value = mapper.options.value(name)
    precision = _PRECISIONS.get(str(value).lower(), "") if value is not None else "32-true"
    if precision:
        mapper.set("training.precision", precision, name)
    else:
        mapper.check(f"{mapper.flag(name)} {value}: not offered here; [training] precision is 32-true")


def _seed(mapper: Mapper) -> None:
    value = mapper.options.value("seed_everything")
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _SEEDS:
        mapper.set("training.seed", value, "seed_everything")


def _saving(mapper: Mapper) -> None:
    """Lightning's ModelCheckpoint among the callbacks; other callbacks are named."""
    name = "trainer.callbacks"
    callbacks = mapper.options.value(name)
    if not callbacks:
        return
    others = []
    for callback in callbacks if isinstance(callbacks, list) else [callbacks]:
        named = callback.get("class_path") if isinstance(callback, Mapping) else callback
        path = named if isinstance(named, str) else ""
        arguments = callback.get("init_args") if isinstance(callback, Mapping) else {}
        if path.rpartition(".")[2] == "ModelCheckpoint":
            _keep(mapper, arguments if isinstance(arguments, Mapping) else {})
        else:
            others.append(path.rpartition(".")[2] or "a callback")
    if others:
        mapper.ignore(name, f"{', '.join(others[:5])}: Lightning's callbacks are not called; a plugin can have its own")


def _keep(mapper: Mapper, arguments: Mapping[str, Any]) -> None:
    name = "trainer.callbacks"
    every = _integer(arguments.get("every_n_epochs"))
    if every:
        mapper.set("training.checkpoint_every_epochs", every, name)
    top = _integer(arguments.get("save_top_k"))
    if top is None:
        return
    monitor = arguments.get("monitor")
    setting = "training.keep_best" if monitor else "training.keep_last"
    note = "" if monitor in (None, "val_mel") else f"by val_mel, which takes the place of {short(monitor)}"
    if top < 0:
        mapper.set(setting, _LARGEST_KEEP, name, "all are kept; mind the disk")
    elif top > 0:
        mapper.set(setting, top, name, note)


def _integer(value: Any) -> int | None:
    text = str(value) if isinstance(value, (int, str)) else ""
    return int(text) if re.fullmatch(r"-?\d{1,6}", text) else None


def _limits(mapper: Mapper) -> None:
    """Options that have no effect but would make a difference that is worth a look."""
    for name in ("trainer.limit_train_batches", "trainer.accumulate_grad_batches", "trainer.overfit_batches"):
        value = mapper.options.value(name)
        if mapper.options.is_given(name) and short(value) not in _NOTHING:
            mapper.check(
                f"{mapper.flag(name)} {short(value)} changed what an epoch or a step was; here it has no effect"
            )
