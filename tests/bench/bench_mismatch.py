"""Does `workbench mismatch` find planted errors, and only those? Real recordings, real hearing, known truth.

    python tests/bench/bench_mismatch.py                     # 150 clips of each dataset, some minutes
    python tests/bench/bench_mismatch.py --clips 620

Needs the extra `asr`, the script `make_dataset.py` of the shared folder, and the Debian packages that it reads; what is
missing is told and left out. Every table is made twice: as it is, and with errors planted into a fifth of its rows.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import workbench_hama
from workbench.workers.targets.mismatch import listen

REPO = Path(__file__).resolve().parents[2]
MAKER = Path(os.environ.get("WORKBENCH_SHARED", REPO.parent / "shared")) / "data" / "make_dataset.py"
SOURCES = {"recordings": "festvox-ru", "asterisk": "asterisk-core-sounds-ru-wav asterisk-core-sounds-ru"}
SEED = 1


@dataclass(frozen=True)
class Planted:
    """Texts after errors were planted, and what was planted where."""

    texts: list[str]
    kinds: dict[int, str]
    """By row, from 0."""
    source: dict[int, int]
    """Row whose text the recording says, where there is one."""


def plant(texts: Sequence[str]) -> Planted:
    """Swap neighbours, swap distant rows, shift a block, and give some rows texts that nobody says."""
    chance = random.Random(SEED)
    count = len(texts)
    order, kinds = list(range(count)), {}
    block = range(count // 2, count // 2 + max(4, count // 15))
    order[block[0] : block[-1] + 1] = [*block[1:], block[0]]
    kinds |= dict.fromkeys(block, "shifted block")
    free = [row for row in range(count - 1) if row not in block and row + 1 not in block]
    for kind, away in (("swapped neighbours", True), ("swapped far apart", False)):
        for _ in range(max(2, count // 50)):
            one = chance.choice([row for row in free if row not in kinds and row + 1 not in kinds])
            other = one + 1 if away else chance.choice([row for row in free if row not in kinds and row != one])
            order[one], order[other] = other, one
            kinds |= {one: kind, other: kind}
    said = {row: index for index, row in enumerate(order)}
    planted = [texts[row] for row in order]
    words = " ".join(texts).split()
    for row in chance.sample([row for row in free if row not in kinds], max(3, count // 25)):
        chance.shuffle(words)
        length = len(texts[row].split())
        planted[row] = " ".join(words[: max(2, length)])
        kinds[row] = "text of nobody"
    return Planted(planted, kinds, {row: said[row] for row, kind in kinds.items() if kind != "text of nobody"})


def auc(right: Sequence[float], wrong: Sequence[float]) -> float:
    """Share of pairs of a right and a wrong row that the distance orders rightly."""
    differences = np.subtract.outer(np.array(wrong), np.array(right))
    return float((differences > 0).mean() + 0.5 * (differences == 0).mean())


def write(folder: Path, rows: Sequence[tuple[str, str]]) -> str:
    """A workspace of these rows."""
    (folder / "metadata.csv").write_text("".join(f"{file}|{text}\n" for file, text in rows), "utf-8")
    file = folder / "workbench.toml"
    file.write_text('[voice]\nname = "probe"\nlanguage = "ru"\nquality = "low"\n', "utf-8")
    return str(file)


def show(name: str, report: Mapping[str, Any], truth: Planted | None) -> None:
    """Print what was found."""
    summary, clips = report["summary"], report["clips"]
    if summary["heard_now"]:
        per_clip = summary["seconds_hearing"] / summary["heard_now"]
        factor = summary["seconds_hearing"] / max(1e-9, summary["hours_heard"] * 3600)
        print(f"  heard {summary['heard_now']} clips: {per_clip:.2f} s a clip, {factor:.3f} s a second of speech")
    judged = {row: clip for row, clip in enumerate(clips) if clip["distance"] is not None}
    flagged = {row for row, clip in judged.items() if clip["verdict"] not in ("fits", "doubtful")}
    print(
        f"  {name}: median {summary['median_distance']}, threshold {summary['threshold']}, "
        f"{len(flagged)} flagged, {summary['doubtful']} doubtful, {summary['short']} too short, of {len(clips)}"
    )
    if truth is None:
        return
    wrong = [row for row in truth.kinds if row in judged]
    right = [row for row in judged if row not in truth.kinds]
    area = auc([judged[row]["distance"] for row in right], [judged[row]["distance"] for row in wrong])
    hits = len(flagged & set(wrong))
    print(f"  AUC {area:.4f}; recall {hits}/{len(wrong)}, precision {hits}/{len(flagged)}")
    for kind in dict.fromkeys(truth.kinds.values()):
        rows = [row for row in wrong if truth.kinds[row] == kind]
        found = [row for row in rows if row in flagged]
        named = sum(clips[row]["best_row"] == truth.source[row] + 1 for row in found if row in truth.source)
        place = f", right line named {named}" if kind != "text of nobody" else ""
        print(f"    {kind}: {len(found)}/{len(rows)} found{place}")


def bench(source: str, clips: int, folder: Path) -> None:
    """One dataset, as it is and with planted errors."""
    made = subprocess.run(
        [sys.executable, str(MAKER), "--from", source, "--clips", str(clips), "--out", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode:
        print(f"{source}: left out, it needs the Debian packages {SOURCES[source]}")
        return
    lines = (folder / "metadata_2col.csv").read_text("utf-8").splitlines()
    files, texts = zip(*(line.split("|") for line in lines), strict=True)
    print(f"{source}: {made.stdout.strip().partition(' in ')[0]}")
    show("as it is", listen(write(folder, list(zip(files, texts, strict=True)))), None)
    truth = plant(texts)
    show("planted", listen(write(folder, list(zip(files, truth.texts, strict=True)))), truth)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=150)
    options = parser.parse_args()
    if why := workbench_hama.available():
        print(f"skipped: {why}")
    elif not MAKER.is_file():
        print(f"skipped: there is no {MAKER.name} in the shared folder (set WORKBENCH_SHARED)")
    else:
        for source in SOURCES:
            with tempfile.TemporaryDirectory() as folder:
                bench(source, options.clips, Path(folder))


if __name__ == "__main__":
    main()
