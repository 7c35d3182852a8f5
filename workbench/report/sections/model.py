"""7. The model: architecture by the settings, parameters by the checkpoint."""

from __future__ import annotations

from collections.abc import Iterator

from core_vits.config import PRESETS, ModelConfig
from core_vits.needed_memory import PARAMETERS
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Verdict, say
from workbench.report.saved import Inside
from workbench.report.situation import Situation


def model(here: Situation) -> Section:
    """What is trained."""
    quality = here.workspace.voice.quality
    config, inside = PRESETS[quality], here.inside
    return Section(name="model", facts=tuple(_facts(here, config, inside)), statements=tuple(_statements(here, inside)))


def _facts(here: Situation, config: ModelConfig, inside: Inside | None) -> Iterator[Fact]:
    quality = here.workspace.voice.quality
    place, preset = here.place("voice.quality"), say("evidence.preset", quality=quality)
    yield Fact("voice.quality", Quantity(quality), place)
    start = here.start
    counted = inside is not None and start is not None
    generator, discriminators = (inside.generator, inside.discriminators) if inside else PARAMETERS[quality]
    source = say("evidence.counted", file=start.path.name) if counted and start is not None else preset
    yield Fact("generator", Quantity(generator), source)
    yield Fact("discriminators", Quantity(discriminators), source)
    yield Fact("symbols", Quantity(config.num_symbols), preset)
    yield Fact("encoder", Quantity(say("value.encoder", layers=config.n_layers, width=config.hidden_channels)), preset)
    rates = " × ".join(map(str, config.upsample_rates))
    yield Fact("decoder", Quantity(say("value.decoder", block=config.resblock, rates=rates)), preset)
    kind = "value.stochastic" if config.use_sdp else "value.plain_predictor"
    yield Fact("durations", Quantity(say(kind)), preset)
    speakers = here.scan.speakers if here.scan is not None else None
    several = here.workspace.dataset.multi_speaker
    yield Fact("speakers", Quantity((speakers or None) if several else 1), here.place("dataset.multi_speaker"))


def _statements(here: Situation, inside: Inside | None) -> Iterator[Statement]:
    quality, start = here.workspace.voice.quality, here.start
    if start is None:
        yield Statement(Verdict.OK, say("model.fresh", quality=quality), here.place("voice.quality"))
        return
    if inside is not None and not inside.generator:
        yield Statement(Verdict.ERROR, say("model.no_weights", file=start.path.name), named(start.path))
        return
    if inside is not None and inside.lacking:
        text = say("model.lacks", file=start.path.name, count=inside.lacking)
        yield Statement(Verdict.ERROR, text, named(start.path))
        return
    if inside is None:
        yield Statement(Verdict.UNKNOWN, say("model.not_told", file=start.path.name), "workbench train --plan")
        return
    wanted = PARAMETERS[quality][0]
    if here.workspace.dataset.multi_speaker:
        yield Statement(Verdict.OK, say("model.speakers", count=inside.generator), start.path.name)
    elif inside.generator == wanted:
        yield Statement(Verdict.OK, say("model.fits", quality=quality, count=wanted), start.path.name)
    else:
        text = say("model.differs", quality=quality, wanted=wanted, found=inside.generator, file=start.path.name)
        yield Statement(Verdict.WARNING, text, start.path.name)
