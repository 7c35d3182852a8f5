"""Read YAML and JSON files of a Piper project: data only, of a sensible size, with one line for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from workbench.config import shown
from workbench.errors import ConfigError

# A configuration of a run has 3 KB; a config.json with many speakers some hundred.
_LARGEST_YAML = 262_144
_LARGEST_JSON = 16_000_000


def read_yaml(path: Path) -> Mapping[str, Any]:
    """The settings in a YAML file.

    Raises:
        ConfigError: it is no YAML file with settings.
    """
    return parse_yaml(_text(path, _LARGEST_YAML, "a config.yaml"), shown(path))


def parse_yaml(text: str, name: str) -> Mapping[str, Any]:
    """The settings in a YAML text. Tags are not followed: what a Python object was becomes plain data.

    Raises:
        ConfigError: it is no YAML with settings.
    """
    import yaml  # 40 ms; only who adopts a project pays

    try:
        data = yaml.load(text, Loader=_plain_loader())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}" if mark is not None else name
        raise ConfigError(f"{place}: not YAML: {error.problem or error.context or 'it can not be read'}") from None
    except (yaml.YAMLError, ValueError, TypeError, OverflowError) as error:
        raise ConfigError(f"{name}: not YAML that can be read: {' '.join(str(error).split())[:200]}") from None
    except RecursionError:
        raise ConfigError(f"{name}: not YAML that can be read: nested too deeply") from None
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name}: holds no settings; a config.yaml of a Piper run is wanted")
    return {str(key): value for key, value in data.items()}


@cache
def _plain_loader() -> Any:
    import yaml

    class PlainLoader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
        """SafeLoader, which never makes an object; an unknown tag is left out instead of refused."""

    def plain(loader: Any, _suffix: str, node: Any) -> object:
        if isinstance(node, yaml.MappingNode):
            return loader.construct_mapping(node, deep=True)
        if isinstance(node, yaml.SequenceNode):
            values = loader.construct_sequence(node, deep=True)
            is_path = "pathlib" in str(node.tag) and all(isinstance(value, str) for value in values)
            return "/".join(value.rstrip("/") for value in values) or "/" if is_path else values
        return loader.construct_scalar(node)

    PlainLoader.add_multi_constructor("", plain)
    return PlainLoader


def read_json(path: Path) -> Mapping[str, Any]:
    """The settings in a JSON file.

    Raises:
        ConfigError: it is no JSON file with settings.
    """
    name = shown(path)
    try:
        data = json.loads(_text(path, _LARGEST_JSON, "a config.json"))
    except json.JSONDecodeError as error:
        raise ConfigError(f"{name}:{error.lineno}: not JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise ConfigError(f"{name}: not JSON that can be read") from None
    if not isinstance(data, Mapping):
        raise ConfigError(f"{name}: holds no settings; a config.json of Piper is wanted")
    return data


def _text(path: Path, largest: int, what: str) -> str:
    name = shown(path)
    try:
        if not path.is_file():
            raise ConfigError(f"{name}: there is no such file; {what} is wanted")
        if path.stat().st_size > largest:
            raise ConfigError(f"{name}: is larger than {largest // 1024} KB; {what} is wanted")
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{name}: byte {error.start + 1} is not UTF-8; {what} is wanted") from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"{name}: can't be read: {getattr(error, 'strerror', None) or error}") from None
