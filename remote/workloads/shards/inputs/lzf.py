"""How much an LZF stream unpacks to, without unpacking it.

h5py's filter gives no error for a damaged stream that ends early: the rest of the chunk is then
whatever was in memory, other numbers at every reading.

    byte < 32        that many bytes and one more follow as they are
    else             a copy: length byte >> 5 (7: and the next byte), plus 2; one byte of offset
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import numpy as np

from remote.workloads.shards.compiled import compiled

LZF: Final = 32000


def unpacked_length(stream: Any) -> int:
    """Bytes that `stream`, (n,) uint8, unpacks to; -1 where it ends within a step."""
    at: Any = 0
    length: Any = 0
    stop = stream.shape[0]
    while at < stop:
        control = np.int64(stream[at])
        at += 1
        if control < 32:
            at += control + 1
            length += control + 1
        else:
            copied = control >> 5
            if copied == 7:
                if at >= stop:
                    return -1
                copied += np.int64(stream[at])
                at += 1
            at += 1
            length += copied + 2
    return length if at == stop else -1


@cache
def measure() -> Callable[..., int]:
    """`unpacked_length`, compiled."""
    from numba import types

    result: Any = types.int64
    return compiled(unpacked_length, result(types.Array(types.uint8, 1, "C", readonly=True)))
