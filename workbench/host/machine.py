"""Checks of the machine that need no plugin and nothing heavy. Each returns findings; none raises on purpose."""

from __future__ import annotations

import ctypes.util
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from core_vits.machine import free_bytes, total_memory, usable_cores
from workbench.api import Finding, Severity

_OLDEST_PYTHON = (3, 11)
_LITTLE_DISK = 5e9
"""Bytes; a medium voice keeps about seven checkpoints of 850 MB."""
_VERY_LITTLE_DISK = 1e9
_ASK_SECONDS = 5.0


def finding(
    name: str, severity: Severity, subject: str, message: str, *, fix: str = "", **evidence: str | int | float | bool
) -> Finding:
    """A finding of the rule `doctor.<name>`."""
    return Finding(
        rule=f"doctor.{name}", severity=severity, subject=subject, message=message, fix=fix, evidence=evidence
    )


def check_python() -> Iterable[Finding]:
    """Version of the interpreter."""
    version = platform.python_version()
    if sys.version_info < _OLDEST_PYTHON:
        wanted = ".".join(map(str, _OLDEST_PYTHON))
        yield finding("python", Severity.BLOCKS, "Python", f"{version}; {wanted} or newer is needed")
    else:
        yield finding("python", Severity.OK, "Python", f"{version} at {sys.executable}")


def check_compiler() -> Iterable[Finding]:
    """A C++ compiler: needed to install from source, not to run."""
    for name in ("c++", "g++", "clang++"):
        path = shutil.which(name)
        if path:
            yield finding("compiler", Severity.OK, "C++ compiler", path)
            return
    yield finding(
        "compiler",
        Severity.INFO,
        "C++ compiler",
        "none found; only building the native extension needs one",
        fix="sudo apt install g++",
    )


def check_native() -> Iterable[Finding]:
    """Whether the native alignment is installed; looked up, not imported."""
    spec = importlib.util.find_spec("core_vits._align")
    if spec is None:
        yield finding(
            "native",
            Severity.BLOCKS,
            "native extension",
            "core_vits._align is not built; install a C++ compiler and build again",
            fix="make env",
        )
    else:
        yield finding("native", Severity.OK, "native extension", f"{spec.origin}")


def check_foreign_distribution() -> Iterable[Finding]:
    """An unrelated distribution on PyPI is called `workbench` and installs a package of the same name over ours."""
    try:
        version = importlib.metadata.version("workbench")
    except importlib.metadata.PackageNotFoundError:
        yield finding("foreign_workbench", Severity.OK, "package 'workbench'", "no foreign distribution of that name")
        return
    yield finding(
        "foreign_workbench",
        Severity.WARNS,
        "package 'workbench'",
        f"the unrelated distribution 'workbench' {version} is installed and may overwrite files of voice-workbench",
        fix="pip uninstall workbench && pip install --force-reinstall voice-workbench",
    )


def check_sound() -> Iterable[Finding]:
    """PortAudio and a sound card; a machine without them is an ordinary server."""
    library = ctypes.util.find_library("portaudio")
    if library is None:
        yield finding(
            "portaudio",
            Severity.INFO,
            "PortAudio",
            "not installed; spoken sentences are written to files and not played",
            fix="sudo apt install libportaudio2",
        )
    else:
        yield finding("portaudio", Severity.OK, "PortAudio", library)
    cards = _read(Path("/proc/asound/cards"))
    names = re.findall(r"^\s*\d+ \[[^\]]*\]: (.*)$", cards, flags=re.MULTILINE)
    if names:
        yield finding("sound_card", Severity.OK, "sound card", "; ".join(names))
    else:
        yield finding("sound_card", Severity.INFO, "sound card", "none; that is normal on a server")


def check_gpu() -> Iterable[Finding]:
    """An NVIDIA GPU, and whether the installed torch can use it."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        yield finding("gpu", Severity.INFO, "GPU", "no nvidia-smi: training runs on the CPU, which only suits 'tiny'")
        return
    code, out = ask([tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"])
    cards = [" ".join(line.split()) for line in out.splitlines() if line.strip()]
    if code != 0 or not cards:
        yield finding("gpu", Severity.WARNS, "GPU", f"nvidia-smi fails: {' '.join(out.split()) or f'exit code {code}'}")
        return
    try:
        torch = importlib.metadata.version("torch")
    except importlib.metadata.PackageNotFoundError:
        torch = ""
    if torch.endswith("+cpu"):
        yield finding(
            "gpu",
            Severity.WARNS,
            "GPU",
            f"{'; '.join(cards)}, but torch {torch} is built for the CPU only",
            fix="make env (it picks the torch that fits the machine)",
        )
    else:
        yield finding("gpu", Severity.OK, "GPU", "; ".join(cards))


def check_memory(root: Path = Path("/")) -> Iterable[Finding]:
    """Memory and cores that this process may use, and what limits them.

    Args:
        root: in which `proc` and `sys` are.
    """
    total, cores = total_memory(root), usable_cores(root)
    limits = [limit.source for limit in (total, cores) if limit is not None and "cgroup" in limit.source]
    by = f"; limited by {' and '.join(limits)}" if limits else ""
    count = f"{cores.amount} core{'' if cores.amount == 1 else 's'}"
    if total is None:
        yield finding("memory", Severity.INFO, "memory", f"the system does not say how much there is; {count}{by}")
        return
    free = min(free_bytes(root), total.amount)
    yield finding(
        "memory",
        Severity.OK,
        "memory",
        f"{total.amount / 1e9:.1f} GB, of which {free / 1e9:.1f} GB can be had; {count}{by}",
        bytes=total.amount,
        free_bytes=free,
        cores=cores.amount,
    )


def check_disk(folder: Path) -> Iterable[Finding]:
    """Free space where runs are written."""
    place = next((path for path in (folder, *folder.parents) if path.exists()), Path("/"))
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        yield finding("disk", Severity.WARNS, "disk", f"{place}: can't be asked: {error.strerror or error}")
        return
    if not place.is_dir() or not os.access(place, os.W_OK | os.X_OK):
        what = "can't be written by you; correct its permissions" if place.is_dir() else "is not a folder; move it away"
        yield finding("disk_write", Severity.BLOCKS, "disk", f"{place}: {what}, or set [paths] runs to another place")
        return
    text = f"{free / 1e9:.1f} GB free at {place}"
    if free < _VERY_LITTLE_DISK:
        yield finding("disk", Severity.BLOCKS, "disk", f"{text}; checkpoints will not fit, make room", free_bytes=free)
    elif free < _LITTLE_DISK:
        yield finding(
            "disk", Severity.WARNS, "disk", f"{text}; a medium voice keeps about 6 GB of checkpoints", free_bytes=free
        )
    else:
        yield finding("disk", Severity.OK, "disk", text, free_bytes=free)


def check_terminal(environ: Mapping[str, str]) -> Iterable[Finding]:
    """Kind of terminal and its colours."""
    kind = environ.get("TERM", "")
    if kind in ("", "dumb"):
        yield finding(
            "terminal",
            Severity.INFO,
            "terminal",
            f"TERM is {kind or 'not set'}: `workbench` prints plain lines instead of opening screens",
        )
        return
    if environ.get("NO_COLOR"):
        colours = "none (NO_COLOR)"
    elif environ.get("COLORTERM") in ("truecolor", "24bit"):
        colours = "24 bit"
    else:
        colours = "256" if "256color" in kind else "16"
    yield finding("terminal", Severity.OK, "terminal", f"TERM {kind}, colours: {colours}")
    if sys.stdout.isatty():
        size = os.get_terminal_size(sys.stdout.fileno())
        if size.columns < 80 or size.lines < 24:
            yield finding(
                "terminal_size",
                Severity.WARNS,
                "terminal",
                f"{size.columns}x{size.lines}; the screens are made for 80x24 and more",
            )


def check_tmux(environ: Mapping[str, str]) -> Iterable[Finding]:
    """Inside tmux: whether a copied command reaches the clipboard."""
    if not environ.get("TMUX"):
        return
    tool = shutil.which("tmux")
    code, value = ask([tool, "show-options", "-gv", "set-clipboard"]) if tool else (1, "")
    if code == 0 and value.strip() == "on":
        yield finding("tmux_clipboard", Severity.OK, "tmux", "copying reaches the clipboard (set-clipboard on)")
    else:
        yield finding(
            "tmux_clipboard",
            Severity.INFO,
            "tmux",
            f"copying does not reach your clipboard (set-clipboard {value.strip() or 'unknown'})",
            fix="tmux set -g set-clipboard on",
        )


def check_logind(
    etc: Path = Path("/etc/systemd"), lingering: Path = Path("/var/lib/systemd/linger")
) -> Iterable[Finding]:
    """logind may kill detached trainings when their user logs out."""
    files = [etc / "logind.conf", *sorted((etc / "logind.conf.d").glob("*.conf"))]
    settings = re.findall(r"(?im)^\s*KillUserProcesses\s*=\s*(\S+)", "\n".join(_read(path) for path in files))
    user = os.environ.get("USER") or os.environ.get("LOGNAME") or str(os.getuid())
    kills = bool(settings) and settings[-1].lower() in ("yes", "true", "1", "on")
    if not kills:
        yield finding("logind", Severity.OK, "logout", "a training outlives the login that started it")
    elif (lingering / user).exists():
        yield finding("logind", Severity.OK, "logout", f"KillUserProcesses=yes, but {user} lingers: trainings go on")
    else:
        yield finding(
            "logind",
            Severity.WARNS,
            "logout",
            "KillUserProcesses=yes: logging out kills a training",
            fix=f"loginctl enable-linger {user}",
        )


def machine_checks(folder: Path, environ: Mapping[str, str]) -> dict[str, Callable[[], Iterable[Finding]]]:
    """All checks by name; `folder` is where runs are written."""
    return {
        "python": check_python,
        "native": check_native,
        "compiler": check_compiler,
        "gpu": check_gpu,
        "memory": check_memory,
        "disk": lambda: check_disk(folder),
        "sound": check_sound,
        "terminal": lambda: check_terminal(environ),
        "tmux": lambda: check_tmux(environ),
        "logind": check_logind,
        "foreign_workbench": check_foreign_distribution,
    }


def ask(command: list[str]) -> tuple[int, str]:
    """Exit code and output of a program that must answer soon."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_ASK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"{command[0]} did not answer within {_ASK_SECONDS:.0f} s"
    except OSError as error:
        return 1, str(error.strerror or error)
    return done.returncode, done.stdout or done.stderr


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
