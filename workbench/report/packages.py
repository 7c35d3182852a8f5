"""Which packages are needed and which are installed, by their metadata: nothing is imported."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

DISTRIBUTION = "voice-workbench"
PEER = "piper-tts"
_CUDA = re.compile(r"^cuda\b[^=\n]*=\s*['\"](\d+\.\d+)", re.MULTILINE)
_CUDA_IN_VERSION = re.compile(r"\+cu(\d+)(\d)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """One requirement."""

    name: str
    wanted: str
    """`>=2.10`; empty: any version."""
    installed: str
    """Empty when it is not."""

    @property
    def good(self) -> bool:
        """Whether what is installed is what is wanted."""
        return bool(self.installed) and Requirement(f"x{self.wanted}").specifier.contains(
            self.installed, prereleases=True
        )


def needed_packages() -> list[Package]:
    """What the workbench and its trainer need on this machine; empty when its own metadata are not there."""
    try:
        lines = importlib.metadata.requires(DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            found.append(
                Package(name=requirement.name, wanted=str(requirement.specifier), installed=installed(requirement.name))
            )
    return found


def installed(name: str) -> str:
    """Version of an installed distribution; empty when there is none."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


def cuda_of_torch() -> str | None:
    """CUDA that the installed torch was built for; empty for a build for the CPU, None when that can't be told."""
    version = installed("torch")
    if not version:
        return None
    if version.endswith("+cpu"):
        return ""
    try:
        spec = importlib.util.find_spec("torch")
        text = Path(spec.origin).with_name("version.py").read_text(encoding="utf-8") if spec and spec.origin else ""
    except (OSError, ValueError, ImportError):
        text = ""
    match = _CUDA.search(text)
    if match:
        return match[1]
    tagged = _CUDA_IN_VERSION.search(version)
    if tagged:
        return f"{tagged[1]}.{tagged[2]}"
    return "" if re.search(r"^cuda\b[^=\n]*=\s*None", text, re.MULTILINE) else None
