"""Reading through the HDF5 library: every layout, filter and type, one thread at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.shards.inputs.chunks import ChunkMap
from remote.workloads.shards.inputs.lzf import LZF, measure
from remote.workloads.shards.inputs.storage import (
    BROKEN,
    DataFile,
    Unreadable,
    name_of,
    reason,
    stored_item_bytes,
)


@dataclass(frozen=True, slots=True)
class LibraryReader:
    """Through h5py.

    Attributes:
        chunks: where the chunks lie, so that none is lost unnoticed; None where there are none.
        lzf_size: bytes that every chunk unpacks to, where LZF packs them last; else None.
    """

    dataset: Any
    chunks: ChunkMap | None = None
    lzf_size: int | None = None

    @property
    def name(self) -> str:
        return name_of(self.dataset)

    def read(self, row_start: int, row_stop: int) -> npt.NDArray[Any]:
        """See `Reader.read`."""
        try:
            if self.chunks is not None:
                self._check(self.chunks, row_start, row_stop)
            values: npt.NDArray[Any] = self.dataset[row_start:row_stop]
        except BROKEN as error:
            raise Unreadable(reason(error)) from error
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def probe(self) -> None:
        """See `Reader.probe`."""
        rows = self.dataset.shape[0]
        self.read(0, 1)
        self.read(rows - 1, rows)

    def _check(self, chunks: ChunkMap, row_start: int, row_stop: int) -> None:
        """Look up each chunk as the library will, by keys that its listing does not show.

        Where a damaged key hides a chunk it reads zeros. The bytes read here are at hand for the
        reading that follows.
        """
        first, last = row_start // chunks.chunk[0], (row_stop - 1) // chunks.chunk[0]
        for place, size in np.ndenumerate(chunks.sizes[first : last + 1]):
            at = first + place[0], *place[1:]
            chunks.check(at)
            corner = tuple(p * c for p, c in zip(at, chunks.chunk, strict=True))
            mask, stored = self.dataset.id.read_direct_chunk(corner)
            if len(stored) != size or (mask and not chunks.skipped):
                raise Unreadable("its index does not find a chunk that it names")
            if self.lzf_size is not None and not mask:
                length = measure()(np.frombuffer(stored, np.uint8))
                if length != self.lzf_size:
                    raise Unreadable(f"a chunk does not unpack to {self.lzf_size} bytes")


def library_reader(file: DataFile, dataset: Any) -> LibraryReader:
    """A reader of what cannot be read directly.

    Raises:
        Unreadable: what the file says of the place of the bytes cannot be true.
    """
    if dataset.chunks:
        return LibraryReader(dataset, ChunkMap.of(file, dataset), _lzf_size(dataset))
    if dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS:
        file.start_of(dataset)
    return LibraryReader(dataset)


def _lzf_size(dataset: Any) -> int | None:
    settings = dataset.id.get_create_plist()
    filters = [settings.get_filter(i)[0] for i in range(settings.get_nfilters())]
    if not filters or filters[-1] != LZF or any(x != h5py.h5z.FILTER_SHUFFLE for x in filters[:-1]):
        return None
    return int(math.prod(dataset.chunks)) * stored_item_bytes(dataset)
