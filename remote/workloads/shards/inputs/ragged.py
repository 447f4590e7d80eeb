"""Rows of any length as padded blocks, which is what cleaning takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import Ragged, RawRows, part_of

# Of a padded block; a row that is wider is a block by itself.
MOST_PLACES = 1 << 21


def padded(raw: RawRows) -> Iterator[RawRows]:
    """The same rows with padded peaks, in as many blocks as memory asks for."""
    if not isinstance(raw.mz, Ragged) or not isinstance(raw.intensity, Ragged):
        yield raw
        return
    lengths = np.diff(raw.mz.offsets)
    for start, stop in _cuts(lengths):
        part = part_of(raw, raw.row_start + start, raw.row_start + stop)
        # One place more than the widest row: no row is as wide as its storage here.
        width = int(lengths[start:stop].max(initial=0)) + 1
        yield replace(part, mz=_filled(part.mz, width), intensity=_filled(part.intensity, width))


def _cuts(lengths: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Bounds of blocks of at most `MOST_PLACES`; one empty block for no rows."""
    start, widest = 0, 0
    for row, length in enumerate(lengths.tolist()):
        wider = max(widest, length + 1)
        if row > start and wider * (row + 1 - start) > MOST_PLACES:
            yield start, row
            start, wider = row, length + 1
        widest = wider
    yield start, len(lengths)


def _filled(ragged: Any, width: int) -> npt.NDArray[Any]:
    """(n, width), with zeros after each row's values."""
    lengths = np.diff(ragged.offsets)
    block = np.zeros((len(lengths), width), ragged.dtype)
    block[np.arange(width) < lengths[:, None]] = ragged.values[
        ragged.offsets[0] : ragged.offsets[-1]
    ]
    return block
