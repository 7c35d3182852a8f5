"""Collect the settings that options become, and what is to be told about it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from workbench.adopt.flags import FIT_FLAGS
from workbench.adopt.options import Options
from workbench.adopt.places import Places
from workbench.adopt.project import Version
from workbench.adopt.script import Invocation
from workbench.adopt.values import Given, converted
from workbench.config import TABLES
from workbench.errors import ConfigError

# Options whose value is the setting's value, as it is.
_AS_THEY_ARE = (
    "data.batch_size", "data.validation_split", "data.num_test_examples", "data.trim_silence",
    "data.keep_seconds_before_silence", "data.keep_seconds_after_silence", "model.learning_rate",
    "model.learning_rate_d", "model.lr_decay", "model.lr_decay_d", "model.c_mel", "model.c_kl", "model.segment_size",
    "model.use_mrd", "model.sample_rate", "trainer.check_val_every_n_epoch",
)  # fmt: skip
# The same, where nothing that is trained depends on it: ours stays when the option is not given.
_WHEN_GIVEN = ("data.num_workers", "trainer.log_every_n_steps", "checkpoint_epochs")


@dataclass(frozen=True, slots=True)
class Mapped:
    """An option and the setting that it became."""

    setting: str
    """`training.batch_size`."""
    value: Any
    """The setting's."""
    flag: str
    """The option; empty when the setting comes from elsewhere."""
    given: str
    """The option's value as it was given; `(default)` when it was not."""
    place: str
    note: str
    written: bool
    """Whether somebody wrote the option into a command."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """An option that has no effect here."""

    flag: str
    given: str
    place: str
    reason: str


@dataclass(slots=True, kw_only=True)
class Mapper:
    """What is known of a project, and the settings that have been made of it so far."""

    options: Options
    places: Places
    root: Path
    """Folder of the workspace file."""
    invocation: Invocation | None = None
    preprocess: Options | None = None
    """The call that prepared the data of the predecessor."""
    config: Mapping[str, Any] = field(default_factory=dict)
    """Piper's config.json."""
    config_name: str = ""
    logs: Path | None = None
    versions: tuple[Version, ...] = ()
    """The runs in `logs`."""
    record: Path | None = None
    """The config.yaml of a run, when the project is read from that."""

    settings: dict[str, Any] = field(default_factory=dict)
    mapped: list[Mapped] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    """What the user should look at."""

    def set(self, setting: str, value: Any, name: str = "", note: str = "") -> bool:
        """Make a setting, and remember the option that it comes from.

        Args:
            setting: `table.key`.
            value: of the right type; one that the setting can't have is told and left out.
            name: the option.
            note: told with it.

        Returns:
            Whether the setting could have the value.
        """
        wanted = _wanted(setting, value)
        given = self.options.given.get(name)
        flag = given.flag if given else f"--{name}" if name else ""
        if wanted:
            place = f"{given.place}: " if given else ""
            self.check(f"{place}{flag} {value} can't be [{setting.replace('.', '] ')} here: {wanted}")
            return False
        if self.settings.get(setting) == value and any(item.setting == setting for item in self.mapped):
            return True
        self.settings[setting] = value
        shown = given.shown if given else "(default)" if name else ""
        self.mapped.append(
            Mapped(setting, value, flag, shown, given.place if given else "", note, bool(given and given.written))
        )
        return True

    def ignore(self, name: str, reason: str) -> None:
        """Remember that an option which was given has no effect."""
        given = self.options.given.get(name)
        if given is not None:
            self.ignored.append(Ignored(given.flag, given.shown, given.place, reason))

    def check(self, line: str) -> None:
        """Remember what the user should look at."""
        line = " ".join(line.split())
        if line not in self.checks:
            self.checks.append(line)

    def flag(self, name: str) -> str:
        """An option as the user wrote it."""
        given = self.options.given.get(name)
        return given.flag if given else f"--{name}"

    def copy_values(self) -> None:
        """The settings that are an option's value."""
        for name in _AS_THEY_ARE:
            value = self.options.value(name)
            if value is not None:
                self.set(FIT_FLAGS[name].to, value, name)
        for name in _WHEN_GIVEN:
            if self.options.is_given(name):
                self.set(self.options.flag(name).to, self.options.value(name), name)

    def name_what_has_no_effect(self) -> None:
        """Each option that was given, does nothing here and is not what Piper does anyway."""
        for name, given in self.options.given.items():
            flag = self.options.flag(name)
            if flag.reason and not same(_plain(given, flag.kind), self.options.default(name)):
                self.ignored.append(Ignored(given.flag, given.shown, given.place, flag.reason))


def _plain(given: Given, kind: str) -> object:
    try:
        return converted(given, kind)
    except ConfigError:
        return given.value  # it has no effect, so that it is wrong is only to be seen in the list


def _wanted(setting: str, value: Any) -> str:
    """What a setting wants instead of a value; empty when it may have it."""
    table, _, key = setting.partition(".")
    item = next(item for item in dataclasses.fields(TABLES[table]) if item.name == key)
    return next((wanted for check in item.metadata.get("checks", ()) if (wanted := check(value))), "")


def entry(config: Mapping[str, Any], group: str, key: str) -> Any:
    """`config[group][key]`; None where there is none."""
    inner = config.get(group)
    return inner.get(key) if isinstance(inner, Mapping) else None


def same(value: object, other: object) -> bool:
    """Whether two values say the same: lists and tuples, 45 and 45.0, "2" and 2."""
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(value) == len(other) and all(same(one, two) for one, two in zip(value, other, strict=True))
    if isinstance(value, bool) or isinstance(other, bool):
        return value is other
    return value == other or (str(value) == str(other) if _scalar(value) and _scalar(other) else False)


def _scalar(value: object) -> bool:
    return isinstance(value, (str, int, float))


def first_text(values: Iterable[object]) -> str:
    """The first that is a text with something in it; else an empty one."""
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")
