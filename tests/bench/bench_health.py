"""Plant each defect into real recordings and count what the health check finds, and what it says beside that.

    python tests/bench/bench_health.py [--from demo|recordings|asterisk] [--clips 120] [--times 3] [--rival PYTHON]

One scan for each way to damage a dataset: `planted` clips are damaged, `found` of them are told on their line by an
expected kind of finding, `beside` are findings on rows that nothing was planted on and that the same clips did not give
before. The last scan has many defects at once. `clean` lists what is said of the clips as they are: each must be true,
and then what the scan of them cost, with its processes, and each rule of it.

`recordings` and `asterisk` are made by `../shared/data/make_dataset.py` from Debian packages. With `--rival`, an
interpreter that has audio-data-quality-toolkit from PyPI, its verdict on the same damaged recordings stands beside
ours: found where it fails a check that it did not fail on the recording before.
"""

from __future__ import annotations

import argparse
import json
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import soundfile
from bench_scan import used

REPO = Path(__file__).parents[2]
sys.path.insert(0, str(REPO / "tests"))

from planted.benign import BENIGN  # noqa: E402 - after the path
from planted.dataset import Line, Plant, Planted, Source, lines_of  # noqa: E402
from planted.files import FILES, can_write_mp3  # noqa: E402
from planted.sounds import SOUNDS  # noqa: E402
from planted.words import WORDS  # noqa: E402

from workbench.workers.targets.health import scan  # noqa: E402
from workbench.workers.targets.health_rules import Rules  # noqa: E402

Findings = list[dict[str, Any]]

# They can be planted once only: a file has one begin.
_ONCE = frozenset({"heading", "byte order mark", "CRLF"})
_ROW = "{:34} {:>7} {:>5} {:>6} {:>6}  {}"
_RIVAL_SECONDS = 60


class Rival:
    """Another program's verdict on single recordings; None where it is not asked."""

    def __init__(self, python: str) -> None:
        self._command = [python, str(Path(__file__).with_name("rival_quality.py"))]
        self._process = self._start()

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def failed(self, path: Path) -> set[str]:
        """Checks that a recording fails; `hangs` where there is no answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], _RIVAL_SECONDS)[0]:
            self._process.kill()
            self._process = self._start()
            return {"hangs"}
        for line in self._process.stdout:
            if line.startswith("["):  # it prints other things as well
                return set(json.loads(line))
        self._process = self._start()
        return {"crashes"}


class Clock:
    """CPU seconds of each rule, while it watches."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._asked = Rules._guarded

    def __enter__(self) -> Clock:
        def timed(rules: Rules, name: str, ask: Callable[[], Any]) -> list[Any]:
            begin = time.process_time()
            found = self._asked(rules, name, ask)
            self.seconds[name] += time.process_time() - begin
            return found

        Rules._guarded = timed  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        Rules._guarded = self._asked  # type: ignore[method-assign]

    def tell(self, clips: int, whole: float) -> None:
        """Milliseconds for a thousand clips."""
        each = ", ".join(f"{name} {seconds / clips * 1e6:.0f}" for name, seconds in self.seconds.most_common())
        rules = self.seconds.total() / clips * 1e6
        print(f"  CPU ms for 1,000 clips: {whole / clips * 1e6:.0f} in all, {rules:.0f} of them the rules: {each}")


class Bench:
    """Copies of one source, scanned with one memo of phonemes."""

    def __init__(self, source: Source, folder: Path, clips: int, rival: Rival | None) -> None:
        self._source, self._folder, self._clips, self._rival = source, folder, clips, rival
        self._number = 0
        self.total: Counter[str] = Counter()
        self._before: set[tuple[str, str]] = set()
        planted, _, self.clean = self._scanned([])
        self._before = {(item["rule"], _file(planted, number)) for item in self.clean for number in _rows_of(item)}

    def _scanned(self, plants: Sequence[Callable[[Planted], Line]]) -> tuple[Planted, list[Line], Findings]:
        """Plant and scan; the folder stays until the next one."""
        shutil.rmtree(self._folder / str(self._number), ignore_errors=True)
        self._number += 1
        planted = Planted.copy(self._source, self._folder / str(self._number), clips=self._clips, seed=self._number)
        lines = [plant(planted) for plant in plants]
        return planted, lines, scan(str(planted.finish(cache=self._folder / "cache")))["findings"]

    def plant(self, plants: Sequence[Plant], name: str) -> None:
        """Damage, scan and print one row."""
        planted, lines, findings = self._scanned([plant.do for plant in plants])
        pairs = list(zip(plants, lines, strict=True))
        found = sum(plant.is_found_in(findings, planted, line) for plant, line in pairs)
        beside = self._beside(planted, lines, findings)
        theirs = self._theirs(planted, pairs)
        self.total.update(planted=len(plants), found=found, beside=beside.total())
        kinds = " ".join(sorted({kind for plant in plants for kind in plant.kinds})) if len(set(plants)) == 1 else ""
        said = ", ".join(f"{rule} {count}" for rule, count in beside.items())
        print(_ROW.format(name, len(plants), found, beside.total(), theirs, said or kinds), flush=True)

    def benign(self) -> None:
        """Plant what is in order, each thing alone, and print what is said of it."""
        for name, change in BENIGN.items():
            planted, _, findings = self._scanned([change])
            said = self._beside(planted, [], findings)
            self.total.update(harmless=1, alarms=said.total())
            print(_ROW.format(f"({name})", 1, "-", said.total(), "", ", ".join(said)), flush=True)

    def _beside(self, planted: Planted, lines: Sequence[Line], findings: Findings) -> Counter[str]:
        hit = {planted.number(line) for line in lines}
        return Counter(
            item["rule"]
            for item in findings
            if ":" in item["subject"] and not _rows_of(item) & hit and not self._is_known(planted, item)
        )

    def _is_known(self, planted: Planted, finding: dict[str, Any]) -> bool:
        # Each table has a split of its own, which puts another one of the known pairs on both sides.
        known = ("text.repeated", "duplicate.near") if finding["rule"] == "duplicate.split" else (finding["rule"],)
        files = {_file(planted, number) for number in _rows_of(finding)}
        return any((rule, file) in self._before for rule in known for file in files)

    def _theirs(self, planted: Planted, pairs: Sequence[tuple[Plant, Line]]) -> str:
        if self._rival is None:
            return ""
        audible = [(plant, line) for plant, line in pairs if plant in FILES or plant in SOUNDS]
        found = 0
        for _, line in audible:
            before = self._source.audio / line.file
            if before.is_file() and planted.path(line).is_file():
                now = self._rival.failed(planted.path(line))
                found += bool(now - self._rival.failed(before)) and not now & {"hangs", "crashes"}
        return str(found) if audible else "-"


def _rows_of(finding: dict[str, Any]) -> set[int]:
    """The line of its subject; of a pair that the split parts, both."""
    other = {finding["evidence"]["other"]} if finding["rule"] == "duplicate.split" else set()
    return lines_of(finding) | other


def _file(planted: Planted, number: int) -> str:
    """The recording of a row, which stays the same when lines are inserted and it is moved."""
    return Path(planted.lines[number - 1].file).stem if number <= len(planted.lines) else ""


def demo(folder: Path) -> Source:
    """The bundled voice as WAVs."""
    rows = []
    for line in (REPO / "workbench/demo/metadata.csv").read_text("utf-8").splitlines():
        file, text = line.split("|")
        samples, rate = soundfile.read(REPO / "workbench/demo/wavs" / file, dtype="int16")
        soundfile.write(folder / Path(file).with_suffix(".wav").name, samples, rate)
        rows.append((Path(file).with_suffix(".wav").name, text))
    return Source(tuple(rows), folder, 16_000)


def packaged(name: str, folder: Path) -> Source:
    """Recordings of a Debian package."""
    program = REPO.parent / "shared" / "data" / "make_dataset.py"
    if not program.is_file():
        raise SystemExit(f"{program}: not here, so there are no recordings. Take --from demo.")
    command = [sys.executable, str(program), "--from", name, "--clips", "1000", "--out", str(folder / name)]
    made = subprocess.run(command, check=False, capture_output=True, text=True)
    if made.returncode:
        raise SystemExit(
            f"make_dataset.py failed: {made.stderr.strip().splitlines()[-1]}. Install its Debian packages."
        )
    return Source.read(folder / name / "metadata_2col.csv", folder / name / "wavs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--from", dest="source", choices=("demo", "recordings", "asterisk"), default="demo")
    parser.add_argument("--clips", type=int, default=120, help="clips of each dataset; the clean one has all")
    parser.add_argument("--times", type=int, default=3, help="how often each defect is planted")
    parser.add_argument("--rival", default="", help="interpreter with audio-data-quality-toolkit")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "source").mkdir()
        source = demo(folder / "source") if options.source == "demo" else packaged(options.source, folder)
        rival = Rival(options.rival) if options.rival else None
        if rival is None:
            print("no --rival given: only our own verdicts")
        with Clock() as clock:
            begin = used()
            whole = Bench(source, folder / "whole", len(source.rows), None)
            cpu = used() - begin
        print(f"{options.source}: {len(source.rows)} clips as they are")
        for item in whole.clean:
            print(f"  clean: {item['rule']} {item['subject']}: {item['message'][:150]}")
        clock.tell(len(source.rows), cpu)
        if rival is not None:
            failed = Counter(
                check for file, _ in source.rows[: options.clips] for check in rival.failed(source.audio / file)
            )
            print(f"  clean, rival, first {options.clips}: {dict(failed)}")
        bench = Bench(source, folder / "each", options.clips, rival)
        print(_ROW.format("planted", "planted", "found", "beside", "rival", ""))
        plants = [plant for plant in (*WORDS, *FILES, *SOUNDS) if can_write_mp3() or "MP3" not in plant.name]
        for plant in plants:
            bench.plant([plant] * (1 if plant.name in _ONCE else options.times), plant.name)
        some = plants[:: max(1, 4 * len(plants) // min(options.clips, len(source.rows)))]
        bench.plant(some, "many together")
        bench.benign()
        total = bench.total
        print(
            f"found {total['found']} of {total['planted']} planted, {total['beside']} beside; "
            f"{total['alarms']} alarms about {total['harmless']} harmless things"
        )


if __name__ == "__main__":
    main()
