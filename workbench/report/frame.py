"""What stands around the sections of every form of a report: title, circumstances, the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from workbench import __version__
from workbench.report.languages import Language
from workbench.report.places import named
from workbench.report.records import Report, Text, say


@dataclass(frozen=True, slots=True)
class Frame:
    """Title and what is said below it."""

    title: Text
    head: tuple[Text, ...]
    answer: Text


def frame(report: Report) -> Frame:
    """The frame of a report."""
    made = say(
        "made", date=report.made, version=__version__, folder=named(report.folder), language=report.language
    )  # fmt: skip
    head = [made, say("measured")] + ([] if report.adopted else [say("not_adopted")])
    if report.ready:
        answer = say("ready_warned", count=report.warnings) if report.warnings else say("ready")
    else:
        answer = say("not_known" if report.ready is None else "not_ready")
    return Frame(say("title", voice=report.voice), tuple(head), answer)


def verdict_lines(report: Report, language: Language) -> Iterator[str]:
    """The answer, and a line for each reason."""
    yield language.text(frame(report).answer)
    yield from (f"- {language.text(reason.text)}" for reason in report.reasons)
