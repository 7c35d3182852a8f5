"""Our side of bench_speak.py: reads texts from stdin, prints measurements as JSON."""

from __future__ import annotations

import json
import sys
import time

import numpy as np

from core_vits.infer import Scales, to_int16
from workbench.workers.targets.speaking import load_voice, sentences_of
from workbench.workers.targets.voice_source import find_source


def main() -> None:
    begin, begin_cpu = time.perf_counter(), time.process_time()
    source = find_source(sys.argv[1])
    voice, scales = load_voice(source), Scales.from_config(source.config)
    sentences_of("a", source)  # Piper's side, too, has its phonemizer ready when it is loaded
    load = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}
    print(json.dumps(load), flush=True)
    for line in sys.stdin:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        spoken = [to_int16(voice.speak(ids, scales, None, 0)) for ids in sentences_of(json.loads(line), source)]
        samples = np.concatenate(spoken)
        spent = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}
        print(json.dumps({**spent, "seconds": samples.size / source.sample_rate}), flush=True)


if __name__ == "__main__":
    main()
