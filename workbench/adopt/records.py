"""Read a project from files that are no scripts: what a run wrote down, a compose file, a config.json."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from workbench.adopt.calls import COMPOSE, CONFIG, RECORD, Source, best_call, with_preprocessing
from workbench.adopt.documents import read_yaml
from workbench.adopt.options import Options, add_settings
from workbench.adopt.places import Places, exists
from workbench.adopt.project import LOGS, version_of
from workbench.adopt.script import FIT, LEGACY, read_script, read_script_text
from workbench.adopt.shell import TRAINERS, parse
from workbench.adopt.variables import Variables
from workbench.config import shown
from workbench.errors import ConfigError

_RECORD_KEYS = frozenset({"trainer", "model", "data", "fit", "ckpt_path", "seed_everything"})
_ABOVE = 3


def from_yaml(path: Path, variables: Mapping[str, str]) -> Source:
    """Read a config.yaml, a hparams.yaml or a compose file.

    Raises:
        ConfigError: it is none of them.
    """
    settings = read_yaml(path)
    services = settings.get("services")
    if isinstance(services, Mapping):
        return _from_compose(path, services, variables)
    name = shown(path)
    if settings.keys() & _RECORD_KEYS:
        options = Options(FIT)
        add_settings(options, settings, name)
    elif "dataset_dir" in settings or "hidden_channels" in settings:
        options = _hyperparameters(settings, name)
    else:
        raise ConfigError(f"{name}: no settings of a Piper run in it; a config.yaml of lightning_logs is wanted")
    project = next((parent.parent for parent in path.parents if parent.name == LOGS), path.parent)
    number = version_of(path)
    notes = () if number is None else (f"read from what version_{number} wrote down of its settings",)
    places = Places(project=project, starts=(project, project.parent))
    source = Source(kind=RECORD, name=name, options=options, places=places, record=path, notes=notes)
    return with_preprocessing(source, variables)


def _hyperparameters(settings: Mapping[str, Any], name: str) -> Options:
    """A hparams.yaml: the predecessor's holds all options, that of `fit` what the model is made of."""
    options = Options(LEGACY if "dataset_dir" in settings else FIT)
    plain = {key: value for key, value in settings.items() if not key.startswith("_")}
    add_settings(options, plain, name, "" if options.program == LEGACY else "model")
    options.unknown.clear()  # it holds what no option gave
    return options


def from_config(folder: Path) -> Source:
    """A dataset that Piper prepared: its config.json says language and rate, nothing says how it was trained."""
    notes = ("no script and no run says how it was trained: all but the dataset is Piper's default",)
    places = Places(project=folder, starts=(folder,))
    name = shown(folder / "config.json")
    return Source(kind=CONFIG, name=name, options=Options(FIT), places=places, notes=notes)


def _from_compose(path: Path, services: Mapping[str, Any], variables: Mapping[str, str]) -> Source:
    """The command of a container, with its environment and its folders."""
    above = (path.parent, *[*path.parents][1:_ABOVE])
    project = next((folder for folder in above if exists(folder / LOGS)), path.parent)
    files = {**_environment_file(path.parent / ".env"), **_environment_file(project / ".env")}
    for service in services.values():
        if not isinstance(service, Mapping):
            continue
        command = _command_text(service.get("command")) or _command_text(service.get("entrypoint"))
        if any(trainer in command for trainer in TRAINERS):
            environment = {**files, **_environment(service.get("environment")), **variables}
            mounts = tuple(_mounts(service.get("volumes"), Variables(environment, script=None, folder=path.parent)))
            reading = read_script(command.replace("$$", "$"), file=path, folder=project, variables=environment)
            calls = tuple(replace(call, mounts=(*call.mounts, *mounts)) for call in reading.invocations)
            return best_call(replace(reading, invocations=calls), shown(path), COMPOSE, Places(project=project))
    raise ConfigError(f"{shown(path)}: no service in it trains with Piper")


def _command_text(value: Any) -> str:
    """A command of a compose file as a shell writes it."""
    if isinstance(value, list):
        return shlex.join(str(item) for item in value if isinstance(item, (str, int, float)))
    return value if isinstance(value, str) else ""


def _environment(value: Any) -> dict[str, str]:
    """`NAME: value` or `NAME=value`; what depends on other variables is left out."""
    if isinstance(value, Mapping):
        pairs = {str(name): str(text) for name, text in value.items() if isinstance(text, (str, int, float))}
    else:
        items = value if isinstance(value, list) else []
        texts = [item.partition("=") for item in items if isinstance(item, str)]
        pairs = {name: text for name, equals, text in texts if equals}
    return {name: text for name, text in pairs.items() if text and "$" not in text}


def _environment_file(path: Path) -> dict[str, str]:
    """Settings in a `.env`, which compose reads by itself."""
    if not exists(path):
        return {}
    try:
        lines = read_script_text(path).splitlines()
    except ConfigError:
        return {}
    matches = [re.match(r"\s*(?:export\s+)?([A-Za-z_]\w*)=(.*)", line) for line in lines]
    return {match[1]: match[2].strip().strip("\"'") for match in matches if match}


def _mounts(volumes: Any, variables: Variables) -> Iterator[tuple[str, str]]:
    """Folder in the container and folder here."""
    texts = [volume for volume in volumes if isinstance(volume, str)] if isinstance(volumes, list) else []
    for text in texts:
        words = [word for command in parse(text).commands for word in command.words]
        here, _, rest = (variables.text(words[0]).value if words else "").partition(":")
        there = rest.partition(":")[0]
        if here and there.startswith("/"):
            yield there, here
