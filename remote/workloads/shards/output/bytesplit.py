"""Splitting numbers into planes of bytes, compiled: what Parquet calls BYTE_STREAM_SPLIT."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from remote.workloads.shards.compiled import compiled


def split_bytes(words: Any, out: Any) -> None:
    """All first bytes, then all second bytes and so on, little-endian.

    Args:
        words: (n,) uint64 or uint32.
        out: (n * width,) uint8.
    """
    count = words.shape[0]
    for byte in range(out.shape[0] // max(count, 1)):
        plane = out[byte * count : (byte + 1) * count]
        for place in range(count):
            plane[place] = (words[place] >> (8 * byte)) & 0xFF


@cache
def byte_splitter(dtype: np.dtype[Any]) -> Callable[..., None]:
    """`split_bytes`, compiled for words of one width."""
    import numba
    from numba import types

    result: Any = types.void
    words = types.Array(numba.from_dtype(dtype), 1, "C", readonly=True)
    return compiled(split_bytes, result(words, types.Array(types.uint8, 1, "C")))
