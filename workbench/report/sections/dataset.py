"""1. The dataset: rows, recordings, hours, and whether bytes and hours fit each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from core_vits.manifest import split_sizes
from workbench.report.places import named
from workbench.report.records import Fact, Quantity, Section, Statement, Table, Verdict, say
from workbench.report.sections.comparison import comparison, comparison_facts
from workbench.report.situation import Situation
from workbench.scan.piper_cache import SIZE_OF_A_GENERATION, Cache

_RULES_SHOWN = 8
_VERDICTS = {"blocks": Verdict.ERROR, "drops": Verdict.WARNING, "warns": Verdict.WARNING}


def dataset(here: Situation) -> Section:
    """Facts from the table, the headers, the scan and what was compared."""
    return Section(
        name="dataset",
        facts=(*_facts(here), *comparison_facts(here)),
        tables=(_sizes(here),),
        statements=(
            *_table(here), *_locked(here), *_arithmetic(here), *_rates(here), *_caches(here), *_scan(here),
            *comparison(here),
        ),
    )  # fmt: skip


def _facts(here: Situation) -> Iterator[Fact]:
    table, sound = named(here.workspace.metadata), here.recordings
    folder = named(here.workspace.audio_folder)
    headers = say("evidence.headers", count=sum(sound.formats.values()), folder=folder)
    rate, channels, bits = next(iter(sound.formats), (None, None, None))
    yield Fact("rows", Quantity(len(here.rows) or None), table)
    yield Fact("recorded", Quantity(here.rows_with_recording if here.rows else None), folder)
    yield Fact("files", Quantity(sound.files or None), folder)
    yield Fact("sound_bytes", Quantity(sound.bytes or None, "bytes"), folder)
    if sound.formats:
        yield Fact("rate", Quantity(rate, "hertz"), headers)
        yield Fact("channels", Quantity(channels), headers)
        yield Fact("bits", Quantity(bits), headers)
        yield Fact("seconds_by_header", Quantity(sound.seconds or None, "time"), headers)
    if here.scan is not None:
        found, scan = here.scan, say("evidence.scan")
        yield Fact("seconds_decoded", Quantity(found.seconds, "time"), scan)
        yield Fact("usable", Quantity(found.usable), scan)
        yield Fact("median_length", Quantity(found.median, "seconds"), scan)
        yield Fact("longest", Quantity(found.longest, "seconds"), scan)
        yield Fact("phonemizer", Quantity(found.phonemizer or None), scan)
    else:
        yield Fact("usable", Quantity(None), say("evidence.scan_tells"))


def _sizes(here: Situation) -> Table:
    """Size on disk by kind."""
    workspace = here.workspace
    kinds = [
        ("wavs", here.recordings.bytes, here.recordings.files, named(workspace.audio_folder)),
        *(("piper_cache", cache.bytes, cache.files, named(cache.folder)) for cache in here.caches),
        ("own_cache", here.own_cache, None, named(workspace.cache)),
        ("checkpoints", sum(saved.bytes for saved in here.checkpoints), len(here.checkpoints), None),
        ("voices", sum(voice.bytes for voice in here.voices), len(here.voices), None),
        ("logs", here.event_bytes, None, None),
    ]
    there = [row for row in kinds if row[1]]
    there.append(("total", sum(row[1] for row in there), None, None))
    return Table(
        heads=("kind", "size", "files", "place"),
        rows=tuple(
            (Quantity(say(f"kind.{kind}")), Quantity(size, "bytes"), Quantity(files), Quantity(place))
            for kind, size, files, place in there
        ),
    )


def _table(here: Situation) -> Iterator[Statement]:
    table = named(here.workspace.metadata)
    if here.table_problem:
        yield Statement(Verdict.ERROR, say("dataset.unreadable", reason=here.table_problem), table)
    elif not here.rows:
        yield Statement(Verdict.ERROR, say("dataset.no_rows", table=table), table)
    elif here.rows_with_recording == 0:
        folder = named(here.workspace.audio_folder)
        yield Statement(Verdict.ERROR, say("dataset.no_recording", count=len(here.rows), folder=folder), folder)
    elif here.rows_with_recording < len(here.rows):
        missing = len(here.rows) - here.rows_with_recording
        text = say("dataset.missing", missing=missing, rows=len(here.rows))
        yield Statement(Verdict.WARNING, text, table)
    else:
        yield Statement(Verdict.OK, say("dataset.complete", rows=len(here.rows)), table)


def _locked(here: Situation) -> Iterator[Statement]:
    if here.recordings.unreadable:
        folder = named(here.recordings.folder)
        yield Statement(Verdict.WARNING, say("dataset.locked", count=here.recordings.unreadable), folder)


def _arithmetic(here: Situation) -> Iterator[Statement]:
    """Do bytes and hours fit each other?"""
    sound = here.recordings
    if not sound.wavs:
        return
    rate, channels, bits = next(iter(sound.formats))
    evidence = say("evidence.headers", count=sound.wavs, folder=named(sound.folder))
    values = {
        "time": sound.wav_seconds, "size": sound.wav_bytes, "promised": sound.promised_bytes, "rate": rate,
        "width": bits // 8, "channels": channels, "by_size": sound.seconds_by_size,
        "clip": (sound.seconds_by_size or 0.0) / sound.wavs,
    }  # fmt: skip
    if not sound.fit:
        more = sound.wav_bytes > sound.promised_bytes
        yield Statement(Verdict.ERROR, say("arithmetic.larger" if more else "arithmetic.smaller", **values), evidence)
    elif len(sound.formats) == 1:
        yield Statement(Verdict.OK, say("arithmetic.fits", **values), evidence)
    else:
        yield Statement(Verdict.OK, say("arithmetic.fits_mixed", **values), evidence)


def _rates(here: Situation) -> Iterator[Statement]:
    """Which recordings are not at the voice's rate."""
    sound, wanted = here.recordings, here.workspace.audio.sample_rate
    other = sum(count for (own, _, _), count in sound.formats.items() if own != wanted)
    if other:
        rate, files = next(iter(sound.formats))[0], sum(sound.formats.values())
        text = say("dataset.other_rate", count=other, files=files, rate=rate, wanted=wanted)
        evidence = say("evidence.headers", count=files, folder=named(sound.folder))
        yield Statement(Verdict.WARNING, text, evidence)


def _caches(here: Situation) -> Iterator[Statement]:
    """What in the folder of the dataset is no sound, and how often Piper prepared it."""
    sound, cached = here.recordings, sum(cache.bytes for cache in here.caches)
    total = sound.bytes + cached
    if cached and sound.wavs and sound.byte_rate and total > 1.5 * sound.bytes:
        seconds = total / sound.byte_rate
        whole: dict[str, Any] = {
            "total": total, "sound": sound.bytes, "time": sound.seconds, "cache": cached, "by_size": seconds,
            "clip": seconds / sound.wavs,
        }  # fmt: skip
        yield Statement(Verdict.OK, say("arithmetic.folder", **whole), named(here.workspace.metadata.parent))
    for cache in here.caches:
        yield from _cache(cache, sound.bytes, here.rows_with_recording or len(here.rows))
    if len(here.caches) > 1:
        places = ", ".join(named(cache.folder) for cache in here.caches)
        yield Statement(Verdict.WARNING, say("cache.several", places=places, size=cached), places)


def _cache(cache: Cache, sound: int, rows: int) -> Iterator[Statement]:
    """How many generations lie in a cache of Piper, and what of it is old."""
    values: dict[str, Any] = {
        "folder": named(cache.folder), "size": cache.bytes, "ratio": cache.bytes / sound if sound else 0.0,
        "clips": cache.clips, "sound": sound, "rows": rows, "stale": cache.stale, "stale_size": cache.stale_bytes,
        "one": SIZE_OF_A_GENERATION, "generations": round(cache.clips / rows) if rows else 0,
    }  # fmt: skip
    key = ""
    if rows and cache.clips >= 1.5 * rows:
        key = "cache.generations"
    elif rows and cache.stale:
        key = "cache.stale"
    elif sound and cache.bytes > 1.5 * SIZE_OF_A_GENERATION * sound:
        key = "cache.large"
    if key:
        yield Statement(Verdict.WARNING, say(key, **values), named(cache.folder))


def _scan(here: Situation) -> Iterator[Statement]:
    """What the rules found, a statement for each rule; the worst first."""
    if here.scan is None:
        if here.scan_problem:
            yield Statement(Verdict.ERROR, say("dataset.scan_failed", reason=here.scan_problem), say("evidence.scan"))
        elif here.rows:
            yield Statement(Verdict.UNKNOWN, say("dataset.not_scanned"), say("evidence.scan_tells"), decisive=True)
        return
    usable, training = here.scan.usable, here.workspace.training
    if usable < 2 or split_sizes(usable, training.validation_split, training.test_clips)[0] < 1:
        yield Statement(Verdict.ERROR, say("dataset.too_few", usable=usable), say("evidence.scan"))
    # What no row needs, the sizes above have told.
    findings = [item for item in here.scan.findings if item[1] != "cache.stale" or not here.caches]
    counts = Counter((severity, rule) for severity, rule, _ in findings)
    examples = {(severity, rule): said for severity, rule, said in reversed(findings)}
    told = [kind for severity in _VERDICTS for kind, _ in counts.most_common() if kind[0] == severity]
    for severity, rule in told[:_RULES_SHOWN]:
        kind = (severity, rule)
        text = say(f"scan.{severity}", rule=rule, count=counts[kind], example=examples[kind])
        yield Statement(_VERDICTS[severity], text, say("evidence.scan"))
    if len(told) > _RULES_SHOWN:
        more = say("scan.more", count=len(told) - _RULES_SHOWN)
        worst = Verdict.ERROR if any(kind[0] == "blocks" for kind in told[_RULES_SHOWN:]) else Verdict.WARNING
        yield Statement(worst, more, say("evidence.scan"))
    if not told:
        yield Statement(Verdict.OK, say("scan.clean", count=here.scan.clips), say("evidence.scan"))
