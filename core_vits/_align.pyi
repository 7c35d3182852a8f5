from torch import Tensor

def align(
    score: Tensor,
    frame_lengths: Tensor,
    phoneme_lengths: Tensor,
    phoneme_of_frame: Tensor,
    durations: Tensor,
    threads: int = 1,
) -> None: ...
