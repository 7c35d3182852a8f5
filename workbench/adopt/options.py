"""What a command line or a config.yaml gives, by Piper's names, each with the place where it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from workbench.adopt.documents import read_yaml
from workbench.adopt.flags import FIT_FLAGS, Flag
from workbench.adopt.legacy_flags import LEGACY_DEFAULTS, LEGACY_FLAGS, PREPROCESS_FLAGS
from workbench.adopt.script import FIT, LEGACY, PREPROCESS, Argument, Invocation
from workbench.adopt.values import NO_VALUE, Given, converted, is_null, literal, short, unresolved
from workbench.config import did_you_mean, shown
from workbench.errors import ConfigError

FLAGS: Mapping[str, Mapping[str, Flag]] = {FIT: FIT_FLAGS, LEGACY: LEGACY_FLAGS, PREPROCESS: PREPROCESS_FLAGS}
FindFile = Callable[[str], Path | None]

_GROUPS = ("trainer", "model", "data")
# Ask for something to be printed and train nothing.
_ASKING = frozenset({"h", "help", "print_config", "version"})


@dataclass(slots=True)
class Options:
    """All options of one call; of one that is given twice, the last."""

    program: str
    given: dict[str, Given] = field(default_factory=dict)
    unknown: list[tuple[Given, str]] = field(default_factory=list)
    """Options that Piper does not have, and what may have been meant."""
    overlays: list[Path] = field(default_factory=list)
    """Files that the command line names for options."""

    def add(self, given: Given) -> None:
        """Take an option; a later one wins."""
        flags = FLAGS[self.program]
        name = _full_name(given.name, flags) if self.program != FIT else given.name
        flag = flags.get(name)
        if flag is None:
            hint = did_you_mean(given.name, flags).removeprefix("; ").removesuffix("?")
            self.unknown.append((given, hint))
            return
        name = flag.alias or name
        self.given.pop(name, None)
        self.given[name] = replace(given, name=name)

    def add_callback(self, given: Given, part: str) -> None:
        """Take one of the options that together describe callbacks: a class, or one of its arguments."""
        before = self.given.get("trainer.callbacks")
        found = list(before.value) if before is not None and isinstance(before.value, list) else []
        if part in ("", "class_path"):
            found.append({"class_path": given.value, "init_args": {}})
        elif found and isinstance(found[-1], dict):
            arguments = dict(found[-1].get("init_args") or {})
            arguments[part.removeprefix("init_args.")] = given.value
            found[-1] = {**found[-1], "init_args": arguments}
        self.add(Given("--trainer.callbacks", "trainer.callbacks", found, given.place, given.missing))

    def flag(self, name: str) -> Flag:
        """The table's entry of an option."""
        return FIT_FLAGS.get(name) or FLAGS[self.program].get(name) or Flag("any")

    def default(self, name: str) -> object:
        """Piper's value of an option that is not given."""
        if self.program == LEGACY and name in LEGACY_DEFAULTS:
            return LEGACY_DEFAULTS[name]
        return self.flag(name).default

    def value(self, name: str) -> Any:
        """The effective value, of the type that the table says.

        Raises:
            ConfigError: what is given is not of that type, or a variable in it is not known.
        """
        given = self.given.get(name)
        if given is None:
            return self.default(name)
        if given.missing:
            raise unresolved(given)
        return converted(given, self.flag(name).kind)

    def is_given(self, name: str) -> bool:
        """Whether the option is given and is not null."""
        given = self.given.get(name)
        return given is not None and not is_null(given.value)


def parse_invocation(call: Invocation, name: str, find_file: FindFile) -> Options:
    """The options of a call.

    Args:
        call: of a program of Piper.
        name: what to call the script in places.
        find_file: finds the YAML files that the call names.

    Raises:
        ConfigError: such a file is not there or can't be read.
    """
    options = Options(call.program)
    for flag, value, argument in _pairs(call.arguments, options.program):
        place = f"{name}:{argument.line}"
        key = flag.lstrip("-").removesuffix("+")
        if options.program == FIT and (flag in ("-c", "--config") or key in _GROUPS):
            _overlay(options, Given(flag, key, value, place, argument.text.missing), find_file)
        elif options.program == FIT and key.split(".")[:2] == ["trainer", "callbacks"]:
            options.add_callback(
                Given(flag, key, value, place, argument.text.missing), key[len("trainer.callbacks.") :]
            )
        elif options.program == FIT and key not in _ASKING:
            options.add(Given(flag, _known_part(key), value, place, argument.text.missing))
        elif key not in _ASKING:
            options.add(Given(flag, key.replace("-", "_"), value, place, argument.text.missing))
    return options


def _pairs(arguments: Sequence[Argument], program: str) -> Iterator[tuple[str, object, Argument]]:
    """Flag, value and where the value stands, of each option; stray words count as options without a value."""
    position = 0
    while position < len(arguments):
        argument = arguments[position]
        text = argument.text.value
        position += 1
        if not _is_flag(text):
            if text.strip() and not (program == FIT and text == "fit"):
                yield text, NO_VALUE, argument
            continue
        flag, equals, value = text.partition("=")
        if equals:
            yield flag, value, argument
        elif position < len(arguments) and not _is_flag(arguments[position].text.value):
            yield flag, arguments[position].text.value, arguments[position]
            position += 1
        else:
            yield flag, NO_VALUE, argument


def _is_flag(text: str) -> bool:
    return re.match(r"--?[A-Za-z]", text) is not None


def _known_part(name: str) -> str:
    """The option that a dotted name belongs to: `trainer.logger.save_dir` is a part of `trainer.logger`."""
    parts = name.split(".")
    for count in (2, 1):
        head = ".".join(parts[:count])
        if len(parts) > count and head in FIT_FLAGS:
            return head
    return name


def _full_name(name: str, flags: Mapping[str, Flag]) -> str:
    """The predecessor takes the beginning of a name for the name, when there is only one such."""
    if name in flags or len(name) < 3:
        return name
    longer = [flag for flag in flags if flag.startswith(name)]
    return longer[0] if len(longer) == 1 else name


def _overlay(options: Options, given: Given, find_file: FindFile) -> None:
    """Take what a YAML file gives, or an object that is written out."""
    if given.missing:
        raise unresolved(given)
    text = given.value if isinstance(given.value, str) else ""
    prefix = given.name if given.name in _GROUPS else ""
    if text.lstrip().startswith("{"):
        value = literal(text)
        if isinstance(value, Mapping):
            add_settings(options, value, given.place, prefix)
            return
    path = find_file(text) if text else None
    if path is None:
        raise ConfigError(
            f"{given.place}: {given.flag} names '{short(text)}', which is not here; copy it here, or adopt a "
            "config.yaml of lightning_logs instead"
        )
    options.overlays.append(path)
    add_settings(options, read_yaml(path), shown(path), prefix)


def add_settings(options: Options, settings: Mapping[str, Any], place: str, prefix: str = "") -> None:
    """Take the settings of a config.yaml."""
    inner = settings.get("fit")
    if not prefix and isinstance(inner, Mapping):
        add_settings(options, {key: value for key, value in settings.items() if key != "fit"}, place)
        settings = inner
    for key, value in settings.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if not prefix and key in _GROUPS and isinstance(value, Mapping):
            add_settings(options, value, place, str(key))
        else:
            options.add(Given(f"--{name}", _known_part(name), value, place, written=False))
