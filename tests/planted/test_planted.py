"""Defects planted into the demo voice: each is found on its line, and what is in order is not."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from planted.benign import BENIGN
from planted.dataset import Line, Plant, Planted, Source
from planted.files import FILES
from planted.groups import groups
from planted.sounds import SOUNDS
from planted.words import WORDS

from workbench.api import DatasetFacts, Finding, HealthRuleSpec, Utterance
from workbench.api.testing import make_facts, make_measures, make_utterance, one_line
from workbench.errors import DatasetError
from workbench.host import Host
from workbench.report.findings import said_of, worded
from workbench.report.languages import language
from workbench.workers.targets.health import scan
from workbench.workers.targets.health_kinds import OWN_KINDS

# What was measured is not always known.
_WITHOUT_FACTS = frozenset({"recording.missing", "audio.unusable", "metadata.excluded"})


@pytest.fixture(scope="module")
def specs() -> list[HealthRuleSpec]:
    """The rules that are registered."""
    return [registered.spec for registered in Host.load(None).health_rules()]


@pytest.mark.parametrize("plants", [*groups(WORDS), *groups(FILES), *groups(SOUNDS)], ids=lambda group: group[0].name)
def test_planted_defects_are_found_on_their_lines(
    plants: Sequence[Plant], source: Source, cache: Path, tmp_path: Path, specs: list[HealthRuleSpec]
) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    lines: list[tuple[Plant, Line]] = [(plant, plant.do(planted)) for plant in plants]
    report = scan(str(planted.finish(cache=cache)))
    findings = report["findings"]
    missed = [
        f"{plant.name} on line {planted.number(line)}"
        for plant, line in lines
        if not plant.is_found_in(findings, planted, line)
    ]
    assert missed == [], findings
    known = {kind.name: kind for kind in OWN_KINDS} | {kind.name: kind for spec in specs for kind in spec.kinds}
    for finding in findings:
        assert finding["rule"] in known
        assert one_line(finding["message"])
        assert finding["message"].endswith(".")
    all_kinds = report["kinds"]
    for finding in findings:
        russian = worded(finding, all_kinds, language("ru"))
        assert re.search("[а-яё]{3}", russian), russian
        assert one_line(russian)
        said = said_of(finding, all_kinds).others["ru"]
        facts = all_kinds[finding["rule"]]["words"]["ru"]["facts"]
        assert said.key != "finding.bare" or not facts or finding["rule"] in _WITHOUT_FACTS, finding


def test_what_only_looks_odd_gives_no_finding(source: Source, cache: Path, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    lines = {name: change(planted) for name, change in BENIGN.items()}
    findings = scan(str(planted.finish(cache=cache)))["findings"]
    assert findings == [], {planted.number(line): name for name, line in lines.items()}


def test_a_table_in_utf_16_is_refused_with_the_command_that_converts_it(source: Source, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset", clips=3)
    folder = planted.finish()
    table = folder / "metadata.csv"
    table.write_text(table.read_text("utf-8"), "utf-16")
    with pytest.raises(DatasetError, match="iconv -f UTF-16"):
        scan(str(folder))


def test_what_all_rows_share_is_one_finding_that_lists_their_lines(source: Source, cache: Path, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset", clips=30)
    for line in planted.lines[4:]:
        line.text += "\u200b"
    planted.settings = "[health]\nrows_named = 20\n"
    (found,) = scan(str(planted.finish(cache=cache)))["findings"]
    assert (found["rule"], found["subject"]) == ("text.invisible", "metadata.csv")
    assert found["evidence"] == {"rows": 26, "lines": "5-30"}


def direct(folder: Path) -> dict[str, tuple[list[Utterance], DatasetFacts]]:
    """Utterances and facts that give each kind of finding that is not planted into recordings."""
    ids, speakers = make_facts(folder, dataset_type="phoneme_ids"), make_facts(folder, multi_speaker=True)
    row = make_utterance
    named = [row(row=number, speaker="mia") for number in range(20)]
    russian = "abdefijkmnoprstuvxyzɑɕəɛɡɪɭɵʃʌʒʲ"
    return {
        "audio.bandwidth": (
            [row(row=number, measures=make_measures(bandwidth=4_000.0)) for number in range(9)],
            make_facts(folder),
        ),
        "duplicate.clip": ([row(row=1), row(row=2, path=Path("wavs/2.wav"), same_as=1)], make_facts(folder)),
        "duplicate.split": (
            [row(row=1), row(row=2, path=Path("wavs/2.wav"))],
            make_facts(folder, parts=lambda: {1: "train", 2: "validation"}),
        ),
        "speakers.held-back": (
            [*named, row(row=30, speaker="tom")],
            make_facts(folder, multi_speaker=True, parts=lambda: {30: "test", **dict.fromkeys(range(20), "train")}),
        ),
        "text.kind": ([row(text="1 0 14 0 2")], make_facts(folder)),
        "phonemes.refused": ([row(phonemes=None, phoneme_error="no.")], make_facts(folder)),
        "phonemes.gap": ([row(phonemes=(("a", "?", "?"),))], make_facts(folder)),
        "phonemes.unknown": ([row(phonemes=(("a", "☃"),))], make_facts(folder)),
        "phonemes.switch": ([row(phonemes=(tuple("a(en)a"),))], make_facts(folder)),
        "phonemes.map": ([], make_facts(folder, phoneme_id_map={"a": [300]})),
        "phonemes.rare": (
            [row(phonemes=(tuple(russian),)) for _ in range(200)],
            make_facts(folder, phoneme_id_map={sound: [14] for sound in russian}),
        ),
        "ids.marks": ([row(phoneme_ids=(14, 0))], ids),
        "ids.unnamed": ([row(phoneme_ids=(1, 0, 99, 0, 2))], ids),
        "speakers.silent": ([*named, row(speaker="tom", path=None)], speakers),
        "speakers.few": ([*named, row(speaker="tom")], speakers),
        "speakers.unnamed": ([*named, row(speaker=" ")], speakers),
        "speakers.alike": ([*named, row(speaker="Mia")], speakers),
        "memory.clip": ([row(frames=90_000)], make_facts(folder, gpu_bytes=8 << 30)),
        "memory.batch": (
            [row(row=number, frames=900) for number in range(20)],
            make_facts(folder, gpu_bytes=5 << 30, parts=lambda: dict.fromkeys(range(20), "train")),
        ),
        "memory.graphs": (
            [row(row=number, frames=900) for number in range(20)],
            make_facts(folder, gpu_bytes=8 << 30, cuda_graphs=True, parts=lambda: dict.fromkeys(range(20), "train")),
        ),
        "dataset.too-few": ([], make_facts(folder)),
        "dataset.batch": (named[:5], make_facts(folder)),
        "dataset.validation": (named[:5], make_facts(folder)),
        "dataset.speakers": (named, speakers),
    }


def found_by(spec: HealthRuleSpec, utterances: Sequence[Utterance], facts: DatasetFacts) -> list[Finding]:
    rule: Any = Host.load(None).resolve(spec.target)(facts)
    found = [finding for utterance in utterances for finding in rule.check(utterance)]
    return [*found, *rule.finish()]


def test_kinds_that_are_not_planted_are_found_as_well(tmp_path: Path, specs: list[HealthRuleSpec]) -> None:
    for name, (utterances, facts) in direct(tmp_path).items():
        (spec,) = [spec for spec in specs if name in {kind.name for kind in spec.kinds}]
        assert name in {finding.rule for finding in found_by(spec, utterances, facts)}


def test_each_kind_of_finding_is_given_by_a_test(tmp_path: Path, specs: list[HealthRuleSpec]) -> None:
    proved = {kind for plant in (*WORDS, *FILES, *SOUNDS) for kind in plant.kinds} | set(direct(tmp_path))
    assert {kind.name for spec in specs for kind in spec.kinds} - proved == set()


def test_the_sounds_of_a_language_that_are_rare_are_named(tmp_path: Path, specs: list[HealthRuleSpec]) -> None:
    (spec,) = [spec for spec in specs if spec.name == "phonemes"]
    (found,) = [item for item in found_by(spec, *direct(tmp_path)["phonemes.rare"]) if item.rule == "phonemes.rare"]
    assert found.evidence["sounds"] == "ʑ"
    assert "ʑ (0)" in found.message


def test_a_table_in_an_old_encoding_is_one_finding_and_not_one_a_line(source: Source, tmp_path: Path) -> None:
    planted = Planted.copy(source, tmp_path / "dataset")
    folder = planted.finish()
    table = folder / "metadata.csv"
    table.write_bytes(2 * table.read_text("utf-8").encode("cp1251", "replace"))
    found = {item["rule"]: item for item in scan(str(folder))["findings"]}
    assert found["metadata.encoding"]["subject"] == "metadata.csv"
    assert found["metadata.encoding"]["message"].startswith(
        "96 lines (1, 2, 3 …) are alike; line 1 byte 17 is not UTF-8"
    )
    assert found["dataset.too-few"]["severity"] == "blocks"
