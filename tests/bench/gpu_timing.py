"""Times steps on a GPU and watches it; used by both sides of bench_gpu.py, so it imports nothing of ours."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time

import torch

WARM_UP = 20
"""Steps that pay for kernels, memory and, with a graph, its recording."""
PROFILED = 5
WATCH = ["nvidia-smi", "--query-gpu=utilization.gpu,power.draw", "--format=csv,noheader,nounits", "-lms", "200"]


def measure(steps):
    """Run an iterator of steps, each of which returns its losses (tensors on the device); gives what was seen.

    The time is that of all steps after the warm-up, from an idle device to an idle device. Losses are fetched at the
    end. The last steps are profiled and not timed.
    """
    curves = {}
    watch = None
    timed = 0
    torch.cuda.reset_peak_memory_stats()
    profiler = torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA])
    steps = list(steps)
    for number, step in enumerate(steps):
        if number == WARM_UP:
            torch.cuda.synchronize()
            watch = subprocess.Popen(WATCH, stdout=subprocess.PIPE, text=True)
            begin = time.perf_counter()
        if number == len(steps) - PROFILED:
            torch.cuda.synchronize()
            seconds = time.perf_counter() - begin
            timed = number - WARM_UP
            watch.terminate()
            profiler.start()
            begin_profile = time.perf_counter()
        for name, value in step().items():
            curves.setdefault(name, []).append(value.detach().clone())
    torch.cuda.synchronize()
    profiled = time.perf_counter() - begin_profile
    profiler.stop()
    lines = [line.split(",") for line in watch.communicate()[0].splitlines()]
    # Beside kernels the profiler lists what the host asked for; that took no time of the device.
    events = [event for event in profiler.key_averages() if event.self_device_time_total > 0]
    busy = sum(event.self_device_time_total for event in events) / 1e6
    return {
        "ms/step": 1000 * seconds / timed,
        "steps/s": timed / seconds,
        "utilisation": statistics.median(float(used) for used, _ in lines) if lines else 0.0,
        "watts": statistics.median(float(watts) for _, watts in lines) if lines else 0.0,
        "kernel ms/step": 1000 * busy / PROFILED,
        "profiled ms/step": 1000 * profiled / PROFILED,
        "kernels/step": sum(event.count for event in events) / PROFILED,
        "GB": torch.cuda.max_memory_reserved() / 1e9,
        "slowest": [
            [event.key[:90], round(event.self_device_time_total / 1000 / PROFILED, 3), event.count // PROFILED]
            for event in sorted(events, key=lambda event: -event.self_device_time_total)[:25]
        ],
        "curves": {name: torch.stack(values).float().cpu().tolist() for name, values in curves.items()},
    }


def arguments():
    """The options of both sides."""
    parser = argparse.ArgumentParser()
    for name, kind in (("--clips", str), ("--weights", str), ("--batch", int), ("--steps", int), ("--precision", str)):
        parser.add_argument(name, type=kind, required=True)
    return parser
