"""The checksum, against published values and TensorBoard's own implementation."""

from __future__ import annotations

import random

import numpy as np
import pytest
from tensorboard.compat.tensorflow_stub import pywrap_tensorflow

from workbench.tail.crc import BATCH_LIMIT, mask, masked_batch, masked_crc32c
from workbench.tail.reader import find_header


@pytest.mark.parametrize(
    ("data", "crc"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(range(31, -1, -1)), 0x113FDB5C),
    ],
)
def test_checksum_is_that_of_rfc_3720(data: bytes, crc: int) -> None:
    assert masked_crc32c(data) == mask(crc)


@pytest.mark.parametrize("length", [0, 1, 3, 4, 5, 255, 256, 1023, 1024, 1025, 1279, 1280, 1281, 5000])
def test_long_and_short_data_agree_with_tensorboard(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert masked_crc32c(data) == pywrap_tensorflow.masked_crc32c(data)


def test_batch_agrees_with_tensorboard_for_every_length() -> None:
    chance = random.Random(1)
    lengths = [*range(BATCH_LIMIT + 1), 40, 40, 40]
    chance.shuffle(lengths)
    data = chance.randbytes(sum(lengths))
    stops = np.cumsum(lengths)
    found = masked_batch(np.frombuffer(data, np.uint8), stops, np.array(lengths))
    expected = [
        pywrap_tensorflow.masked_crc32c(data[stop - length : stop])
        for stop, length in zip(stops.tolist(), lengths, strict=True)
    ]
    assert found.tolist() == expected


def test_header_is_found_in_noise_and_in_zeros() -> None:
    from tail.event_files import scalar_record

    record = scalar_record("loss", 3, 1.0)
    for noise in (random.Random(2).randbytes(100_000), bytes(100_000)):
        assert find_header(noise) is None
        assert find_header(noise + record + noise) == len(noise)
        assert find_header(noise[:77] + record[:12]) == 77
        assert find_header(noise[:77] + record[:11]) is None
