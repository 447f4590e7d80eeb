"""Reading stored bytes without the HDF5 library: several times faster, and in parallel.

h5py says once where the chunks are; from then on rows are read with pread and inflated with
libdeflate, both without a lock. Bytes are interpreted here only where nothing about them is in
doubt (`direct_reader` returns None otherwise).

Deflated chunks end with a checksum, which libdeflate verifies. Nothing vouches for numbers that
are stored as they are: a flipped bit among them cannot be known.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import deflate
import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.shards.inputs.buffers import BufferPool
from remote.workloads.shards.inputs.chunks import MOST_INFLATED, ChunkMap, Place
from remote.workloads.shards.inputs.storage import DataFile, Unreadable, name_of

if TYPE_CHECKING:
    from remote.workloads.shards.inputs.inflate import Inflater

_DEFLATE: Final = h5py.h5z.FILTER_DEFLATE
_SHUFFLE: Final = h5py.h5z.FILTER_SHUFFLE
_FILTERS: Final = ((), (_DEFLATE,), (_SHUFFLE, _DEFLATE))

# Chunks with this few values a row are stored column by column, and kept so in memory.
_COLUMN_VALUES = 16
_CACHED_CHUNKS = 16
# Deflate shrinks zeros about a thousandfold; a stream this much smaller may be nothing else.
_ZERO_RATIO = 200
_ZERO_STREAMS = 256


@dataclass(frozen=True, slots=True)
class ContiguousReader:
    """Rows that lie one after the other from `offset` on."""

    file: DataFile
    name: str
    offset: int
    rows: int
    row_shape: tuple[int, ...]
    dtype: np.dtype[Any]
    _blocks: BufferPool = field(default_factory=BufferPool)

    def read(self, row_start: int, row_stop: int) -> npt.NDArray[Any]:
        """See `Reader.read`."""
        values = self._blocks.empty((row_stop - row_start, *self.row_shape), self.dtype)
        row_bytes = values.itemsize * math.prod(self.row_shape)
        if values.size:
            flat = values.reshape(-1).view(np.uint8)
            self.file.pread_into(flat.data, self.offset + row_start * row_bytes)
        return values

    def probe(self) -> None:
        """See `Reader.probe`."""
        self.read(0, 1)
        self.read(self.rows - 1, self.rows)


@dataclass(frozen=True, slots=True)
class Codec:
    """From a chunk's stored bytes to its values."""

    filters: tuple[int, ...]
    dtype: np.dtype[Any]
    chunk: tuple[int, ...]
    raw_size: int

    @classmethod
    def of(cls, filters: tuple[int, ...], dtype: np.dtype[Any], chunk: tuple[int, ...]) -> Codec:
        """The codec of chunks of this shape; `raw_size` is a chunk's bytes, inflated."""
        return cls(filters, dtype, chunk, math.prod(chunk) * dtype.itemsize)

    def decode(self, stored: memoryview) -> npt.NDArray[Any]:
        """Values of one chunk.

        Raises:
            Unreadable: the bytes do not inflate to a whole chunk, or their checksum is wrong.
        """
        raw: bytes | bytearray | memoryview = stored
        if _DEFLATE in self.filters:
            if self.raw_size > MOST_INFLATED * len(stored):
                raise Unreadable(f"a chunk of {len(stored)} bytes cannot have {self.raw_size}")
            try:
                raw = deflate.zlib_decompress(stored, self.raw_size)
            except deflate.DeflateError as error:
                raise Unreadable(f"a chunk does not inflate ({error})") from None
        if len(raw) != self.raw_size:
            raise Unreadable(f"a chunk has {len(raw)} bytes instead of {self.raw_size}")
        if _SHUFFLE in self.filters:
            planes = np.frombuffer(raw, np.uint8).reshape(self.dtype.itemsize, -1)
            raw = planes.T.tobytes()
        return np.frombuffer(raw, self.dtype).reshape(self.chunk)


@dataclass(frozen=True, slots=True)
class ChunkReader:
    """Chunked rows of any rank.

    Chunks of a column are kept for a while, because tasks follow the chunks of
    the spectra and not of their columns.
    """

    file: DataFile
    name: str
    shape: tuple[int, ...]
    codec: Codec
    chunks: ChunkMap
    _blocks: BufferPool = field(default_factory=BufferPool)
    _kept: OrderedDict[int, npt.NDArray[Any]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _zeros: set[bytes] = field(default_factory=set)
    _tails: dict[Place, tuple[tuple[slice, ...], tuple[slice, ...]]] = field(default_factory=dict)

    def read(self, row_start: int, row_stop: int) -> npt.NDArray[Any]:
        """See `Reader.read`. Narrow chunks come back with rows as the last, dense axis."""
        out = self._room(row_stop - row_start)
        step = self.chunks.chunk[0]
        first, last = row_start // step, max(row_stop - 1, row_start) // step
        inflater = self._inflater()
        for span in self.chunks.spans(first, last + 1):
            stored = b"" if self._keeps else self.file.pread(span.size, span.start)
            if inflater and inflater.put(span, stored, out, row_start, by_column=self._narrow):
                continue
            for place, begin, end in span.chunks():
                if self._keeps:
                    values = self._kept_chunk(place)
                else:
                    values = self._decoded(place, memoryview(stored)[begin:end])
                self._put(place, values, out, row_start)
        return out

    def _inflater(self) -> Inflater | None:
        """What does a whole span at a time; None where it cannot, or a chunk is in doubt."""
        if self.codec.filters != (_DEFLATE,) or self.chunks.faults or self._keeps:
            return None
        from remote.workloads.shards.inputs.inflate import Inflater  # slow to import

        return Inflater.of(self.codec.chunk, self.codec.dtype)

    def probe(self) -> None:
        """See `Reader.probe`: the first chunk, and the one that lies last in the file."""
        self._chunk((0,) * len(self.shape))
        last = np.unravel_index(self.chunks.offsets.argmax(), self.chunks.offsets.shape)
        self._chunk(tuple(int(i) for i in last))

    def _room(self, rows: int) -> npt.NDArray[Any]:
        tail = self.shape[1:]
        if self._narrow:
            return np.moveaxis(self._blocks.empty((*tail, rows), self.codec.dtype), -1, 0)
        if tail:
            return self._blocks.empty((rows, *tail), self.codec.dtype)
        return np.empty(rows, self.codec.dtype)

    @property
    def _narrow(self) -> bool:
        """True where rows of a block are its dense axis."""
        values = math.prod(self.chunks.chunk[1:])
        return len(self.shape) > 1 and values <= _COLUMN_VALUES

    @property
    def _keeps(self) -> bool:
        """True for columns, whose chunks serve several reads."""
        return len(self.shape) < 3

    def _put(
        self,
        place: Place,
        values: npt.NDArray[Any] | None,
        out: npt.NDArray[Any],
        row_start: int,
    ) -> None:
        """Copy what a read from `row_start` on wants of one chunk to where it belongs."""
        step = self.chunks.chunk[0]
        corner = place[0] * step
        low, high = max(corner, row_start), min(corner + step, row_start + len(out))
        outside, inside = self._tail(place[1:])
        target = out[(slice(low - row_start, high - row_start), *outside)]
        if values is None:
            target[...] = np.zeros((), self.codec.dtype)
        else:
            target[...] = values[(slice(low - corner, high - corner), *inside)]

    def _tail(self, place: Place) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """What chunks at this place have of a row, and where that is in them."""
        found = self._tails.get(place)
        if found is None:
            sizes = zip(place, self.chunks.chunk[1:], self.shape[1:], strict=True)
            outside = tuple(slice(p * c, min(p * c + c, n)) for p, c, n in sizes)
            found = outside, tuple(slice(0, s.stop - s.start) for s in outside)
            self._tails[place] = found
        return found

    def _kept_chunk(self, place: Place) -> npt.NDArray[Any] | None:
        with self._lock:  # so that no chunk is inflated for two threads at once
            if place[0] in self._kept:
                self._kept.move_to_end(place[0])
                return self._kept[place[0]]
            values = self._chunk(place)
            if values is not None:
                self._kept[place[0]] = values
            while len(self._kept) > _CACHED_CHUNKS:
                self._kept.popitem(last=False)
            return values

    def _chunk(self, place: Place) -> npt.NDArray[Any] | None:
        """Read one chunk; see `_decoded`."""
        stored = self.file.pread(int(self.chunks.sizes[place]), int(self.chunks.offsets[place]))
        return self._decoded(place, memoryview(stored))

    def _decoded(self, place: Place, stored: memoryview) -> npt.NDArray[Any] | None:
        """A chunk's values; None where they are all zero, as padding columns are."""
        self.chunks.check(place)
        if len(stored) * _ZERO_RATIO >= self.codec.raw_size:
            return self.codec.decode(stored)
        stream = bytes(stored)
        if stream in self._zeros:
            return None
        values = self.codec.decode(stored)
        if np.any(values):
            return values
        if len(self._zeros) < _ZERO_STREAMS:
            self._zeros.add(stream)
        return None


def direct_reader(file: DataFile, dataset: Any) -> ChunkReader | ContiguousReader | None:
    """A reader of the stored bytes, None where only the library is sure to read them right.

    Raises:
        Unreadable: what the file says of the place of the bytes cannot be true.
    """
    if not _stored_as_read(dataset):
        return None
    return stored_reader(file, dataset, dataset.dtype)


def stored_reader(
    file: DataFile, dataset: Any, dtype: np.dtype[Any], words: tuple[int, ...] = ()
) -> ChunkReader | ContiguousReader | None:
    """A reader that takes each stored element for an array of `words` values of `dtype`.

    Raises:
        Unreadable: as `direct_reader` does.
    """
    if not (file.plain and math.prod(dataset.shape)):
        return None
    settings = dataset.id.get_create_plist()
    layout = settings.get_layout()
    filters = tuple(settings.get_filter(i)[0] for i in range(settings.get_nfilters()))
    shape = (*dataset.shape, *words)
    if layout == h5py.h5d.CONTIGUOUS and not filters and not settings.get_external_count():
        offset = file.start_of(dataset)
        return ContiguousReader(file, name_of(dataset), offset, shape[0], shape[1:], dtype)
    # The shuffle is of whole elements.
    if layout != h5py.h5d.CHUNKED or filters not in _FILTERS or (words and _SHUFFLE in filters):
        return None
    chunks = ChunkMap.of(file, dataset).with_words(words)
    if chunks.skipped:
        return None
    codec = Codec.of(filters, dtype, chunks.chunk)
    return ChunkReader(file, name_of(dataset), shape, codec, chunks)


def _stored_as_read(dataset: Any) -> bool:
    """True for native numbers and zero-padded bytes: h5py would convert nothing."""
    stored = dataset.id.get_type()
    if dataset.dtype.kind == "S":
        return bool(stored.get_strpad() == h5py.h5t.STR_NULLPAD)
    native = dataset.dtype.kind in "fiu" and dataset.dtype.isnative
    return native and bool(stored == h5py.h5t.py_create(dataset.dtype))
