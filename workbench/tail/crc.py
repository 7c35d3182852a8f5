"""CRC-32C, the checksum of TensorBoard's record format, fast enough in numpy to check every small record.

TensorBoard stores a *masked* CRC-32C (Castagnoli, RFC 3720 appendix B.4; the mask is TFRecord's) of the 8 length bytes
and of the data. One table lookup a byte in Python makes 9 MB/s, which would be most of the load time, so a batch of
records is checked column by column: the CRC is linear over XOR, hence the state after a message is the XOR of what
each byte does alone, given how many bytes follow it.

Letters: N records, L longest record in bytes.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

BATCH_LIMIT = 256
"""Bytes. Longest record `masked_batch` takes; a scalar has about 50."""

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ALL_ONES = 0xFFFFFFFF
_LONG = 1024
"""Bytes. From here on numpy's fixed price (0.3 ms) is below that of the loop (0.06 µs a byte)."""


def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        state = byte
        for _ in range(8):
            state = (state >> 1) ^ (_POLYNOMIAL if state & 1 else 0)
        table.append(state)
    return table


_TABLE = _byte_table()


def mask(crc: int) -> int:
    """Rotate and offset a CRC as TFRecord does, so that a CRC of data that holds CRCs stays useful."""
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & _ALL_ONES


def masked_crc32c(data: bytes) -> int:
    """Give the masked CRC-32C of `data` as TensorBoard writes it."""
    return mask(_crc_of_long(data) if len(data) >= _LONG else _crc_of_short(data))


def _crc_of_short(data: bytes) -> int:
    state = _ALL_ONES
    for byte in data:
        state = _TABLE[(state ^ byte) & 0xFF] ^ (state >> 8)
    return state ^ _ALL_ONES


@cache
def _tables() -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.uint32]]:
    """Give (effect, initial).

    effect[k, b]: state after byte b and k zero bytes, from state 0. initial[n]: the all-ones state after n zero bytes.
    """
    step = np.array(_TABLE, dtype=np.uint32)
    effect = np.empty((BATCH_LIMIT, 256), dtype=np.uint32)
    effect[0] = step
    for k in range(1, BATCH_LIMIT):
        effect[k] = step[effect[k - 1] & 0xFF] ^ (effect[k - 1] >> 8)
    initial = np.empty(BATCH_LIMIT + 1, dtype=np.uint32)
    state = _ALL_ONES
    for n in range(BATCH_LIMIT + 1):
        initial[n] = state
        state = _TABLE[state & 0xFF] ^ (state >> 8)
    return effect, initial


def masked_batch(
    data: npt.NDArray[np.uint8], stops_N: npt.NDArray[np.int64], lengths_N: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint32]:
    """Give the masked CRC-32C of N records that lie in one buffer.

    Args:
        data: the buffer.
        stops_N: index one past the last byte of each record.
        lengths_N: bytes of each record, at most `BATCH_LIMIT`.
    """
    effect, initial = _tables()
    longest_first = np.argsort(-lengths_N, kind="stable")
    last_N = stops_N[longest_first] - 1
    sorted_lengths = lengths_N[longest_first]
    state_N = initial[sorted_lengths]
    # How many records are longer than k bytes, for every k: the ones column k has to look at.
    longer_than = np.searchsorted(-sorted_lengths, -np.arange(BATCH_LIMIT), side="left")
    for k in range(int(sorted_lengths[0]) if len(sorted_lengths) else 0):
        active = int(longer_than[k])
        state_N[:active] ^= effect[k].take(data.take(last_N[:active] - k))
    crc_N = state_N ^ np.uint32(_ALL_ONES)
    masked = ((crc_N >> np.uint32(15)) | (crc_N << np.uint32(17))) + np.uint32(_MASK_DELTA)
    result = np.empty_like(masked)
    result[longest_first] = masked
    return result


def _crc_of_long(data: bytes) -> int:
    """CRC of one long buffer: rows of 256 bytes in numpy, then a fold over the rows (about 100 MB/s)."""
    effect, _ = _tables()
    padding = -len(data) % BATCH_LIMIT
    padded = np.zeros(padding + len(data), dtype=np.uint8)
    padded[padding:] = np.frombuffer(data, dtype=np.uint8)
    # Zero bytes leave state 0 alone, so the padding is free; the all-ones start is an XOR with the first four bytes.
    padded[padding : padding + 4] ^= 0xFF
    rows = padded.reshape(-1, BATCH_LIMIT)
    row_states = np.zeros(len(rows), dtype=np.uint32)
    for column in range(BATCH_LIMIT):
        row_states ^= effect[BATCH_LIMIT - 1 - column].take(rows[:, column])
    # A state moves over 256 zero bytes as if its four bytes were the first four of them.
    first, second, third, fourth = (effect[BATCH_LIMIT - 1 - k].tolist() for k in range(4))
    state = 0
    for row_state in row_states.tolist():
        state = (
            row_state
            ^ first[state & 0xFF]
            ^ second[(state >> 8) & 0xFF]
            ^ third[(state >> 16) & 0xFF]
            ^ fourth[state >> 24]
        )
    return int(state) ^ _ALL_ONES
