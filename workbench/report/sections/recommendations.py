"""10. Recommendations: what to type, in order."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

from workbench.config.settings import RESUME
from workbench.report.places import named
from workbench.report.records import Command, Section, Verdict, say
from workbench.report.sections.comparison import comparing
from workbench.report.situation import Situation


def recommendations(here: Situation, sections: Sequence[Section]) -> Section:
    """Commands that mend first, then those that train, watch and export."""
    wrong = {section.name for section in sections if section.verdict == Verdict.ERROR}
    return Section(name="recommendations", commands=(*_mend(here, sections, wrong), *_go_on(here)))


def _mend(here: Situation, sections: Sequence[Section], wrong: set[str]) -> Iterator[Command]:
    where = here.option
    if not here.adopted:
        folder = here.option.replace(" -C", "", 1)
        yield Command(f"workbench adopt{folder}", say("do.adopt"))
    dataset = next(section for section in sections if section.name == "dataset")
    if here.scan is None or dataset.verdict in (Verdict.ERROR, Verdict.WARNING):
        yield Command(f"workbench health{where}", say("do.health"))
    yield from comparing(here)
    if "dependencies" in wrong or "environment" in wrong:
        yield Command(f"workbench doctor{where}", say("do.doctor"))
    furthest = here.furthest
    lost = [voice for voice in here.voices if voice.ours and voice.epoch is not None]
    if lost and furthest is not None and (lost[-1].epoch or 0) > (furthest.epoch or 0):
        epoch = lost[-1].epoch
        yield Command(
            f"find / -name 'epoch={epoch}-*.ckpt' -not -path '/proc/*' 2>/dev/null", say("do.find", epoch=epoch)
        )
        moved = f"{lost[-1].path.name}.old"
        line = f"mv {shlex.quote(named(lost[-1].path))} {shlex.quote(named(lost[-1].path.with_name(moved)))}"
        yield Command(line, say("do.set_aside", epoch=furthest.epoch))


def _go_on(here: Situation) -> Iterator[Command]:
    where, begin = here.option, _begin(here)
    yield Command(f"workbench train --plan{begin}{where}", say("do.plan"))
    yield Command(f"workbench train{begin} --detach{where}", say("do.train"))
    yield Command(f"workbench runs latest --follow{where}", say("do.follow"))
    yield Command(f"workbench export best{where}", say("do.export"))
    yield Command(f"workbench speak --with best{where}", say("do.speak"))


def _begin(here: Situation) -> str:
    """Options that make a training go on from where most is trained."""
    start, furthest, workspace = here.start, here.furthest, here.workspace
    # The settings name a checkpoint that a run resumes, and nothing is further than that.
    resumes = workspace.start_checkpoint is not None and workspace.start.mode == RESUME
    epoch = start.epoch if resumes and start is not None and start.epoch is not None else -1
    if furthest is None or epoch >= (furthest.epoch or 0):
        options = ""
    elif furthest.path.is_relative_to(workspace.runs):
        options = f" --resume {shlex.quote(furthest.path.parent.parent.name)}"
    else:
        options = f" --from {shlex.quote(named(furthest.path))}"
    return f"{options} --epochs {2 * workspace.training.epochs}" if here.is_done else options
