from typing import Any

from numpy.typing import NDArray
from torch import Tensor

def align(
    score: Tensor | NDArray[Any],
    frame_lengths: Tensor | NDArray[Any],
    phoneme_lengths: Tensor | NDArray[Any],
    phoneme_of_frame: Tensor | NDArray[Any],
    durations: Tensor | NDArray[Any],
    threads: int = 1,
    kernel: str = "",
) -> None: ...
def check(
    frame_lengths: Tensor | NDArray[Any],
    phoneme_lengths: Tensor | NDArray[Any],
    utterances: int,
    frames: int,
    phonemes: int,
) -> None: ...
def kernels() -> list[str]: ...
