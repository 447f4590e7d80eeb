"""Where the chunks of a dataset lie, and whether that can be true.

The B-trees of the usual HDF5 format have no checksum: a damaged one puts chunks in other places,
forgets some or points anywhere, and the library reads zeros or another chunk for it. So what it
says is checked: every chunk there once, inside the file, none over another.

Where damaged rows are skipped, what is wrong with a single chunk is kept with its place instead,
and told when it is read. A dataset without any chunk, or with millions lost, is refused still.

A chunk that was never written reads as zeros by the rules of HDF5. Here it is refused, because
a lost one looks the same, and because a few bytes can declare 10**15 such rows.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.shards.inputs.storage import DataFile, Unreadable, stored_item_bytes

# No deflated byte stands for more.
MOST_INFLATED: Final = 1_032
_NOT_PACKING: Final = (h5py.h5z.FILTER_SHUFFLE, h5py.h5z.FILTER_FLETCHER32)
_FARTHEST: Final = 1 << 62
# More lost chunks than this are no damage but a wrong shape, and could not be kept in memory.
_MOST_LOST: Final = 1 << 20
# Chunks that begin within so many bytes are read together, what lies between them included.
_SPAN_BYTES: Final = 1 << 20
_GAP_BYTES: Final = 1 << 12

_LOST: Final = "a chunk was never written, or is lost"
_TWICE: Final = "its index names a chunk twice"
_AT_HEAD: Final = "its index puts a chunk where the head of the file is"
_EMPTY: Final = "its index names a chunk of no bytes"
_BEYOND: Final = "a chunk would lie beyond the end of the file"
_OVERLAP: Final = "two chunks would lie in one place"
_NOT_PACKED: Final = "its index says of a packed chunk that it is not packed"

Place = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the file that is read at once, with k chunks in it.

    Attributes:
        places: (k, rank) int64, in the chunk grid.
        begins, ends: (k,) int64, where in the piece each chunk lies.
    """

    start: int
    size: int
    places: npt.NDArray[np.int64]
    begins: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]

    def chunks(self) -> Iterator[tuple[Place, int, int]]:
        """Place, begin and end of each chunk."""
        places = map(tuple, self.places.tolist())
        return zip(places, self.begins.tolist(), self.ends.tolist(), strict=True)


@dataclass(frozen=True, slots=True)
class ChunkMap:
    """Where the chunks of a dataset lie, by place in the chunk grid.

    Attributes:
        skipped: a chunk was stored with a filter left out.
        faults: what is wrong with single chunks, by place; empty unless damage is skipped.
    """

    chunk: tuple[int, ...]
    offsets: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    skipped: bool
    faults: Mapping[Place, str] = field(default_factory=dict)

    @classmethod
    def of(cls, file: DataFile, dataset: Any) -> ChunkMap:
        """Ask h5py, and check.

        Raises:
            Unreadable: a chunk is missing or cannot be where the index says; where damage is
                skipped, only if that leaves nothing.
        """
        grid = tuple(-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
        stored: list[Any] = []
        dataset.id.chunk_iter(stored.append)
        if file.skip_damaged:
            return cls._with_faults(file, dataset, grid, stored)
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
        more = (0,) * len(words)
        faults = {(*place, *more): fault for place, fault in self.faults.items()}
        return ChunkMap((*self.chunk, *words), offsets, sizes, self.skipped, faults)

    def spans(self, first: int, stop: int) -> Iterator[Span]:
        """The chunks of the chunk rows [first, stop), by where they lie in the file."""
        offsets = self.offsets[first:stop].ravel()
        order = np.argsort(offsets, kind="stable")
        starts = offsets[order]
        ends = starts + self.sizes[first:stop].ravel()[order]
        places = np.argwhere(np.ones_like(self.offsets[first:stop], bool))[order]
        places[:, 0] += first
        gaps = np.flatnonzero(starts[1:] - ends[:-1] > _GAP_BYTES) + 1
        at = 0
        for bound in [*gaps.tolist(), len(order)]:
            while at < bound:
                start = int(starts[at])
                near = int(np.searchsorted(starts[at:bound], start + _SPAN_BYTES, side="right"))
                inside = slice(at, at + near)
                begins, stops = starts[inside] - start, ends[inside] - start
                yield Span(start, int(stops[-1]), places[inside], begins, stops)
                at += near

    def check(self, place: Place) -> None:
        """See whether a chunk can be believed.

        Raises:
            Unreadable: it cannot.
        """
        if self.faults and place in self.faults:
            raise Unreadable(self.faults[place])

    @classmethod
    def _with_faults(
        cls, file: DataFile, dataset: Any, grid: Place, stored: Sequence[Any]
    ) -> ChunkMap:
        """The map of what can be believed, and for every other place why it cannot."""
        corners = np.array([x.chunk_offset for x in stored], np.uint64).reshape(-1, len(grid))
        inside = np.all(corners < np.array(dataset.shape, np.uint64), axis=1)
        stored = [x for x, good in zip(stored, inside.tolist(), strict=True) if good]
        places = corners[inside].astype(np.int64) // dataset.chunks
        keys = [tuple(place) for place in places.tolist()]
        _check_lost(len(set(keys)), dataset, grid)
        offsets, sizes = np.zeros(grid, np.int64), np.zeros(grid, np.int64)
        faults = _faults(stored, keys, dataset, file.size if file.plain else _FARTHEST)
        for key, chunk in zip(keys, stored, strict=True):
            if key not in faults:
                offsets[key], sizes[key] = chunk.byte_offset, chunk.size
        for place in np.argwhere(sizes == 0).tolist():
            faults.setdefault(tuple(place), _LOST)
        skipped = any(x.filter_mask for x, k in zip(stored, keys, strict=True) if k not in faults)
        return cls(dataset.chunks, offsets, sizes, skipped, faults)


def _check_lost(there: int, dataset: Any, grid: Place) -> None:
    lost = math.prod(grid) - there
    if not there or lost > _MOST_LOST:
        raise Unreadable(
            f"{lost} of {math.prod(grid)} chunks were never written, or are lost",
            rows=(0, dataset.shape[0] - 1),
        )


def _faults(
    stored: Sequence[Any], keys: Sequence[Place], dataset: Any, end: int
) -> dict[Place, str]:
    """What the index says that cannot be true, by the place in the grid that it says it of."""
    faults: dict[Place, str] = {}
    numbers = Counter(keys)
    lies = _lying_masks(stored, dataset)
    spans: list[tuple[int, int, Place]] = []
    for key, chunk in zip(keys, stored, strict=True):
        if numbers[key] > 1:
            faults[key] = _TWICE
        elif not chunk.size:
            faults[key] = _EMPTY
        elif not chunk.byte_offset:
            faults[key] = _AT_HEAD
        elif chunk.byte_offset + chunk.size > end:
            faults[key] = _BEYOND
        elif (chunk.filter_mask, chunk.size) in lies:
            faults[key] = _NOT_PACKED
        if chunk.byte_offset + chunk.size <= end:
            spans.append((chunk.byte_offset, chunk.byte_offset + chunk.size, key))
    spans.sort()
    for place in _overlapping(spans):
        faults.setdefault(place, _OVERLAP)
    return faults


def _overlapping(spans: Sequence[tuple[int, int, Place]]) -> Iterator[Place]:
    """The places of those that share a byte with another; which of the two is right is unknown."""
    farthest, owner = -1, None
    for start, stop, place in spans:
        if start < farthest and owner is not None:
            yield owner
            yield place
        if stop > farthest:
            farthest, owner = stop, place


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
        raise Unreadable(_TWICE)
    return places


def _spans(stored: Sequence[Any], end: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Offsets and sizes, none of which reach beyond `end` or into one another."""
    offsets = np.array([x.byte_offset for x in stored], np.uint64)
    sizes = np.array([x.size for x in stored], np.uint64)
    if not sizes.all():
        raise Unreadable(_EMPTY)
    if not offsets.all():
        raise Unreadable(_AT_HEAD)
    if max(offsets.max(), sizes.max()) > end or np.any(offsets + sizes > end):
        raise Unreadable(f"{_BEYOND} ({end} bytes)")
    order = offsets.argsort()
    if np.any((offsets + sizes)[order][:-1] > offsets[order][1:]):
        raise Unreadable(_OVERLAP)
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
    if _lying_masks(stored, dataset):
        raise Unreadable(_NOT_PACKED)


def _lying_masks(stored: Sequence[Any], dataset: Any) -> set[tuple[int, int]]:
    """Filter masks, with the chunk's size, that cannot be true.

    Filters are left out only where packing did not help, which the size shows. Else a flipped
    bit in the index makes packed bytes into numbers.
    """
    masks = {(x.filter_mask, x.size) for x in stored if x.filter_mask}
    if not masks:
        return set()
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    # References to text are never shuffled, whatever was asked for; each of their chunks says so.
    never = {h5py.h5z.FILTER_SHUFFLE} if dataset.dtype.kind == "O" else set()
    raw_size = math.prod(dataset.chunks) * stored_item_bytes(dataset)
    lies: set[tuple[int, int]] = set()
    for mask, size in masks:
        skipped = {f for bit, f in enumerate(filters) if mask >> bit & 1} - never
        left = [f for f in filters if f not in skipped | never]
        expected = raw_size + 4 * (h5py.h5z.FILTER_FLETCHER32 in left)
        plain = all(f in _NOT_PACKING for f in left) and size == expected
        if not skipped and not mask >> len(filters):
            continue
        if mask >> len(filters) or any(f in _NOT_PACKING for f in skipped) or not plain:
            lies.add((mask, size))
    return lies
