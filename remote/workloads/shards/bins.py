"""Counting values by bin, compiled."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from remote.workloads.shards.compiled import compiled


def count_bins(values: Any, edges: Any, counts: Any) -> None:
    """Count finite values by bin: the last edge that is not above it, else the first.

    Args:
        values: (n,) float64.
        edges: (bins,) float64, rising; evenly spaced ones are found without searching.
        counts: (bins,) int64, added to.
    """
    last = edges.shape[0] - 1
    scale = last / (edges[last] - edges[0])
    for value in values:
        if not np.isfinite(value):
            continue
        guess = (value - edges[0]) * scale
        place = 0 if guess < 0 else last if guess > last else int(guess)
        while place < last and edges[place + 1] <= value:
            place += 1
        while place > 0 and edges[place] > value:
            place -= 1
        counts[place] += 1


@cache
def bin_counter() -> Callable[..., None]:
    """`count_bins`, compiled."""
    from numba import types

    values = types.Array(types.float64, 1, "C", readonly=True)
    result: Any = types.void
    return compiled(count_bins, result(values, values, types.Array(types.int64, 1, "C")))
