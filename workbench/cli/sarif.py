"""A report of the health check as SARIF 2.1.0, the format in which CI systems take findings.

The standard is OASIS's: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from workbench import __version__
from workbench.config import Workspace

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_ROOT = "%SRCROOT%"


def as_sarif(report: Mapping[str, Any], workspace: Workspace) -> dict[str, Any]:
    """The findings of a report, each with its kind and the line of the table that it speaks of.

    Args:
        report: what a scan found.
        workspace: whose dataset it is; places are relative to its folder.
    """
    kinds: Mapping[str, Mapping[str, Any]] = report["kinds"]
    places = {name: place for place, name in enumerate(kinds)}
    driver = {"name": "Voice Workbench", "version": __version__, "rules": [_rule(*item) for item in kinds.items()]}
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "originalUriBaseIds": {_ROOT: {"uri": f"{workspace.root.as_uri()}/"}},
                "columnKind": "unicodeCodePoints",
                "results": [_result(finding, places, workspace) for finding in report["findings"]],
            }
        ],
    }


def _rule(name: str, kind: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": name,
        "shortDescription": {"text": kind["summary"] or name},
        "fullDescription": {"text": kind["effect"] or kind["summary"] or name},
        "help": {"text": kind["fix"] or kind["effect"] or name},
        "defaultConfiguration": {"level": kind["level"]},
    }


def _result(finding: Mapping[str, Any], places: Mapping[str, int], workspace: Workspace) -> dict[str, Any]:
    name = finding["rule"]
    result: dict[str, Any] = {
        "ruleId": name,
        "level": finding["level"],
        "message": {"text": finding["message"]},
        "locations": [_location(finding["subject"], workspace)],
        "properties": {"severity": finding["severity"], "subject": finding["subject"], **finding["evidence"]},
    }
    return result if name not in places else {**result, "ruleIndex": places[name]}


def _location(subject: str, workspace: Workspace) -> dict[str, Any]:
    """The table and its line, a recording, or the workspace file."""
    table = Path(workspace.dataset.metadata)
    name, _, line = subject.rpartition(":")
    region = {}
    if name == table.name and line.isdecimal() and int(line) > 0:
        path, region = workspace.metadata, {"region": {"startLine": int(line)}}
    elif subject.startswith("["):
        path = workspace.file
    else:
        recording = next((place / subject for place in (workspace.root, workspace.audio_folder)
                          if _is_below(place / subject)), None)  # fmt: skip
        path = workspace.metadata if subject == table.name or recording is None else recording
    return {"physicalLocation": {"artifactLocation": _artifact(path, workspace.root), **region}}


def _is_below(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _artifact(path: Path, root: Path) -> dict[str, str]:
    if path.is_relative_to(root):
        return {"uri": quote(path.relative_to(root).as_posix(), errors="surrogatepass"), "uriBaseId": _ROOT}
    return {"uri": path.absolute().as_uri()}
