"""Read `workbench.toml`. Every refusal is one line: file, line, what is there, what is wanted."""

from __future__ import annotations

import dataclasses
import math
import re
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workbench.config.checks import did_you_mean
from workbench.config.lines import line_of
from workbench.config.settings import SettingError
from workbench.config.workspace import TABLES, WORKSPACE_FILE, Workspace
from workbench.errors import ConfigError

# A workspace file is a page of text; more than this is a mistake, for instance a recording under the wrong name.
_LARGEST_BYTES = 1_000_000
_FEW = 8
_POSITION = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)$")


class Source:
    """Where settings were read from, to say so in errors."""

    def __init__(self, name: str, text: str = "") -> None:
        self.name = name
        self.text = text

    def error(self, message: str, table: tuple[str, ...], key: str | None = None) -> ConfigError:
        """The error with file and, where it can be found, line."""
        line = line_of(self.text, table, key) if self.text else None
        place = f"{self.name}:{line}" if line else self.name
        return ConfigError(f"{place}: {message}")


def load_workspace(path: Path) -> Workspace:
    """Read the workspace file `path`, or `workbench.toml` in the folder `path`.

    Raises:
        ConfigError: there is none, it can't be read, or a setting in it is wrong; one line that names file and line.
    """
    file = path / WORKSPACE_FILE if path.is_dir() else path
    source = Source(shown(file), _read_text(file))
    data = _parse(source)
    absolute = Path(file).absolute()
    return _workspace(data, source, file=absolute, root=absolute.parent)


def workspace_from_dict(data: Mapping[str, Any], file: Path) -> Workspace:
    """Build a workspace from tables, for instance from those of a run's `run.toml`.

    Args:
        data: tables as in `workbench.toml`; a table `workspace` may name `root` and `file`, else `file` says both.
        file: the file that the tables come from, for errors.

    Raises:
        ConfigError: a setting is missing, unknown or wrong.
    """
    tables = dict(data)
    place = tables.pop("workspace", {})
    if not isinstance(place, Mapping):
        raise ConfigError(f"{shown(file)}: 'workspace' must be a table with root and file")
    origin = Path(str(place.get("file", file))).absolute()
    root = Path(str(place.get("root", origin.parent))).absolute()
    return _workspace(tables, Source(shown(file)), file=origin, root=root)


def read_plugin_settings(workspace: Workspace | None, plugin: str, settings: type[Any]) -> Any:
    """An instance of a plugin's settings class from `[plugins.<plugin>]`.

    Raises:
        ConfigError: a setting is missing, unknown or wrong.
    """
    if workspace is None:
        return _build(settings, {}, Source(WORKSPACE_FILE), ("plugins", plugin))
    try:
        text = workspace.file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        text = ""  # only the line number is lost
    return _build(settings, workspace.plugin_settings(plugin), Source(shown(workspace.file), text), ("plugins", plugin))


def shown(file: Path) -> str:
    """A path as a user wants to read it: relative when it lies below the current folder."""
    try:
        return str(Path(file).absolute().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(file)


def _read_text(file: Path) -> str:
    name = shown(file)
    try:
        if file.exists() and not file.is_file():
            raise ConfigError(f"{name}: is not a file; a workspace file is wanted")
        if file.stat().st_size > _LARGEST_BYTES:
            raise ConfigError(f"{name}: is larger than 1 MB and can't be a workspace file; name another with -C")
        raw = file.read_bytes()
    except FileNotFoundError:
        raise ConfigError(f"{name}: there is no workspace file; write one with `workbench init`") from None
    except OSError as error:
        raise ConfigError(f"{name}: can't be read: {error.strerror or error}") from None
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{name}:{line}: byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8"
        ) from None


def _parse(source: Source) -> dict[str, Any]:
    try:
        return tomllib.loads(source.text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        position = _POSITION.search(message)
        what = _POSITION.sub("", message)
        if position is None:
            raise ConfigError(f"{source.name}: {what}") from None
        line = position[1] or str(max(1, len(source.text.splitlines())))
        column = f" (column {position[2]})" if position[2] else " (end of the file)"
        raise ConfigError(f"{source.name}:{line}: not TOML: {what[:1].lower()}{what[1:]}{column}") from None
    except RecursionError:
        raise ConfigError(f"{source.name}: not TOML that can be read: nested too deeply") from None


def _workspace(data: Mapping[str, Any], source: Source, *, file: Path, root: Path) -> Workspace:
    known = (*TABLES, "health", "plugins")
    for name, value in data.items():
        if name not in known:
            kind = "table" if isinstance(value, Mapping) else "key"
            place = f"[{name}]" if kind == "table" else f"'{name}'"
            owner = "" if kind == "table" else _owner(name)
            raise source.error(
                f"unknown {kind} {place}{owner or did_you_mean(name, known) or _settings_there(known)}", (name,)
            )
        if not isinstance(value, Mapping):
            raise source.error(f"'{name}' is {_kind(value)}; a table [{name}] is wanted", (name,))
    tables = {name: _build(cls, data.get(name, {}), source, (name,)) for name, cls in TABLES.items()}
    plugins = data.get("plugins", {})
    _check_plugins(plugins, source)
    health = _thresholds(data.get("health", {}), source)
    return Workspace(file=file, root=root, health=health, plugins=dict(plugins), **tables)


def _thresholds(table: Mapping[str, Any], source: Source) -> dict[str, float]:
    """`[health]`; its names are the rules', which are not loaded here."""
    for name, value in table.items():
        if not _is_number(value):
            raise source.error(f"{name} in [health] is {_kind(value)}; a number is wanted", ("health",), name)
    return {name: float(value) for name, value in table.items()}


def _owner(key: str) -> str:
    """Says in which table a key belongs that stands outside of all."""
    for name, cls in TABLES.items():
        if key in {item.name for item in dataclasses.fields(cls)}:
            return f" outside of a table; it belongs in [{name}]"
    return ""


def _check_plugins(plugins: Mapping[str, Any], source: Source) -> None:
    for name, value in plugins.items():
        if name == "disabled":
            if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
                raise source.error("disabled must be a list of plugin names", ("plugins",), "disabled")
        elif not isinstance(value, Mapping):
            hint = did_you_mean(name, ["disabled"])
            raise source.error(
                f"unknown key '{name}' in [plugins]{hint or '; settings of a plugin stand in [plugins.<name>]'}",
                ("plugins",),
                name,
            )


def _build(cls: type[Any], table: Mapping[str, Any], source: Source, path: tuple[str, ...]) -> Any:
    """One table as its dataclass; used for ours and for plugins' settings."""
    title = f"[{'.'.join(path)}]"
    items = {item.name: item for item in dataclasses.fields(cls)}
    hints = typing.get_type_hints(cls)
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in items:
            hint = did_you_mean(key, items) or _settings_there(items)
            raise source.error(f"unknown key '{key}' in {title}{hint}", path, key)
        ok, converted = _convert(value, hints[key])
        if not ok:
            raise source.error(f"{key} in {title} is {_kind(value)}; {_wanted(hints[key])} is wanted", path, key)
        values[key] = converted
    missing = [
        name
        for name, item in items.items()
        if name not in values and item.default is dataclasses.MISSING and item.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise source.error(f"{title} needs the key '{missing[0]}'", path)
    try:
        return cls(**values)
    except SettingError as error:
        if error.key not in table:
            raise source.error(f"{title} needs the key '{error.key}': {error.wanted or error}", path) from None
        raise source.error(f"{error} ({title})", path, error.key) from None
    except (ValueError, TypeError) as error:  # a plugin's own check
        raise source.error(f"{title}: {error}", path) from None


def _settings_there(names: Iterable[str]) -> str:
    """Says what a table may hold, where that is short; the manual says the rest."""
    there = list(names)
    if len(there) > _FEW:
        return "; the page 'workspace' of the manual (F1) lists all settings"
    return f"; there are: {', '.join(there)}" if there else "; it has no settings"


def _convert(value: object, wanted: Any) -> tuple[bool, object]:
    """Whether a TOML value is of the wanted type, and the value as that type."""
    origin = typing.get_origin(wanted)
    if wanted is Any:
        return True, value
    if origin in (typing.Union, types.UnionType):
        results = (_convert(value, choice) for choice in typing.get_args(wanted))
        return next((result for result in results if result[0]), (False, value))
    if origin in (tuple, list):
        inner = typing.get_args(wanted)[0] if typing.get_args(wanted) else Any
        if not isinstance(value, list | tuple):
            return False, value
        converted = [_convert(item, inner) for item in value]
        return all(ok for ok, _ in converted), origin(item for _, item in converted)
    if origin is not None:
        return isinstance(value, Mapping) if issubclass(origin, Mapping) else True, value
    if wanted is float:
        return _is_number(value), float(value) if isinstance(value, int) else value
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool), value
    if wanted is Path:
        return isinstance(value, str), Path(value) if isinstance(value, str) else value
    return isinstance(value, wanted) if isinstance(wanted, type) else True, value


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _wanted(hint: Any) -> str:
    names = {
        bool: "true or false",
        int: "a whole number",
        float: "a number",
        str: "a text in quotes",
        Path: "a path in quotes",
    }
    if typing.get_origin(hint) in (tuple, list):
        inner = typing.get_args(hint)[0] if typing.get_args(hint) else str
        return f"a list ({_wanted(inner)} for each item)"
    return names.get(hint, str(hint))


def _kind(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f"the text '{value}'"
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list):
        return "a list"
    return f"{value}"
