"""Findings name lines as the user's table numbers them, and give what the verdict stands on."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.api import Severity
from workbench.mismatch import kinds
from workbench.mismatch.judgement import Judged, Judgement, Verdict
from workbench.mismatch.report import Line, findings_of
from workbench.mismatch.search import Match


def lines(number: int, first: int = 10) -> list[Line]:
    """Rows that begin at line `first` and lie two lines apart."""
    return [
        Line(row=first + 2 * place, file=f"{place}.wav", text=f"text {place}", heard="p r i v", expected="prʲɪv")
        for place in range(number)
    ]


def elsewhere(verdict: Verdict, index: int) -> Judged:
    return Judged(verdict=verdict, distance=0.97, match=Match(index=index, distance=0.41, certainty=9.0))


def judgement(clips: Sequence[Judged], blocks: Sequence[range] = (), unusable: str = "") -> Judgement:
    return Judgement(clips=clips, limit=0.7, median=0.43, blocks=blocks, unusable=unusable)


FITS = Judged(verdict=Verdict.FITS, distance=0.4)


def test_two_swapped_rows_are_one_finding_that_names_both_lines() -> None:
    clips = [FITS, elsewhere(Verdict.SWAPPED, 2), elsewhere(Verdict.SWAPPED, 1)]
    (finding,) = findings_of(judgement(clips), lines(3), "metadata.csv")
    assert (finding.rule, finding.severity, finding.subject) == ("mismatch.swapped", Severity.WARNS, "metadata.csv:12")
    assert "the audio of line 12 fits the text of line 14 ('text 2', distance 0.41)" in finding.message
    assert "that of line 14 the text of line 12" in finding.message
    assert finding.evidence == {
        "distance": 0.97,
        "threshold": 0.7,
        "heard": "p r i v",
        "expected": "prʲɪv",
        "best_line": 14,
        "best_distance": 0.41,
    }


def test_a_recording_that_fits_another_line_names_it() -> None:
    (finding,) = findings_of(judgement([elsewhere(Verdict.ELSEWHERE, 1), FITS]), lines(2), "m.csv")
    assert finding.rule == "mismatch.other-line"
    assert finding.evidence["best_line"] == 12
    assert "line 10 fits the text of line 12" in finding.message


def test_a_block_is_one_finding_with_its_first_and_last_line_and_where_it_belongs() -> None:
    clips = [FITS, *(elsewhere(Verdict.SHIFTED, place + 1) for place in (1, 2, 3)), FITS]
    clips[2] = Judged(verdict=Verdict.SHIFTED, distance=0.9)  # its text is too short, so it fits nothing
    (finding,) = findings_of(judgement(clips, [range(1, 4)]), lines(5), "m.csv")
    assert finding.rule == "mismatch.shifted"
    assert finding.subject == "m.csv:12"
    assert "lines 12 to 16 fits the texts 1 row below (lines 14 to 18; 2 recordings agree)" in finding.message
    assert finding.evidence["offset"] == 1
    assert finding.evidence["clips"] == 2


def test_wrong_warns_and_doubtful_only_informs() -> None:
    clips = [Judged(verdict=Verdict.WRONG, distance=0.9), Judged(verdict=Verdict.DOUBTFUL, distance=0.72)]
    wrong, doubtful = findings_of(judgement(clips), lines(2), "m.csv")
    assert (wrong.rule, wrong.severity) == ("mismatch.text", Severity.WARNS)
    assert (doubtful.rule, doubtful.severity) == ("mismatch.doubtful", Severity.INFO)
    assert "distance 0.72, usual 0.43, by chance 1" in doubtful.message


def test_what_is_not_judged_is_counted_in_one_line_each() -> None:
    clips = [Judged(verdict=Verdict.SHORT), Judged(verdict=Verdict.UNHEARD), Judged(verdict=Verdict.SHORT), FITS]
    short, unheard = findings_of(judgement(clips), lines(4), "m.csv")
    assert short.message.startswith("2 texts have fewer than 12 sounds")
    assert "line 10" in short.message
    assert short.evidence == {"clips": 2}
    assert (unheard.rule, unheard.evidence["clips"]) == ("mismatch.unheard", 1)


def test_where_nothing_can_be_judged_no_row_is_accused() -> None:
    clips = [Judged(verdict=Verdict.WRONG, distance=1.0)] * 3
    (finding,) = findings_of(judgement(clips, unusable="it is too noisy"), lines(3), "m.csv")
    assert finding.rule == "mismatch.unusable"
    assert finding.message.startswith("it is too noisy")


def test_a_long_text_is_cut_and_the_message_stays_one_line() -> None:
    line = Line(row=1, file="a", text="слово\n" * 50, heard="a " * 500, expected="a" * 500)
    (finding,) = findings_of(judgement([Judged(verdict=Verdict.WRONG, distance=1.0)]), [line], "m.csv")
    assert "\n" not in finding.message
    assert len(finding.message) < 300
    assert len(str(finding.evidence["heard"])) == len(str(finding.evidence["expected"])) == 80


def test_every_kind_says_what_it_does_and_what_to_do() -> None:
    names = [kind.name for kind in kinds.KINDS]
    assert len(set(names)) == len(names)
    for kind in kinds.KINDS:
        assert kind.name.startswith("mismatch.")
        assert kind.effect.endswith(".")
        assert kind.fix.endswith(".")
