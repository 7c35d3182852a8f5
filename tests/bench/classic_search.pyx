# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""The alignment search as Glow-TTS and VITS published it: one cell after the other, sums written over the scores.

Written for the benchmark; nothing else uses it.
"""


cdef void align_one(int[:, ::1] path, float[:, ::1] total, int frames, int phonemes) noexcept nogil:
    cdef float impossible = -1e9
    cdef float stay, advance
    cdef int frame, phoneme
    for frame in range(frames):
        for phoneme in range(max(0, phonemes + frame - frames), min(phonemes, frame + 1)):
            if phoneme == frame:
                stay = impossible
            else:
                stay = total[frame - 1, phoneme]
            if phoneme > 0:
                advance = total[frame - 1, phoneme - 1]
            elif frame == 0:
                advance = 0
            else:
                advance = impossible
            total[frame, phoneme] += max(stay, advance)
    phoneme = phonemes - 1
    for frame in range(frames - 1, -1, -1):
        path[frame, phoneme] = 1
        if phoneme > 0 and (phoneme == frame or total[frame - 1, phoneme] < total[frame - 1, phoneme - 1]):
            phoneme -= 1


def align_batch(int[:, :, ::1] paths, float[:, :, ::1] totals, int[::1] frames, int[::1] phonemes):
    """Mark the best paths in `paths`, which must be 0; `totals` holds the scores and is spoiled."""
    cdef int item
    with nogil:
        for item in range(paths.shape[0]):
            align_one(paths[item], totals[item], frames[item], phonemes[item])
