"""The scan of a dataset: every row, recording and text once, judged by the rules that plugins registered.

A worker runs it; it can be called directly as well.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from core_vits.audio import AudioError, read_recording
from core_vits.manifest import Manifest, ManifestError, Problem, Row, find_recording
from core_vits.phonemes import NUM_SYMBOLS
from workbench.api import DatasetFacts, Finding, HealthRule, Severity, Utterance
from workbench.config import HOP_LENGTH, Workspace, load_workspace
from workbench.errors import ConfigError, DatasetError, PluginError
from workbench.host import Host
from workbench.jobs.dataset import own_phoneme_map, read_table
from workbench.workers.targets.frontend import FrontEnd, Spoken, front_end
from workbench.workers.targets.health_summary import Scan, summary

Progress = Callable[[float, float, str], None]

# What a problem of the metadata file does to a training, beside what `Problem.skipped` says.
_PROBLEM_SEVERITY = MappingProxyType(
    {"blank": Severity.INFO, "bom": Severity.INFO, "quote": Severity.INFO, "extra-columns": Severity.WARNS}
)
_TEXTS_AT_ONCE = 32
_UNUSABLE = frozenset({Severity.BLOCKS, Severity.DROPS})


def scan(workspace_file: str, progress: Progress | None = None) -> dict[str, Any]:
    """Look at the whole dataset of a workspace.

    Args:
        workspace_file: `workbench.toml` or its folder.
        progress: called with rows done, rows in all, and what is being done.

    Returns:
        `summary` (counts, hours, lengths, rates, phoneme coverage), `findings` (`Finding.as_json`, the worst first) and
        `utterances` (`row`, `file`, `path`, `text`, `speaker`, `seconds`, `sample_rate`, `channels`, `peak`,
        `chars_per_second`, `phonemes`, `verdict`).

    Raises:
        DatasetError: the metadata can't be read at all.
        ConfigError: the workspace can't be read.
    """
    workspace = load_workspace(Path(workspace_file))
    host = Host.load(workspace)
    manifest = _manifest(workspace)
    state = Scan()
    front = _front_end(workspace, host, state)
    facts = _facts(workspace, front)
    rules = _rules(host, facts, state)
    name = Path(workspace.dataset.metadata).name
    state.findings += [_problem_finding(problem, name) for problem in manifest.problems]
    for utterance, peak in _utterances(workspace, manifest.rows, front, name, progress, state):
        found = list(_check(rules, utterance, state))
        state.findings += found
        state.utterances.append(_as_json(utterance, peak, found))
    for rule_name, rule in list(rules.items()):
        state.findings += _guarded(rule_name, rules, rule.finish, state)
    if front is not None:
        front.close()
    _apply_late_verdicts(state, name)
    order = list(Severity)
    state.findings.sort(key=lambda finding: (order.index(finding.severity), _line(finding), finding.rule))
    return {
        "summary": summary(workspace, manifest, state, facts, front),
        "findings": [finding.as_json() for finding in state.findings],
        "utterances": state.utterances,
    }


def _manifest(workspace: Workspace) -> Manifest:
    try:
        manifest = read_table(workspace)
    except ManifestError as error:
        raise DatasetError(str(error)) from None
    if not workspace.audio_folder.is_dir():
        raise DatasetError(
            f"{workspace.dataset.audio}: there is no such folder of recordings. Correct [dataset] audio."
        )
    if not os.access(workspace.audio_folder, os.R_OK | os.X_OK):
        raise DatasetError(f"{workspace.dataset.audio}: the folder can't be read. Correct its permissions.")
    return manifest


def _front_end(workspace: Workspace, host: Host, state: Scan) -> FrontEnd | None:
    """The phonemizer and the map; without one the scan goes on and says that training can't start."""

    def say(rule: str, severity: Severity, message: str) -> None:
        state.findings.append(Finding(rule=rule, severity=severity, subject="[text]", message=message))

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


def _facts(workspace: Workspace, front: FrontEnd | None) -> DatasetFacts:
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
        validation_split=workspace.training.validation_split,
        multi_speaker=workspace.dataset.multi_speaker,
        dataset_type=workspace.dataset.type,
        phoneme_type=front.phoneme_type if front is not None else "espeak",
    )


def _rules(host: Host, facts: DatasetFacts, state: Scan) -> dict[str, HealthRule]:
    """The rules of all plugins; one that can't be made is reported and left out."""
    rules: dict[str, HealthRule] = {}
    for registered in host.health_rules():
        spec = registered.spec
        try:
            rules[spec.name] = host.resolve(spec.target)(facts)
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            state.findings.append(_broken_rule(spec.name, error))
    return rules


def _broken_rule(name: str, error: Exception) -> Finding:
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    return Finding(
        rule=f"{name}.failed",
        severity=Severity.WARNS,
        subject=f"rule {name}",
        message=f"the rule stopped working ({reason}): what it looks for was not checked. See `workbench plugins`.",
    )


def _guarded(
    name: str, rules: dict[str, HealthRule], ask: Callable[[], Iterable[Finding]], state: Scan
) -> list[Finding]:
    """The findings of one rule; a rule that raises is reported once and asked no more."""
    try:
        return list(ask())
    except Exception as error:  # noqa: BLE001 - a plugin may raise anything
        rules.pop(name, None)
        state.findings.append(_broken_rule(name, error))
        return []


def _check(rules: dict[str, HealthRule], utterance: Utterance, state: Scan) -> Iterator[Finding]:
    for name, rule in list(rules.items()):
        yield from _guarded(name, rules, lambda rule=rule: rule.check(utterance), state)  # type: ignore[misc]


def _utterances(
    workspace: Workspace,
    rows: Sequence[Row],
    front: FrontEnd | None,
    name: str,
    progress: Progress | None,
    state: Scan,
) -> Iterator[tuple[Utterance, float | None]]:
    """Each row with its recording decoded and its text phonemized, and its peak; samples are dropped right after."""
    for begin in range(0, len(rows), _TEXTS_AT_ONCE):
        part = rows[begin : begin + _TEXTS_AT_ONCE]
        spoken = front.read(part) if front is not None else [None] * len(part)
        for index, (row, words) in enumerate(zip(part, spoken, strict=True)):
            if progress is not None:
                progress(begin + index, len(rows), "recordings")
            utterance = Utterance(
                row=row.line,
                file=row.file,
                path=find_recording(workspace.audio_folder, row.file),
                text=row.text,
                speaker=row.speaker,
                subject=f"{name}:{row.line}",
            )
            if words is not None:
                utterance = _with_phonemes(utterance, words, state)
            yield _with_audio(utterance)
    if progress is not None:
        progress(len(rows), len(rows), "recordings")


def _with_phonemes(utterance: Utterance, spoken: Spoken, state: Scan) -> Utterance:
    for sentence in spoken.sentences:
        state.phonemes.update(sentence)
    state.missing.update(spoken.missing)
    ids = spoken.ids if spoken.phonemes else ()
    return replace(utterance, phonemes=spoken.sentences, phoneme_ids=ids, phoneme_error=spoken.error)


def _with_audio(utterance: Utterance) -> tuple[Utterance, float | None]:
    if utterance.path is None:
        return utterance, None
    try:
        recording = read_recording(utterance.path)
    except AudioError as error:
        return replace(utterance, audio_error=str(error)), None
    complete = replace(
        utterance,
        seconds=len(recording.samples) / recording.sample_rate,
        sample_rate=recording.sample_rate,
        channels=recording.channels,
        samples=recording.samples,
    )
    return complete, recording.peak


def _as_json(utterance: Utterance, peak: float | None, found: Sequence[Finding]) -> dict[str, Any]:
    seconds = utterance.seconds
    return {
        "row": utterance.row,
        "file": utterance.file,
        "path": None if utterance.path is None else str(utterance.path),
        "text": utterance.text,
        "speaker": utterance.speaker,
        "seconds": None if seconds is None else round(seconds, 3),
        "sample_rate": utterance.sample_rate,
        "channels": utterance.channels,
        "peak": None if peak is None else round(peak, 4),
        "chars_per_second": round(len(utterance.text.strip()) / seconds, 2) if seconds else None,
        "phonemes": " ".join("".join(sentence) for sentence in utterance.phonemes or ()),
        "verdict": _verdict(finding.severity for finding in found),
    }


def _verdict(severities: Iterable[Severity]) -> str:
    """`drops`, `warns` or `ok`: the worst that was found about a row."""
    found = set(severities)
    if found & _UNUSABLE:
        return str(Severity.DROPS)
    return str(Severity.WARNS if Severity.WARNS in found else Severity.OK)


def _apply_late_verdicts(state: Scan, name: str) -> None:
    """What a rule said of a row only at the end counts as well."""
    late: dict[str, list[Severity]] = {}
    for finding in state.findings:
        late.setdefault(finding.subject, []).append(finding.severity)
    for item in state.utterances:
        item["verdict"] = _verdict(late.get(f"{name}:{item['row']}", ()))


def _problem_finding(problem: Problem, name: str) -> Finding:
    severity = _PROBLEM_SEVERITY.get(problem.kind, Severity.DROPS if problem.skipped else Severity.WARNS)
    return Finding(
        rule=f"metadata.{problem.kind}", severity=severity, subject=f"{name}:{problem.line}", message=problem.message
    )


def _line(finding: Finding) -> int:
    digits = finding.subject.rpartition(":")[2]
    return int(digits) if digits.isdecimal() else 0
