"""Find the commands of a script that train with Piper, or that prepared the data for its first version."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from workbench.adopt.shell import Command, Word, parse
from workbench.adopt.variables import Text, Variables, changed_folder, is_assignment
from workbench.config import shown
from workbench.errors import ConfigError

FIT, LEGACY, PREPROCESS = "fit", "legacy", "preprocess"
"""Programs: `piper.train fit`, `piper_train`, `piper_train.preprocess`."""
PROGRAMS: Mapping[str, str] = {
    "piper.train": FIT,
    "piper.train.__main__": FIT,
    "piper_train": LEGACY,
    "piper_train.preprocess": PREPROCESS,
}
LARGEST_BYTES = 262_144

_OPENING = frozenset({"if", "for", "while", "until", "case", "select", "{"})
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_BEFORE_COMMANDS = frozenset({"then", "else", "elif", "do", "!", "time", "{", "if", "while", "until"})
_DECLARING = frozenset({"export", "declare", "typeset", "local", "readonly"})
_INCLUDES_DEEP = 3
# Names for which the environment of a virtual environment is not worth reading.
_NO_SETTINGS = frozenset({"activate", "activate.fish", "activate.csh"})
# Programs that run a command line which they get as one argument; a shell says so by `-c`.
_HAND_OVER = frozenset({"eval", "ssh", "tmux", "screen", "srun", "sbatch"})
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a program, with the line that it stands on."""

    text: Text
    line: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One call of a program of Piper."""

    program: str
    """`FIT`, `LEGACY` or `PREPROCESS`."""
    arguments: tuple[Argument, ...]
    """Behind the program's name; for `FIT` behind `fit` too."""
    line: int
    folder: Path | None
    """Where it is started; None when that can't be known."""
    visible_devices: int | None = None
    """GPUs that `CUDA_VISIBLE_DEVICES` leaves it; None when nothing says so."""
    mounts: tuple[tuple[str, str], ...] = ()
    """Folders of a container and those of this machine that they are: `docker run -v HERE:THERE`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What was found in a script."""

    invocations: tuple[Invocation, ...]
    loose_lines: tuple[int, ...] = ()
    """See `shell.Script`."""
    unclosed: int | None = None

    @property
    def trainings(self) -> tuple[Invocation, ...]:
        """Only the calls that train."""
        return tuple(call for call in self.invocations if call.program != PREPROCESS)


def read_script_text(path: Path) -> str:
    """A script's text; what is not UTF-8 in it is replaced.

    Raises:
        ConfigError: it can't be read, or is no script.
    """
    name = shown(path)
    try:
        if not path.is_file():
            raise ConfigError(
                f"{name}: there is no such file; name a folder, a script, a config.yaml or a command line"
            )
        if path.stat().st_size > LARGEST_BYTES:
            raise ConfigError(
                f"{name}: is larger than {LARGEST_BYTES // 1024} KB, which no script is; name another file"
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror or error}") from None
    if b"\0" in data:
        raise ConfigError(f"{name}: is not text; a script, a config.yaml or a command line is wanted")
    return data.decode("utf-8", "replace")


def read_script(text: str, *, file: Path | None, folder: Path, variables: Mapping[str, str]) -> Reading:
    """Follow a script from top to bottom, without running anything.

    Args:
        text: the script, or a command line.
        file: where it is from.
        folder: where it is started.
        variables: values that the user gives; they win.
    """
    follower = _Follower(Variables(variables, script=file, folder=folder))
    follower.follow(text, 1)
    return Reading(
        invocations=tuple(follower.found), loose_lines=tuple(follower.loose_lines), unclosed=follower.unclosed
    )


class _Follower:
    def __init__(self, variables: Variables) -> None:
        self.variables = variables
        self.found: list[Invocation] = []
        self.loose_lines: list[int] = []
        self.unclosed: int | None = None
        self._depth = 0
        self._included = 0

    def follow(self, text: str, first_line: int) -> None:
        script = parse(text, first_line)
        self.loose_lines += script.loose_lines
        self.unclosed = self.unclosed or script.unclosed
        for command in script.commands:
            self._command(command)

    def _command(self, command: Command) -> None:
        words = list(command.words)
        while words and words[0].literal in _OPENING | _CLOSING | _BEFORE_COMMANDS:
            keyword = words.pop(0).literal
            self._depth = max(0, self._depth + (keyword in _OPENING) - (keyword in _CLOSING))
            if keyword in ("for", "case", "select"):
                return  # what follows is a list of words, no command
        maybe = self._depth > 0 or command.conditional
        prefixes = 0
        while prefixes < len(words) and is_assignment(words[prefixes]):
            prefixes += 1
        if prefixes == len(words):
            for word in words:
                self.variables.assign(word, maybe=maybe)
        else:
            self._simple(words[prefixes:], words[:prefixes], maybe=maybe)

    def _simple(self, words: Sequence[Word], prefixes: Sequence[Word], *, maybe: bool) -> None:
        name = words[0].literal
        if name in _DECLARING:
            for word in words[1:]:
                self.variables.assign(word, maybe=maybe)
            return
        arguments = [Argument(field, word.line) for word in words for field in self.variables.fields(word)]
        texts = [argument.text.value for argument in arguments]
        target = changed_folder(texts, self.variables.folder)
        if target is not None:
            if not any(argument.text.missing for argument in arguments):
                self.variables.folder = target
        elif name in ("source", ".") and len(texts) > 1:
            self._include(texts[1])
        else:
            self._look(arguments, prefixes)

    def _include(self, name: str) -> None:
        """Read the settings of another script."""
        folder = self.variables.folder
        if folder is None or self._included >= _INCLUDES_DEEP or Path(name).name in _NO_SETTINGS:
            return
        try:
            text = read_script_text(folder / Path(name).expanduser())
        except (ConfigError, OSError, ValueError, RuntimeError):
            return  # a variable that it would have set is missed, and named, where it is used
        self._included += 1
        reader = _Follower(self.variables)
        reader._included = self._included
        reader.follow(text, 1)

    def _look(self, arguments: Sequence[Argument], prefixes: Sequence[Word]) -> None:
        """Is this command, or a text that it hands to another shell, a call of Piper?"""
        texts = [argument.text.value for argument in arguments]
        begin, program = _program(texts)
        if program:
            visible = self._visible_devices(prefixes, texts[:begin])
            call = Invocation(
                program=program,
                arguments=tuple(arguments[begin:]),
                line=arguments[0].line,
                folder=self.variables.folder,
                visible_devices=visible,
                mounts=_mounts(texts[:begin]),
            )
            self.found.append(call)
            return
        for number, argument in enumerate(arguments):
            text = argument.text.value
            handed_over = number and (texts[0] in _HAND_OVER or re.fullmatch(r"-[a-z]*c", texts[number - 1]))
            if handed_over and any(name in text for name in PROGRAMS):
                self._inner(text, argument, _mounts(texts[:number]))

    def _inner(self, text: str, argument: Argument, mounts: tuple[tuple[str, str], ...]) -> None:
        """A command line that is an argument, as in `bash -c "…"`: its variables have their values already."""
        if self._included >= _INCLUDES_DEEP:
            return
        reader = _Follower(self.variables)
        reader._included = self._included + 1
        folder = self.variables.folder
        reader.follow(text, argument.line)
        self.variables.folder = folder
        self.loose_lines += reader.loose_lines
        for call in reader.found:
            self.found.append(replace(call, mounts=(*call.mounts, *mounts)))

    def _visible_devices(self, prefixes: Sequence[Word], texts: Sequence[str]) -> int | None:
        settings = [self.variables.text(word).value for word in prefixes] + list(texts)
        for name in _VISIBLE:
            value = self.variables.get(name)
            found = [text.partition("=")[2] for text in settings if text.startswith(f"{name}=")]
            if not found and isinstance(value, Text) and not value.missing:
                found = [value.value]
            if found and re.fullmatch(r"\d+(,\d+)*", found[-1]):
                return found[-1].count(",") + 1
        return None


def _program(texts: Sequence[str]) -> tuple[int, str]:
    """Where the arguments of a program of Piper begin, and which it is; an empty name when it is none."""
    for index, text in enumerate(texts):
        module = texts[index + 1] if text == "-m" and index + 1 < len(texts) else ""
        program = PROGRAMS.get(module) or PROGRAMS.get(text.removeprefix("-m"), "") if text.startswith("-m") else ""
        begin = index + (2 if module in PROGRAMS else 1)
        if not program and Path(text).name in ("piper-train", "piper_train"):
            program, begin = LEGACY, index + 1
        rest = texts[begin:]
        if program and program != PREPROCESS and "fit" in rest:
            return begin, FIT
        if program in (LEGACY, PREPROCESS):
            return begin, program
        if text == "fit" and any(argument.startswith("--data.") for argument in rest):
            return index + 1, FIT  # a program of the user's that calls Piper's, with its options
    return 0, ""


def _mounts(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Folder in the container and folder here, of each `-v HERE:THERE`."""
    found = []
    for index, text in enumerate(texts):
        value = ""
        if text in ("-v", "--volume") and index + 1 < len(texts):
            value = texts[index + 1]
        elif text.startswith("--volume="):
            value = text.removeprefix("--volume=")
        here, _, there = value.partition(":")
        there = there.partition(":")[0]
        if there.startswith("/") and here:
            found.append((there, here))
    return tuple(found)
