"""The estimate of memory against what was measured on a GPU."""

from __future__ import annotations

import pytest

from core_vits.config import PRESETS
from core_vits.needed_memory import step_memory

# MB that torch had reserved at the peak of a second step, on an NVIDIA H200 with torch 2.11; clips, frames, MB.
BATCHES = ((4, 200), (4, 800), (16, 200), (16, 800), (32, 400), (1, 3000))
MEASURED = {
    ("medium", "32-true", 8192): (2453, 3019, 5723, 7820, 11358, 2552),
    ("medium", "32-true", 16384): (3384, 3942, 9336, 11404, 18192, 2808),
    ("medium", "bf16-mixed", 8192): (1946, 2319, 3500, 4978, 6771, 2015),
    ("medium", "16-mixed", 8192): (1923, 2319, 3502, 4984, 6786, 2000),
    ("high", "32-true", 8192): (3063, 3636, 7686, 9720, 14931, 2845),
    ("high", "32-true", 16384): (4441, 5012, 12905, 14990, 25044, 3210),
    ("high", "bf16-mixed", 8192): (2308, 2701, 4567, 6104, 8675, 2235),
    ("low", "32-true", 8192): (2455, 3030, 5733, 7820, 11349, 2531),
    ("low", "bf16-mixed", 8192): (1946, 2329, 3493, 4999, 6773, 2006),
    ("x-low", "32-true", 8192): (2120, 2424, 5098, 6312, 9850, 1983),
    ("x-low", "bf16-mixed", 8192): (1629, 1830, 3024, 3875, 5632, 1562),
}


@pytest.mark.parametrize(("quality", "precision", "segment"), MEASURED)
def test_the_estimate_is_what_was_measured(quality: str, precision: str, segment: int) -> None:
    memory = step_memory(quality, precision)
    for (clips, frames), megabytes in zip(BATCHES, MEASURED[quality, precision, segment], strict=True):
        assert memory.bytes(clips, frames, segment) / 1e6 == pytest.approx(megabytes, rel=0.09)


@pytest.mark.parametrize("quality", PRESETS)
def test_every_quality_has_an_estimate_in_every_format(quality: str) -> None:
    whole, half = (step_memory(quality, precision) for precision in ("32-true", "bf16-mixed"))
    assert whole.bytes(16, 800) > half.bytes(16, 800)
    assert step_memory(quality, "32-true", devices=2).bytes(1, 100) > whole.bytes(1, 100)
