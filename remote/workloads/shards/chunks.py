"""Where the chunks of a dataset lie, and whether that can be true.

The B-trees of the usual HDF5 format have no checksum: a damaged one puts chunks in other places,
forgets some or points anywhere, and the library reads zeros or another chunk for it. So what it
says is checked: every chunk there once, inside the file, none over another.

A chunk that was never written reads as zeros by the rules of HDF5. Here it is refused, because
a lost one looks the same, and because a few bytes can declare 10**15 such rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.shards.storage import DataFile, Unreadable, stored_item_bytes

# No deflated byte stands for more.
MOST_INFLATED: Final = 1_032
_NOT_PACKING: Final = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
_FARTHEST: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class ChunkMap:
    """Where the chunks of a dataset lie, by place in the chunk grid.

    Attributes:
        skipped: a chunk was stored with a filter left out.
    """

    chunk: tuple[int, ...]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    skipped: bool

    @classmethod
    def of(cls, file: DataFile, dataset: Any) -> ChunkMap:
        """Ask h5py, and check.

        Raises:
            Unreadable: a chunk is missing or cannot be where the index says.
        """
        grid = tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        stored: list[Any] = []
        dataset.id.chunk_iter(stored.append)
        places = _places(stored, dataset, grid)
        _check_filters(stored, dataset)
        offsets, sizes = np.zeros(grid, np.int64), np.zeros(grid, np.int64)
        found = _spans(stored, file.size if file.plain else _FARTHEST)
        offsets[tuple(places.T)], sizes[tuple(places.T)] = found
        return cls(dataset.chunks, offsets, sizes, any(x.filter_mask for x in stored))

    def with_words(self, words: tuple[int, ...]) -> ChunkMap:
        """The map of the same chunks with further axes, which are never cut."""
        grid = self.sizes.shape + (1,) * len(words)
        offsets, sizes = self.offsets.reshape(grid), self.sizes.reshape(grid)
        return ChunkMap((*self.chunk, *words), offsets, sizes, self.skipped)


def _places(stored: Sequence[Any], dataset: Any, grid: tuple[int, ...]) -> npt.NDArray[np.int64]:
    """(chunks, rank): the place of each in the grid, in which each place is taken once."""
    # A damaged corner may have 64 bits.
    corners = np.array([x.chunk_offset for x in stored], np.uint64).reshape(-1, len(grid))
    if np.any(corners >= np.array(dataset.shape, np.uint64)):
        raise Unreadable("its index names a chunk outside of the dataset")
    places: npt.NDArray[np.int64] = corners.astype(np.int64) // dataset.chunks
    if len(places) != math.prod(grid):
        missing = math.prod(grid) - len(places)
        raise Unreadable(
            f"{missing} of {math.prod(grid)} chunks were never written, or are lost",
            rows=_missing(places[:, 0], dataset, grid),
        )
    if len(np.unique(np.ravel_multi_index(tuple(places.T), grid))) != len(places):
        raise Unreadable("its index names a chunk twice")
    return places


def _spans(stored: Sequence[Any], end: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Offsets and sizes, none of which reach beyond `end` or into one another."""
    offsets = np.array([x.byte_offset for x in stored], np.uint64)
    sizes = np.array([x.size for x in stored], np.uint64)
    if not sizes.all():
        raise Unreadable("its index names a chunk of no bytes")
    if max(offsets.max(), sizes.max()) > end or np.any(offsets + sizes > end):
        raise Unreadable(f"a chunk would lie beyond the end of the file ({end} bytes)")
    order = offsets.argsort()
    if np.any((offsets + sizes)[order][:-1] > offsets[order][1:]):
        raise Unreadable("two chunks would lie in one place")
    return offsets, sizes


def _missing(steps: npt.NDArray[np.int64], dataset: Any, grid: tuple[int, ...]) -> tuple[int, int]:
    """First and last row without all of their chunks; `steps` are the chunk rows of the others."""
    found, counts = np.unique(steps, return_counts=True)
    whole = found[counts == math.prod(grid[1:])]
    first = int(np.count_nonzero(whole == np.arange(len(whole))))
    final = np.count_nonzero(whole[::-1] == grid[0] - 1 - np.arange(len(whole)))
    last = grid[0] - 1 - int(final)
    step = dataset.chunks[0]
    return first * step, min((last + 1) * step, dataset.shape[0]) - 1


def _check_filters(stored: Sequence[Any], dataset: Any) -> None:
    """Filters are left out only where packing did not help, which the chunk's size shows.

    Else a flipped bit in the index makes packed bytes into numbers.
    """
    masks = {(x.filter_mask, x.size) for x in stored if x.filter_mask}
    if not masks:
        return
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    raw_size = math.prod(dataset.chunks) * stored_item_bytes(dataset)
    for mask, size in masks:
        skipped = {f for bit, f in enumerate(filters) if mask >> bit & 1}
        left = [f for f in filters if f not in skipped]
        expected = raw_size + 4 * (h5py.h5z.FILTER_FLETCHER32 in left)
        plain = all(f in _NOT_PACKING for f in left) and size == expected
        if mask >> len(filters) or any(f in _NOT_PACKING for f in skipped) or not plain:
            raise Unreadable("its index says of a packed chunk that it is not packed")
