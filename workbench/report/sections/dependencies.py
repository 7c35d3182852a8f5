"""4. Dependencies: what is needed against what is installed, by metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from workbench.adopt.project import compose_files, script_files
from workbench.adopt.script import read_script_text
from workbench.errors import ConfigError
from workbench.report.packages import DISTRIBUTION, PEER, Package, cuda_of_torch, installed, needed_packages
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Table, Verdict, say
from workbench.report.situation import Situation

METADATA = "importlib.metadata"
_PIN = re.compile(r"\btorch==(\d+(?:\.\d+)*)")


def dependencies(here: Situation) -> Section:
    """A table of all requirements, and torch against the driver."""
    packages = needed_packages()
    wrong = [package for package in packages if not package.good]
    rows = tuple(
        (
            Quantity(package.name), Quantity(package.wanted or say("any_version")),
            Quantity(package.installed or say("not_installed")),
            Quantity(say("state.good" if package.good else "state.wrong")),
        )
        for package in packages
    )  # fmt: skip
    statements = [
        Statement(
            Verdict.ERROR,
            say("packages.wrong", name=package.name, wanted=package.wanted, installed=package.installed)
            if package.installed
            else say("packages.missing", name=package.name, wanted=package.wanted),
            METADATA,
        )
        for package in wrong
    ]
    if packages and not wrong:
        statements.append(Statement(Verdict.OK, say("packages.good", count=len(packages)), METADATA))
    elif not packages:
        statements.append(Statement(Verdict.UNKNOWN, say("packages.unknown", name=DISTRIBUTION), METADATA))
    return Section(
        name="dependencies",
        facts=tuple(_facts(here)),
        tables=(Table(heads=("package", "wanted", "installed", "state"), rows=rows),) if rows else (),
        statements=(*statements, *_cuda(here), *_pinned(here, packages), *_piper(here)),
    )


def _facts(here: Situation) -> Iterator[Fact]:
    cuda = cuda_of_torch()
    yield Fact("workbench", Quantity(installed(DISTRIBUTION) or None), METADATA)
    yield Fact("torch", Quantity(installed("torch") or None), METADATA)
    yield Fact("torch_cuda", Quantity(say("cpu_only") if cuda == "" else cuda), "torch/version.py")
    yield Fact("driver_cuda", Quantity(here.machine.driver_cuda or None), "nvidia-smi")
    if here.adoption is not None:
        yield Fact("piper", Quantity(installed(PEER) or say("not_installed")), METADATA)


def _cuda(here: Situation) -> Iterator[Statement]:
    """Can the installed torch use the cards that are here?"""
    machine, built = here.machine, cuda_of_torch()
    if not machine.gpus:
        return
    if built == "":
        text = say("cuda.cpu_build", torch=installed("torch"), gpu=machine.gpus[0].name)
        wanted = here.workspace.training.accelerator == "cuda"
        yield Statement(Verdict.ERROR if wanted else Verdict.WARNING, text, "nvidia-smi, torch/version.py")
    elif built is None or not machine.driver_cuda:
        yield Statement(Verdict.UNKNOWN, say("cuda.unknown"), "nvidia-smi, torch/version.py")
    else:
        # Within a major version, a driver runs what is newer than itself.
        good = int(machine.driver_cuda.split(".")[0]) >= int(built.split(".")[0])
        text = say("cuda.fits" if good else "cuda.driver_old", built=built, driver=machine.driver_cuda)
        yield Statement(Verdict.OK if good else Verdict.ERROR, text, "nvidia-smi, torch/version.py")


def _pinned(here: Situation, packages: Sequence[Package]) -> Iterator[Statement]:
    """A torch that the project's own scripts install, where the workbench could not use it."""
    needed = next((package for package in packages if package.name == "torch"), None)
    for path in [*script_files(here.folder), *compose_files(here.folder)] if needed is not None else ():
        try:
            lines = read_script_text(path).splitlines()
        except ConfigError:
            continue
        for number, line in enumerate(lines, 1):
            pin = _PIN.search(line)
            if pin and needed is not None and not replace(needed, installed=pin[1]).good:
                text = say("packages.pinned", version=pin[1], wanted=needed.wanted)
                yield Statement(Verdict.WARNING, text, f"{named(path)}:{number}")


def _piper(here: Situation) -> Iterator[Statement]:
    """What the number in config.json is, and what it is not."""
    version = here.piper_config.get("piper_version")
    if not isinstance(version, str):
        return
    values = {"version": version[:40], "installed": installed(PEER), "torch": installed("torch") or "-"}
    text = say("packages.piper_here" if values["installed"] else "packages.piper_absent", **values)
    yield Statement(Verdict.OK, text, here.piper_config_name)
