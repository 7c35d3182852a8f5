"""Do recordings say their texts? The real service behind the data pane's `m`. Called in threads.

It has a worker of its own: a comparison may take an hour, and scans, playing and speech go on meanwhile.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from workbench.config import Workspace
from workbench.errors import PluginError
from workbench.host import Host
from workbench.jobs.rundir import PREPARED
from workbench.jobs.runs import RunView, list_runs
from workbench.mismatch.known import known_of, rows_of_scan
from workbench.tui.services import Comparison, Judge, Progress, ScanResult
from workbench.workers.client import Worker

LISTEN = "workbench.workers.targets.mismatch:listen"
SCORE = "workbench.workers.targets.alignment_scores:score"
_RUNS_OFFERED = 3


class TextComparison:
    """Recognisers and checkpoints of a workspace, asked in a worker."""

    def __init__(self, workspace: Workspace, host: Host) -> None:
        self._workspace = workspace
        self._host = host
        self._worker: Worker | None = None

    def judges(self) -> Sequence[Judge]:
        """Recognisers, then the best checkpoint of each of the latest runs."""
        found = []
        for entry in self._host.recognizers():
            why = entry.spec.available() if entry.spec.available is not None else ""
            how = "hears the recordings; about 5 min for an hour of speech"
            found.append(Judge(name=entry.spec.name, how=how, unavailable=why))
        prepared = [run for run in list_runs(self._workspace.runs) if run.best and (run.folder / PREPARED).is_file()]
        return [*found, *(judge for run in prepared[:_RUNS_OFFERED] for judge in _of_run(run))]

    def compare(self, judge: Judge, progress: Progress) -> str:
        """In a worker of its own.

        Raises:
            WorkbenchError: the recogniser or the checkpoint can't be used, or the table can't be read.
            Cancelled: `cancel` was called meanwhile.
        """
        if judge.unavailable:
            raise PluginError(judge.unavailable)
        file = str(self._workspace.file)
        with Worker("audio" if judge.checkpoint is None else "torch") as worker:
            self._worker = worker
            try:
                if judge.checkpoint is None:
                    report = worker.call(LISTEN, on_progress=progress, workspace_file=file, recognizer=judge.name)
                else:
                    report = worker.call(
                        SCORE,
                        on_progress=progress,
                        checkpoint=str(judge.checkpoint),
                        run_folder=str(judge.run),
                        table=Path(self._workspace.dataset.metadata).name,
                        workspace_file=file,
                    )
            finally:
                self._worker = None
        return told(judge, report)

    def known(self, scan: ScanResult) -> Comparison:
        """What is kept and still holds."""
        table = Path(self._workspace.dataset.metadata).name
        known = known_of(self._workspace.cache, table, rows_of_scan(scan.utterances))
        suspicion: dict[int, float] = {}
        for judge in known:
            if judge.unusable:
                continue  # it told the rows no order that means anything
            # Of two judges, the worse opinion: both scales end at their farthest clip.
            farthest = max(judge.suspicion.values(), default=0.0)
            nearest = min(judge.suspicion.values(), default=0.0)
            for row, value in judge.suspicion.items():
                share = (value - nearest) / (farthest - nearest) if farthest > nearest else 0.0
                suspicion[row] = max(suspicion.get(row, 0.0), share)
        return Comparison(findings=[finding for judge in known for finding in judge.findings], suspicion=suspicion)

    def cancel(self) -> None:
        """Kill the worker; what was judged so far is kept."""
        worker = self._worker
        if worker is not None:
            worker.cancel()

    def close(self) -> None:
        """End the worker."""
        worker = self._worker
        if worker is not None:
            worker.close()


def told(judge: Judge, report: Mapping[str, Any]) -> str:
    """One line about what was found."""
    counts = Counter(str(finding["rule"]) for finding in report["findings"] if finding["severity"] == "warns")
    if not report["summary"]["judged"]:
        return f"{judge.name} can't judge this dataset: {report['findings'][0]['message']}"
    if not counts:
        return f"✓ {judge.name} compared {report['summary']['clips']} rows: none stands out"
    listed = ", ".join(f"{rule} {number}" for rule, number in counts.most_common())
    return f"{judge.name} compared {report['summary']['clips']} rows: {listed}"


def _of_run(run: RunView) -> Iterator[Judge]:
    if run.best is not None:
        name = f"epoch {run.best.epoch} of {run.id}"
        yield Judge(
            name=name,
            how="a voice of yours says how likely it finds each clip",
            checkpoint=run.best.file,
            run=run.folder,
        )
