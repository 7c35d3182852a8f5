"""One turn of Piper's preprocessing for `bench_prepare.py`; runs in the peer's environment: FOLDER CACHE TABLE."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import librosa
import torch
from piper.train.vits.dataset import VitsDataModule


def main() -> None:
    folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    # What librosa imports at its first call is no cost of a clip. (A second `prepare_data` would initialise espeak
    # twice in one process, which it does not survive.)
    for rate in (22_050, 16_000):
        librosa.load(next((folder / "wavs").iterdir()), sr=rate, mono=True)
    begin, begin_cpu = time.perf_counter(), time.process_time()
    VitsDataModule(
        csv_path=folder / sys.argv[3],
        cache_dir=cache / "all",
        espeak_voice="ru",
        config_path=cache / "config.json",
        voice_name="bench",
        sample_rate=22_050,
        audio_dir=folder / "wavs",
    ).prepare_data()
    print(json.dumps({"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}))


if __name__ == "__main__":
    main()
