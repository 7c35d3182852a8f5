"""Piper's side of bench_speak.py, in the peer's environment: reads texts from stdin, prints measurements as JSON."""

import json
import sys
import time

import numpy as np
import onnxruntime

make_options = onnxruntime.SessionOptions


def one_thread():
    """Piper leaves the number of threads to onnxruntime; both sides get one here."""
    options = make_options()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return options


onnxruntime.SessionOptions = one_thread


def main():
    from piper import PiperVoice

    begin, begin_cpu = time.perf_counter(), time.process_time()
    voice = PiperVoice.load(sys.argv[1])
    load = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}
    print(json.dumps(load), flush=True)
    for line in sys.stdin:
        begin, begin_cpu = time.perf_counter(), time.process_time()
        samples = np.concatenate([chunk.audio_int16_array for chunk in voice.synthesize(json.loads(line))])
        spent = {"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}
        print(json.dumps({**spent, "seconds": samples.size / voice.config.sample_rate}), flush=True)


main()
