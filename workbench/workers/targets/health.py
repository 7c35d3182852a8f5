"""The scan of a dataset: every row, recording and text once, judged by the rules that plugins registered.

A worker runs it; it can be called directly as well. Table and folder are read first, then recordings are measured and
texts phonemized in blocks of rows, in as many processes as there are; rules are asked here, in the order of the rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from core_vits.audio import AudioError, read_recording
from core_vits.manifest import Row
from core_vits.phonemes import NUM_SYMBOLS
from workbench.api import DatasetFacts, Finding, Needs, Severity, Utterance
from workbench.config import HOP_LENGTH, Workspace
from workbench.errors import ConfigError, PluginError
from workbench.host import Host
from workbench.host.gpus import list_gpus
from workbench.jobs.dataset import own_phoneme_map
from workbench.scan.decoding import Examined
from workbench.workers.health_report import HealthReport
from workbench.workers.targets.frontend import FrontEnd, Spoken, front_end
from workbench.workers.targets.health_cache import PiperCaches
from workbench.workers.targets.health_drift import phonemizer_drift
from workbench.workers.targets.health_fate import Fates
from workbench.workers.targets.health_rules import Rules
from workbench.workers.targets.health_source import Progress, Source, Structure, Table
from workbench.workers.targets.health_summary import summary
from workbench.workers.targets.health_telling import Part, Telling
from workbench.workers.targets.health_work import Work, open_workspace
from workbench.workers.targets.process_front import phoneme_settings
from workbench.workers.targets.seldom import seldom_collected


def scan(
    workspace_file: str,
    progress: Progress | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    executor_name: str = "auto",
) -> dict[str, Any]:
    """Look at the whole dataset of a workspace.

    Args:
        workspace_file: `workbench.toml` or its folder.
        progress: called with rows done, rows in all, and what is being done.
        settings: of a workspace that has no file, as `workbench.config.settings_as_dict` gives them.
        executor_name: where recordings are measured; see `workbench.executors.NAMES`.

    Returns:
        `summary` (counts, hours, lengths, rates, phoneme coverage), `kinds` (what each kind of finding means, by its
        name), `findings` (`Finding.as_json` and `level`, the worst first) and `utterances` (`row`, `file`, `path`,
        `text`, `speaker`, `seconds`, `sample_rate`, `channels`, `peak`, `chars_per_second`, `phonemes`, `kind`,
        `encoding`, `measures`, `verdict`, and what becomes of the row: `becomes` (trained, dropped or excluded),
        `why`, and `part` of the split where a rule had to ask for it), and `skipped` (`row`, `why`: lines of the table
        that gave no row).

    Raises:
        DatasetError: the metadata can't be read at all.
        ConfigError: the workspace can't be read.
        EnvironmentProblem: the executor can't be used here.
    """
    report = HealthReport()
    end = scan_in_parts(workspace_file, report.add, progress, settings=settings, executor_name=executor_name)
    return report.finish(end)


@seldom_collected()
def scan_in_parts(
    workspace_file: str,
    part: Part,
    progress: Progress | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    executor_name: str = "auto",
) -> dict[str, Any]:
    """As `scan`; what is found is handed to `part` as soon as it is, for `HealthReport` to put together."""
    workspace = open_workspace(workspace_file, settings)
    telling = Telling(part, Path(workspace.dataset.metadata).name)
    table = Table(workspace)
    telling.begin(table)
    dataset = Structure(workspace, table)
    telling.listed(dataset)
    host = Host.load(workspace)
    rules = Rules(host)
    telling.found(rules.unknown_limits(workspace.health))
    front = _front_end(workspace, host, telling)
    if front is not None:
        telling.found(phonemizer_drift(workspace, front))
    fates = Fates(workspace, front)
    caches = PiperCaches(workspace, table.written.rows)
    facts = replace(_facts(workspace, front, dataset, rules), parts=fates.parts)
    telling.found(rules.make(facts))
    source = Source(dataset, front, Work(dataset.root, phoneme_settings(workspace, front)), executor_name)
    samples = Needs.SAMPLES in rules.needs
    try:
        for row, examined, spoken in source.rows(progress):
            utterance = _utterance(dataset, row, examined, spoken, telling.name)
            why = dataset.curation.why_excluded(row)
            if why is not None:
                telling.excluded(utterance, why)
                continue
            telling.seen.heard(spoken)
            utterance = fates.tell(row, utterance, spoken)
            caches.add(utterance)
            found = rules.check(_with_samples(utterance) if samples else utterance)
            telling.utterance(utterance, found)
        fates.keep()
        telling.found(caches.findings(front))
    finally:
        source.close()
        if front is not None:
            front.close()
    telling.found(rules.finish())
    telling.parts = fates.known_parts
    return telling.end(rules, lambda: summary(workspace, dataset.manifest, telling.seen, facts, front))


def measure_part(
    workspace_file: str,
    part_number: int,
    parts: int,
    progress: Progress | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    executor_name: str = "auto",
) -> dict[str, Any]:
    """Only measure a part of the recordings, into a memo of its own that later scans read.

    Args:
        workspace_file: see `scan`.
        part_number: 1 for the first.
        parts: how many there are.
        progress: see `scan`.
        settings: see `scan`.
        executor_name: see `scan`.

    Returns:
        `measured` and `known` recordings, and the file of the `memo`.

    Raises:
        DatasetError, ConfigError, EnvironmentProblem: see `scan`.
    """
    workspace = open_workspace(workspace_file, settings)
    dataset = Structure(workspace, Table(workspace), memo_part=f"{part_number}-of-{parts}" if parts > 1 else "")
    source = Source(dataset, None, Work(dataset.root), executor_name)
    try:
        measured, known = source.measure(slice(part_number - 1, None, parts), progress)
    finally:
        source.close()
    return {"measured": measured, "known": known, "memo": str(dataset.memo.file)}


def _front_end(workspace: Workspace, host: Host, telling: Telling) -> FrontEnd | None:
    """The phonemizer and the map; without one the scan goes on and says that training can't start."""

    def say(rule: str, severity: Severity, message: str) -> None:
        evidence = {"reason": message}
        telling.found([Finding(rule=rule, severity=severity, subject="[text]", message=message, evidence=evidence)])

    try:
        own = own_phoneme_map(workspace)
        for warning in own.warnings if own is not None else ():
            say("phonemes.map", Severity.WARNS, warning)
        return front_end(workspace, host)
    except PluginError as error:
        say("phonemes.none-installed", Severity.BLOCKS, str(error))
    except ConfigError as error:
        say("phonemes.map", Severity.BLOCKS, str(error))
    return None


def _facts(workspace: Workspace, front: FrontEnd | None, dataset: Structure, rules: Rules) -> DatasetFacts:
    return DatasetFacts(
        folder=workspace.audio_folder,
        metadata=workspace.metadata,
        language=workspace.voice.language,
        sample_rate=workspace.audio.sample_rate,
        hop_length=HOP_LENGTH,
        segment_size=workspace.training.segment_size,
        phoneme_id_map=front.id_map if front is not None else {},
        num_symbols=NUM_SYMBOLS,
        batch_size=workspace.training.batch_size,
        batching=workspace.training.batching,
        cuda_graphs=workspace.training.cuda_graphs,
        seed=workspace.training.seed,
        devices=workspace.training.devices,
        quality=workspace.voice.quality,
        precision=workspace.training.precision,
        gpu_bytes=_gpu_bytes(workspace),
        validation_split=workspace.training.validation_split,
        multi_speaker=workspace.dataset.multi_speaker,
        dataset_type=workspace.dataset.type,
        phoneme_type=front.phoneme_type if front is not None else "espeak",
        limits={**rules.limits, **workspace.health},
        orphans=dataset.orphans,
    )


def _gpu_bytes(workspace: Workspace) -> int:
    """Memory of the smallest GPU that will train; 0 where none is here."""
    if workspace.training.accelerator == "cpu":
        return 0
    used = list_gpus()[: workspace.training.devices]
    return min((int(gpu.megabytes) << 20 for gpu in used), default=0)


def _utterance(dataset: Structure, row: Row, examined: Examined | None, spoken: Spoken | None, table: str) -> Utterance:
    known = _of_recording(dataset, row, examined)
    if spoken is not None:
        ids = spoken.ids if spoken.phonemes else ()
        known |= {"phonemes": spoken.sentences, "phoneme_ids": ids, "phoneme_error": spoken.error}
    return Utterance(
        row=row.line,
        file=row.file,
        path=dataset.path(row.file),
        text=row.text,
        speaker=row.speaker,
        subject=f"{table}:{row.line}",
        **known,
    )


def _of_recording(dataset: Structure, row: Row, examined: Examined | None) -> dict[str, Any]:
    """Fields of an utterance that its recording tells."""
    if examined is None:
        near = dataset.listing.near(row.file)
        return {
            "container": dataset.special(row.file),
            "near": "" if near is None else near.name,
            "near_by": "" if near is None else near.by,
        }
    container, measures = examined.container, examined.measures
    if container.problem:
        kept = measures if measures is not None and measures.not_finite else None
        return {"container": container, "measures": kept, "audio_error": container.problem}
    return {
        "container": container,
        "measures": measures,
        "seconds": None if measures is None else measures.seconds,
        "sample_rate": container.sample_rate,
        "channels": container.channels,
    }


def _with_samples(utterance: Utterance) -> Utterance:
    """With the recording itself, which a rule asked for; it is dropped right after."""
    if utterance.path is None or utterance.audio_error:
        return utterance
    try:
        return replace(utterance, samples=read_recording(utterance.path).samples)
    except AudioError as error:
        return replace(utterance, audio_error=str(error))
