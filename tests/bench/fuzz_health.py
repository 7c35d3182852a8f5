"""Ten thousand broken recordings and tables: no crash, no hang, bounded memory.

    python tests/bench/fuzz_health.py [--count 10000] [--begin 0]

Each recording is examined in this process with an alarm, so that a crash or a hang names its number; `health_fuzz`
makes the same file of the same number again.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from health_fuzz import check_recording, check_table, whole_recordings
from scan_sounds import speech

_LONGEST_SECONDS = 20


def main() -> None:
    """Run and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--begin", type=int, default=0)
    options = parser.parse_args()
    faulthandler.enable()
    signal.signal(signal.SIGALRM, signal.default_int_handler)
    whole = whole_recordings(speech()[8_000:20_000].copy(), 16_000)
    slowest, kinds, faults = (0.0, -1), Counter[str](), []
    begun = time.perf_counter()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        for number in range(options.begin, options.begin + options.count):
            signal.alarm(_LONGEST_SECONDS)
            start = time.perf_counter()
            try:
                problem = check_recording(folder, number, whole)
            except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - every kind of failure is a result here
                faults.append(f"recording {number}: {type(error).__name__}: {error}")
                continue
            slowest = max(slowest, (time.perf_counter() - start, number))
            kinds[problem.partition(":")[0].partition(".")[0] or "can be trained"] += 1
        signal.alarm(0)
        recordings = time.perf_counter() - begun
        told = 0
        for number in range(options.begin, options.begin + options.count):
            try:
                told += check_table(folder, number)
            except Exception as error:  # noqa: BLE001
                faults.append(f"table {number}: {type(error).__name__}: {error}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{options.count} recordings in {recordings:.0f} s, slowest {slowest[0]:.2f} s (number {slowest[1]})")
    for kind, number in kinds.most_common():
        print(f"  {number:6} {kind}")
    print(f"{options.count} tables, {told} problems told; peak memory {peak:.0f} MB; faults: {len(faults)}")
    for fault in faults[:20]:
        print(f"  {fault}")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
