"""One turn of Piper's preprocessing for `bench_prepare.py`; runs in the peer's environment: FOLDER COPIES CACHE."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

import torch
from piper.train.vits.dataset import VitsDataModule


def prepare(metadata: Path, cache: Path) -> None:
    VitsDataModule(
        csv_path=metadata,
        cache_dir=cache,
        espeak_voice="ru",
        config_path=cache / "config.json",
        voice_name="bench",
        sample_rate=22_050,
        audio_dir=metadata.parent / "wavs",
    ).prepare_data()


def main() -> None:
    folder, cache = Path(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    prepare(folder / "first.csv", cache / "first")  # imports of librosa and first calls are no cost of a clip
    begin, begin_cpu = time.perf_counter(), time.process_time()
    prepare(folder / "metadata.csv", cache / "all")
    print(json.dumps({"wall": time.perf_counter() - begin, "cpu": time.process_time() - begin_cpu}))


if __name__ == "__main__":
    main()
