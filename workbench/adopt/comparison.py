"""Compare what a project says with what its config.json and its runs say: one of them is out of date."""

from __future__ import annotations

from pathlib import Path

from workbench.adopt.mapper import Mapper, entry, same
from workbench.adopt.options import Options
from workbench.adopt.script import FIT
from workbench.adopt.start_rules import record_of
from workbench.adopt.values import short
from workbench.errors import ConfigError

_SHOWN = 6
# Say where things are, or how fast: what is trained does not depend on them.
_PLACES = frozenset(
    {"data.csv_path", "data.cache_dir", "data.config_path", "data.audio_dir", "data.voice_name", "data.num_workers"}
)


def compare_with_config(mapper: Mapper) -> None:
    """Piper writes config.json at every start, so it says how the newest run was started."""
    said = {
        "sample rate": ("model.sample_rate", entry(mapper.config, "audio", "sample_rate")),
        "eSpeak voice": ("data.espeak_voice", entry(mapper.config, "espeak", "voice")),
        "number of speakers": ("model.num_speakers", mapper.config.get("num_speakers")),
    }
    for what, (option, theirs) in said.items():
        own = mapper.options.value(option)
        if theirs is not None and own is not None and not same(theirs, own):
            mapper.check(f"{mapper.config_name} says {what} {short(theirs)}, the options {own}")


def compare_with_run(mapper: Mapper, checkpoint: Path) -> None:
    """What the run that wrote the checkpoint was trained with, where the project now says something else."""
    record = record_of(mapper, checkpoint) if mapper.options.program == FIT else None
    if record is None:
        return
    theirs, name = record
    options = [option for option in theirs.given if _decides(theirs, option)]
    told = [line for option in options if (line := _differing(mapper, theirs, option))]
    if told:
        more = f" and {len(told) - _SHOWN} more" if len(told) > _SHOWN else ""
        mapper.check(f"{name}, which the checkpoint comes from, has {', '.join(told[:_SHOWN])}{more}")


def _decides(theirs: Options, option: str) -> bool:
    """Whether what is trained depends on an option."""
    of_interest = option.startswith(("data.", "model.")) and option not in _PLACES and not option.endswith("_ckpt")
    return of_interest and not theirs.flag(option).reason


def _differing(mapper: Mapper, theirs: Options, option: str) -> str:
    """How an option differs; empty when it does not."""
    try:
        one, two = mapper.options.value(option), theirs.value(option)
    except ConfigError:
        return ""
    return "" if same(one, two) else f"{option} {short(two)} (now {short(one)})"
