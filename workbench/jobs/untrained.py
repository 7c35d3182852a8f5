"""Why a row is not trained, in the words of the preparation, which the health check says beforehand."""

from __future__ import annotations

from collections.abc import Sequence

from core_vits.phonemes import NUM_SYMBOLS

EMPTY_TEXT = "its text is empty"


def why_repeated(line: int) -> str:
    """Another row is the same clip."""
    return f"it is the same recording and text as line {line}"


def why_unspoken(error: str, phonemes: int) -> str:
    """The phonemizer failed, or found nothing to say; empty if neither."""
    if error:
        return f"it can't be turned into phonemes: {error}"
    return "" if phonemes else "its text gives no phonemes"


def why_uncut(reason: str) -> str:
    """There is no clip of the recording; `reason` begins with a verb."""
    return f"its recording {reason}"


def why_unfit(phoneme_ids: Sequence[int], frames: int) -> str:
    """A clip that would crash or spoil a training; empty if it is none.

    Args:
        phoneme_ids: of its text.
        frames: of what is left of the recording.
    """
    if len(phoneme_ids) > frames:
        return f"it has more phoneme ids than frames ({len(phoneme_ids)} > {frames}): too little speech for its text"
    if phoneme_ids and max(phoneme_ids) >= NUM_SYMBOLS:
        return f"phoneme id {max(phoneme_ids)} is beyond the {NUM_SYMBOLS} that a voice has"
    return ""
