"""The compiled inner loop of reading names: from references to places, and runs of equal ones."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from remote.workloads.shards.compiled import compiled


def find_names(  # noqa: C901  (compiled: calls would have to be compiled, too)
    heap: Any,
    bases: Any,
    members: Any,
    order: Any,
    indices: Any,
    lengths: Any,
    starts: Any,
    runs: Any,
) -> int:
    """Find names in heap collections, and number the runs of equal ones.

    Args:
        heap: (bytes,) uint8, collections one after the other.
        bases: (collections + 1,) int64, where each begins and ends.
        members: (n,) int64, each row's collection.
        order: (n,) int64, the rows by collection.
        indices: (n,) int64, each row's object in its collection.
        lengths: (n,) int64, length of each name; shortened to its first NUL, as C strings are.
        starts: (n,) int64, filled: where in `heap` each name begins.
        runs: (n,) int64, filled: 0 for the first row, one more where the name changes.

    Returns:
        The number of runs; -1 where a reference leads nowhere.
    """
    rows = members.shape[0]
    places = np.full(1 << 16, -1, np.int64)
    ends = np.zeros(1 << 16, np.int64)
    current = -1
    for row in order:
        if lengths[row] == 0:
            starts[row] = 0
            continue
        if members[row] != current:
            current = members[row]
            places[:] = -1
            at = bases[current] + 16
            stop = bases[current + 1]
            while at + 16 <= stop:
                index = np.int64(heap[at]) | (np.int64(heap[at + 1]) << 8)
                size = np.int64(0)
                for byte in range(8):
                    size |= np.int64(heap[at + 8 + byte]) << (8 * byte)
                if index == 0 or size < 0 or size > stop - at - 16:
                    break
                places[index] = at + 16
                ends[index] = at + 16 + size
                at += 16 + (size + 7) // 8 * 8
        index = indices[row]
        if index < 0 or index >= 1 << 16 or places[index] < 0:
            return -1
        start = places[index]
        length = lengths[row]
        if start + length != ends[index]:
            return -1
        starts[row] = start
        for byte in range(length):
            if heap[start + byte] == 0:
                lengths[row] = byte
                break
    run = 0
    for row in range(rows):
        if row > 0:
            same = lengths[row] == lengths[row - 1]
            if same:
                for byte in range(lengths[row]):
                    if heap[starts[row] + byte] != heap[starts[row - 1] + byte]:
                        same = False
                        break
            if not same:
                run += 1
        runs[row] = run
    return run + 1


@cache
def name_finder() -> Callable[..., int]:
    """`find_names`, compiled."""
    from numba import types

    row = types.Array(types.int64, 1, "C")
    heap = types.Array(types.uint8, 1, "C", readonly=True)
    result: Any = types.int64
    return compiled(find_names, result(heap, *[row] * 7))
