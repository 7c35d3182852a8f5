"""The scan from end to end: what comes when, from where, and that a second scan touches only what changed."""

from __future__ import annotations

import dataclasses
import gc
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from local_ray import local_ray
from scan_sounds import speech, write

from core_vits import file_stamp
from workbench.api import DatasetFacts, Finding, HealthRuleSpec, Needs, RuleKind, Severity, Utterance
from workbench.host import Host
from workbench.host.records import Registered
from workbench.scan import decoding
from workbench.workers import Worker
from workbench.workers.health_report import HealthReport, scan_with
from workbench.workers.targets import health_source, health_telling
from workbench.workers.targets.health import measure_part, scan, scan_in_parts

SETTINGS = '[voice]\nname = "probe"\nlanguage = "ru"\n[audio]\nsample_rate = 16000\n[training]\nbatch_size = 4\n'


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve clips, one of them missing, and a workspace."""
    monkeypatch.setattr(file_stamp, "SETTLED_NS", 0)
    for number in range(1, 12):
        write(tmp_path / "wavs" / f"{number}.wav", speech(number))
    write(tmp_path / "wavs" / "unnamed.wav", speech(1))
    lines = [f"{number}.wav|Это предложение номер {number}." for number in range(1, 12)] + ["Nowhere.wav|Нет такого."]
    (tmp_path / "metadata.csv").write_text("\n".join(lines) + "\n\nтолько одно\n", "utf-8")
    (tmp_path / "workbench.toml").write_text(SETTINGS, "utf-8")
    return tmp_path


@pytest.fixture
def rule(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes one rule the only one."""

    def only(made: type, **spec: Any) -> None:
        needs = spec.pop("needs", frozenset({Needs.AUDIO}))
        record = HealthRuleSpec(name="probe", target="probe:rule", needs=needs, **spec)
        resolve = Host.resolve

        def health_rules(_: Host) -> list[Registered[HealthRuleSpec]]:
            return [Registered(plugin="probe", spec=record)]

        def resolved(host: Host, target: str) -> Any:
            return made if target == "probe:rule" else resolve(host, target)

        monkeypatch.setattr(Host, "health_rules", health_rules)
        monkeypatch.setattr(Host, "resolve", resolved)

    return only


class Watcher:
    """A rule that only remembers."""

    seen: list[Utterance]
    facts: DatasetFacts

    def __init__(self, facts: DatasetFacts) -> None:
        type(self).seen, type(self).facts = [], facts

    def check(self, utterance: Utterance) -> list[Finding]:
        self.seen.append(utterance)
        return []

    def finish(self) -> list[Finding]:
        return [Finding(rule="probe.late", severity=Severity.DROPS, subject="metadata.csv:3", message="Too late.")]


def test_rules_see_each_row_in_order_with_all_that_is_known(dataset: Path, rule: Callable[..., None]) -> None:
    rule(Watcher)
    scan(str(dataset))
    assert [utterance.row for utterance in Watcher.seen] == list(range(1, 13))
    first, *_, last = Watcher.seen
    assert first.container is not None
    assert first.measures is not None
    assert (first.container.kind, first.container.encoding, first.sample_rate) == ("wav", "PCM_16", 16_000)
    assert first.seconds == first.measures.seconds == len(speech(1)) / 16_000
    assert first.samples is None
    assert (last.path, last.container, last.measures, last.near) == (None, None, None, "")
    assert Watcher.facts.orphans == ("unnamed.wav",)


def test_samples_are_decoded_only_for_a_rule_that_asks(dataset: Path, rule: Callable[..., None]) -> None:
    rule(Watcher, needs=frozenset({Needs.SAMPLES}))
    scan(str(dataset))
    assert [len(utterance.samples) for utterance in Watcher.seen[:-1]] == [len(speech(n)) for n in range(1, 12)]


def test_thresholds_are_the_rules_own_unless_the_user_sets_them(dataset: Path, rule: Callable[..., None]) -> None:
    rule(Watcher, limits={"clipped_samples": 12, "longest_seconds": 20})
    with (dataset / "workbench.toml").open("a") as file:
        file.write("[health]\nclipped_samples = 3\nlongest_second = 5\n")
    report = scan(str(dataset))
    assert dict(Watcher.facts.limits) == {"clipped_samples": 3, "longest_seconds": 20, "longest_second": 5}
    (found,) = [item for item in report["findings"] if item["rule"] == "health.limit"]
    assert (found["subject"], found["level"]) == ("[health] longest_second", "warning")
    assert "did you mean 'longest_seconds'?" in found["message"]


def test_kinds_are_documented_in_the_report(dataset: Path, rule: Callable[..., None]) -> None:
    kind = RuleKind(name="probe.late", severity=Severity.DROPS, summary="late", effect="It is late.", fix="Hurry.")
    rule(Watcher, kinds=(kind,))
    report = scan(str(dataset))
    assert report["kinds"]["probe.late"] == {
        "check": "probe",
        "severity": "drops",
        "level": "error",
        "summary": "late",
        "effect": "It is late.",
        "fix": "Hurry.",
        "words": {},
    }
    assert {item["rule"] for item in report["findings"]} <= set(report["kinds"])


def test_what_is_said_at_the_end_of_a_row_changes_its_verdict(dataset: Path, rule: Callable[..., None]) -> None:
    rule(Watcher)
    parts: list[Mapping[str, Any]] = []
    end = scan_in_parts(str(dataset), parts.append)
    assert [part["verdicts"] for part in parts if "verdicts" in part] == [{"3": "drops"}]
    report = HealthReport()
    for part in parts:
        report.add(part)
    verdicts = [item["verdict"] for item in report.finish(end)["utterances"]]
    assert verdicts.index("drops") == 2


def test_parts_come_while_the_scan_goes_on(
    dataset: Path, rule: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_telling, "_SECONDS_BETWEEN_PARTS", 0.0)

    order: list[str] = []

    class Ordered(Watcher):
        def check(self, utterance: Utterance) -> list[Finding]:
            order.append(f"row {utterance.row}")
            return [Finding(rule="probe.x", severity=Severity.INFO, subject=utterance.subject, message="Seen.")]

    rule(Ordered)

    def take(part: Mapping[str, Any]) -> None:
        order.extend(f"told {item['row']}" for item in part.get("utterances", ()))
        order.extend(item["rule"] for item in part.get("findings", ()) if item["rule"].startswith("metadata"))

    end = scan_in_parts(str(dataset), take)
    assert order[:2] == ["metadata.blank", "metadata.columns"]  # before any recording is read
    assert order[2:8] == ["row 1", "told 1", "row 2", "told 2", "row 3", "told 3"]
    assert end["summary"]["clips"] == 12


def test_no_part_is_long_however_much_is_found(
    dataset: Path, rule: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health_telling, "_ROWS_IN_A_PART", 3)

    class Chatty(Watcher):
        def finish(self) -> list[Finding]:
            return [Finding(rule="probe.x", severity=Severity.INFO, subject="all", message=f"{n}.") for n in range(20)]

    rule(Chatty)
    parts: list[Mapping[str, Any]] = []
    scan_in_parts(str(dataset), parts.append)
    assert max(len(part.get(name, ())) for part in parts for name in ("findings", "utterances")) <= 3
    assert sum(len(part.get("utterances", ())) for part in parts) == 12
    assert sum(len(part.get("findings", ())) for part in parts) == 22


def test_what_is_known_only_at_the_end_travels_in_pieces(
    dataset: Path, rule: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = scan(str(dataset))
    monkeypatch.setattr(health_telling, "_LINES_IN_A_PART", 5)

    class Late(Watcher):
        def finish(self) -> list[Finding]:
            self.facts.parts()
            subjects = [f"metadata.csv:{row}" for row in range(1, 13)]
            return [Finding(rule="probe.x", severity=Severity.DROPS, subject=row, message="Late.") for row in subjects]

    rule(Late)
    parts: list[Mapping[str, Any]] = []
    end = scan_in_parts(str(dataset), parts.append)
    assert {name: [len(part[name]) for part in parts if name in part] for name in ("skipped", "verdicts", "parts")} == {
        "skipped": [2],
        "verdicts": [5, 5, 2],
        "parts": [5, 5, 1],
    }
    assert set(end) == {"summary", "kinds"}
    report = HealthReport()
    for part in parts:
        report.add(part)
    told = report.finish(end)
    assert [item["verdict"] for item in told["utterances"]] == 12 * ["drops"]
    assert [item["row"] for item in told["utterances"] if item["part"] is None] == [12]
    assert told["skipped"] == whole["skipped"]


def test_a_second_scan_measures_only_what_changed(dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = decoding.examine

    def watched(root: str, name: str) -> decoding.Examined:
        asked.append(name)
        return original(root, name)

    monkeypatch.setattr(decoding, "examine", watched)
    first = scan(str(dataset))
    assert sorted(asked) == sorted(f"{number}.wav" for number in range(1, 12))
    asked.clear()
    assert scan(str(dataset)) == first
    assert asked == []
    write(dataset / "wavs" / "4.wav", speech(5))
    second = scan(str(dataset))
    assert asked == ["4.wav"]
    changed = [new["row"] for old, new in zip(first["utterances"], second["utterances"], strict=True) if old != new]
    assert 4 in changed


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    "name",
    ["processes", pytest.param("ray", marks=pytest.mark.filterwarnings("ignore"))],  # Ray's own warnings
)
def test_every_executor_gives_the_same_report(dataset: Path, name: str) -> None:
    if name == "ray":
        local_ray()
    here = scan(str(dataset), executor_name="here")
    for file in (dataset / ".cache").rglob("*.jsonl"):
        file.unlink()
    assert scan(str(dataset), executor_name=name) == here


def test_parts_that_were_measured_apart_are_all_that_a_scan_needs(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [measure_part(str(dataset), part, 3) for part in (1, 2, 3)]
    assert [answer["measured"] for answer in answers] == [4, 4, 3]
    assert [answer["known"] for answer in answers] == [0, 0, 0]

    def refuse(root: str, name: str) -> decoding.Examined:
        raise AssertionError(f"{name} was measured again")

    monkeypatch.setattr(decoding, "examine", refuse)
    assert scan(str(dataset))["summary"]["clips"] == 12
    assert measure_part(str(dataset), 1, 1)["known"] == 11


def test_a_crash_of_the_decoder_is_a_finding_about_one_file(
    dataset: Path, rule: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    rule(Watcher)
    from workbench.workers.targets.health_work import Block, Work

    wav = str(dataset / "wavs")
    monkeypatch.setattr("workbench.executors.Processes", _Fragile)
    done = Work(wav).lost(Block(names=("1.wav", "2.wav")))
    assert done.examined["1.wav"].container.problem == ""
    assert "crashes the decoder" in done.examined["2.wav"].container.problem


class _Fragile:
    """Stands for processes of which one recording is the end."""

    def __init__(self, processes: int) -> None: ...

    def run(self, function: Any, pieces: Any, lost: Any) -> Any:
        for piece in pieces:
            yield lost(piece) if "2.wav" in piece.names else function(piece)

    def close(self) -> None: ...


def test_a_report_over_the_wire_is_the_one_that_was_made_here(dataset: Path, tmp_path: Path) -> None:
    here = scan(str(dataset))
    seen: list[Mapping[str, Any]] = []
    with Worker("audio", log=tmp_path / "log") as worker:
        told = scan_with(worker, on_part=seen.append, workspace_file=str(dataset))
    assert told == json.loads(json.dumps(here))
    assert [part["table"] for part in seen if "table" in part] == [{"rows": 12, "recordings": 11}]


def test_what_is_wrong_with_the_table_is_told_before_the_folder_is_looked_at(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(Exception):
        pass

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    monkeypatch.setattr(health_source, "Listing", stop)
    report = HealthReport()
    with pytest.raises(Stopped):
        scan_in_parts(str(dataset), report.add)
    assert [finding["rule"] for finding in report.findings] == ["metadata.blank", "metadata.columns"]
    assert [item["row"] for item in report.skipped] == [13, 14]


def test_collections_are_as_before_once_a_scan_has_failed(dataset: Path) -> None:
    before = gc.get_threshold()
    during: list[tuple[int, int, int]] = []

    def fail(_: object) -> None:
        during.append(gc.get_threshold())
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scan_in_parts(str(dataset), fail)
    assert during[0] > before == gc.get_threshold()


def test_a_dataset_without_workspace_is_scanned_by_its_settings(dataset: Path) -> None:
    from workbench.config import load_workspace, settings_as_dict

    settings = settings_as_dict(load_workspace(dataset))
    here = scan(str(dataset))
    (dataset / "workbench.toml").unlink()
    assert scan(str(dataset / "workbench.toml"), settings=settings) == here


def test_a_finding_in_json_has_every_field_and_evidence_of_its_own() -> None:
    evidence: dict[str, str | int | float | bool] = {"rows": 2}
    finding = Finding(rule="a.b", severity=Severity.DROPS, subject="x:1", message="Why.", evidence=evidence, fix="do")
    told = finding.as_json()
    assert list(told) == [field.name for field in dataclasses.fields(Finding)]
    assert told == {**dataclasses.asdict(finding), "severity": "drops"}
    evidence["rows"] = 3
    assert told["evidence"] == {"rows": 2}
