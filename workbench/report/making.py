"""Make a report: read the situation, then let each section say what it found."""

from __future__ import annotations

import time
from pathlib import Path

from workbench.report.records import Report
from workbench.report.sections.checkpoints import checkpoints
from workbench.report.sections.configuration import configuration
from workbench.report.sections.dataset import dataset
from workbench.report.sections.dependencies import dependencies
from workbench.report.sections.environment import environment
from workbench.report.sections.logs import logs
from workbench.report.sections.model import model
from workbench.report.sections.recommendations import recommendations
from workbench.report.sections.remarks import remarks
from workbench.report.sections.scripts import scripts
from workbench.report.sections.summary import summary
from workbench.report.situation import Scan, Situation, read_situation


def make_report(place: Path, scan: Scan | None) -> Report:
    """Look at a workspace or a Piper project and report on it; nothing of it is changed.

    Args:
        place: folder of either, or a workspace file.
        scan: looks at the recordings; None to leave that out, which the report then says.

    Raises:
        ConfigError: it is neither, or its workspace file is wrong.
    """
    return report_on(read_situation(place, scan))


def report_on(here: Situation) -> Report:
    """Put what was read into the eleven sections."""
    found = [
        make(here)
        for make in (dataset, configuration, checkpoints, dependencies, environment, scripts, model, logs)
    ]  # fmt: skip
    found += [summary(found), recommendations(here, found), remarks(here)]
    return Report(
        folder=here.folder, made=time.time(), voice=here.workspace.voice.name, language=here.workspace.voice.language,
        adopted=here.adopted, scanned=here.scan is not None, sections=tuple(found),
    )  # fmt: skip
