"""Write settings: as a commented `workbench.toml`, or as plain tables for a run directory."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import tomli_w

from workbench.config.checks import did_you_mean
from workbench.config.reading import shown, workspace_from_dict
from workbench.config.workspace import TABLES, WORKSPACE_FILE, Workspace
from workbench.errors import ConfigError

_HEAD = "# A voice of Voice Workbench. `workbench` in this folder opens it; the manual's page is `workspace`.\n"


def settings_as_dict(workspace: Workspace) -> dict[str, Any]:
    """The resolved settings as plain tables, ready for TOML or JSON; `workspace_from_dict` reads them back.

    Root and file are not in it: whoever stores the tables elsewhere adds a table `workspace` with both.
    """
    tables: dict[str, Any] = {name: _plain(dataclasses.asdict(getattr(workspace, name))) for name in TABLES}
    tables["health"] = dict(workspace.health)
    tables["plugins"] = {"disabled": [], **_plain(workspace.plugins)}
    return tables


def workspace_to_toml(workspace: Workspace, *, head: Sequence[str] = (), notes: Mapping[str, str] | None = None) -> str:
    """The workspace as a commented workspace file: every setting with its value and what it means.

    Args:
        workspace: what to write.
        head: lines to say above all settings.
        notes: more to say of a setting, by `table.key`.
    """
    pieces = [_HEAD, *(_comment(line) for line in head)]
    for name, cls in TABLES.items():
        pieces.append(f"\n[{name}]\n")
        values = getattr(workspace, name)
        for item in dataclasses.fields(cls):
            value = _plain(getattr(values, item.name))
            note = (notes or {}).get(f"{name}.{item.name}")
            pieces.append(_comment(item.metadata["about"]) + (_comment(note) if note else ""))
            pieces.append(tomli_w.dumps({item.name: value}))
    pieces.append("\n# Thresholds of the health check, by name; the manual's page is `data`.\n")
    pieces.append(tomli_w.dumps({"health": dict(workspace.health)}))
    plugins = {"disabled": [], **_plain(workspace.plugins)}
    pieces.append("\n# Names of plugins that are not loaded; settings of a plugin stand in [plugins.<name>].\n")
    pieces.append(tomli_w.dumps({"plugins": plugins}))
    return "".join(pieces)


def _comment(line: str) -> str:
    """A comment, whatever the line holds: TOML allows no control characters there."""
    return f"# {''.join(char if char.isprintable() else ' ' for char in line)}\n"


def write_workspace(workspace: Workspace, text: str | None = None) -> Path:
    """Write the workspace file of a workspace that has none yet; an existing file is never touched.

    Args:
        workspace: what to write.
        text: the file's text; `workspace_to_toml(workspace)` when None.

    Raises:
        ConfigError: there is one already, or the folder can't be written to.
    """
    file = workspace.file
    text = workspace_to_toml(workspace) if text is None else text
    try:
        descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=f".{WORKSPACE_FILE}.")
    except OSError as error:
        raise ConfigError(f"{shown(file)}: can't be written: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(temporary).chmod(0o644)
        # Unlike a rename, a link fails when the name is taken: nobody's file is replaced, whoever comes second.
        os.link(temporary, file)
    except FileExistsError:
        raise ConfigError(f"{shown(file)}: is there already; edit it, or move it away first") from None
    except OSError as error:
        raise ConfigError(f"{shown(file)}: can't be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            Path(temporary).unlink()
    return file


def with_overrides(workspace: Workspace, overrides: Mapping[str, Any]) -> Workspace:
    """A copy with some settings changed, for instance `{"training.batch_size": 8}`.

    Raises:
        ConfigError: a name is unknown or a value is wrong.
    """
    tables = settings_as_dict(workspace)
    for name, value in overrides.items():
        table, _, key = name.rpartition(".")
        owner = tables.get(table) if table in TABLES else None
        if owner is None or key not in owner:
            known = [f"{title}.{item}" for title in TABLES for item in tables[title]]
            raise ConfigError(f"unknown setting '{name}'{did_you_mean(name, known)}")
        owner[key] = value
    tables["workspace"] = {"root": str(workspace.root), "file": str(workspace.file)}
    try:
        return workspace_from_dict(tables, workspace.file)
    except ConfigError as error:
        raise ConfigError(str(error).replace(f"{shown(workspace.file)}: ", "", 1)) from None


def _plain(value: Any) -> Any:
    """Tuples as lists and mappings as dictionaries, all the way down."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
