"""Column chunks of the peak lists, whose values are nine tenths of a shard.

pyarrow spends more time on the levels of nested values than on all else of them together. Here
lists are never null and never empty, and so levels are a bit a value: 0 where a list begins.
What a chunk's metadata says is patched into what pyarrow itself writes for such a column.

A page, by the Parquet format (data page v1):

    PageHeader, then compressed: repetition levels, definition levels, values split by byte
    levels: length u32, then a run: varint and packed bits (repetition) or one byte (definition)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import deflate
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.output import thrift
from remote.workloads.shards.output.bytesplit import byte_splitter
from remote.workloads.shards.output.thrift import Items, Struct

# A page ends before the list that would take it over this many values, as pages of 1 MiB do.
PAGE_VALUES = 1 << 17

_DATA_PAGE, _RLE, _BYTE_STREAM_SPLIT = 0, 3, 9
# ColumnChunk and ColumnMetaData
_META = 3
_NUM_VALUES, _RAW_BYTES, _STORED_BYTES, _PAGE_OFFSET, _STATISTICS = 5, 6, 7, 9, 12
_ENCODING_STATS, _SIZE_STATISTICS = 13, 16
# Statistics: greatest and least, in both of their forms
_GREATEST, _LEAST = (1, 5), (2, 6)
_REPETITIONS, _DEFINITIONS = 2, 3
_COUNT = 3


@dataclass(frozen=True, slots=True)
class ListChunk:
    """The bytes of a column chunk, and its `ColumnChunk` as if they were at `offset`."""

    data: tuple[pa.Buffer, ...]
    column: Struct
    raw_size: int

    @property
    def size(self) -> int:
        """Bytes in the file."""
        return sum(part.size for part in self.data)


def encode_lists(
    offsets: npt.NDArray[np.int64],
    values: npt.NDArray[np.floating],
    template: Struct,
    codec: pa.Codec,
    offset: int,
) -> ListChunk:
    """Encode lists of floats.

    Args:
        offsets: (k + 1,) bounds of the lists in `values`, rising: no list is empty.
        values: (m,) float64 or float32, finite and above zero.
        template: the `ColumnChunk` that pyarrow writes for such a column.
        codec: what pages are compressed with.
        offset: where in the file the bytes will be.
    """
    data: list[pa.Buffer] = []
    raw_size = 0
    for first, last in _pages(offsets):
        inside = offsets[first : last + 1] - offsets[first]
        raw = _raw_page(inside, values[offsets[first] : offsets[last]])
        packed = codec.compress(raw)
        stored = packed.slice(0, packed.size)  # its memory can be larger
        header = _header(int(inside[-1]), len(raw), memoryview(stored))
        data += (pa.py_buffer(header), stored)
        raw_size += len(header) + len(raw)
    size = sum(part.size for part in data)
    column = _patched(template, offsets, values, (raw_size, size, offset, len(data) // 2))
    return ListChunk(tuple(data), column, raw_size)


def _pages(offsets: npt.NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """Bounds of the pages, in lists; a page has one list at least."""
    first, count = 0, len(offsets) - 1
    while first < count:
        fits = int(np.searchsorted(offsets, offsets[first] + PAGE_VALUES, side="right")) - 1
        last = max(first + 1, fits)
        yield first, last
        first = last


def _raw_page(offsets: npt.NDArray[np.int64], values: npt.NDArray[np.floating]) -> Any:
    count = len(values)
    inner = np.ones(count, np.uint8)
    inner[offsets[:-1]] = 0
    bits = np.packbits(inner, bitorder="little")
    repetitions = _varint(len(bits) << 1 | 1) + bits.tobytes()
    definitions = _varint(count << 1) + b"\x01"
    levels = _sized(repetitions) + _sized(definitions)
    page = _room(len(levels) + values.nbytes)
    page[: len(levels)] = np.frombuffer(levels, np.uint8)
    words = values.view(np.uint64 if values.itemsize == 8 else np.uint32)
    byte_splitter(words.dtype)(words, page[len(levels) :])
    return page.data


_own = threading.local()


def _room(size: int) -> npt.NDArray[np.uint8]:
    """Room for one page, the thread's own, used again by its next call."""
    if size > getattr(_own, "size", 0):
        _own.size, _own.page = size, np.empty(size, np.uint8)
    found: npt.NDArray[np.uint8] = _own.page[:size]
    return found


def _sized(levels: bytes) -> bytes:
    return len(levels).to_bytes(4, "little") + levels


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    found.append(number)
    return bytes(found)


def _header(count: int, raw_size: int, stored: memoryview) -> bytes:
    crc = deflate.crc32(stored)
    page: dict[int, tuple[int, thrift.Value]] = {
        1: (thrift.I32, count),
        2: (thrift.I32, _BYTE_STREAM_SPLIT),
        3: (thrift.I32, _RLE),
        4: (thrift.I32, _RLE),
    }
    return thrift.encode_struct(
        Struct(
            {
                1: (thrift.I32, _DATA_PAGE),
                2: (thrift.I32, raw_size),
                3: (thrift.I32, len(stored)),
                4: (thrift.I32, crc - (crc >> 31 << 32)),
                5: (thrift.STRUCT, Struct(page)),
            }
        )
    )


def _patched(
    template: Struct,
    offsets: npt.NDArray[np.int64],
    values: npt.NDArray[np.floating],
    sizes: tuple[int, int, int, int],
) -> Struct:
    """The template's column with the numbers of this chunk."""
    raw_size, size, offset, pages = sizes
    count, lists = len(values), len(offsets) - 1
    meta = Struct(dict(template.struct(_META).fields))
    for place, number in (
        (_NUM_VALUES, count),
        (_RAW_BYTES, raw_size),
        (_STORED_BYTES, size),
        (_PAGE_OFFSET, offset),
    ):
        meta.replace(place, number)
    meta.replace(_STATISTICS, _statistics(meta.struct(_STATISTICS), values))
    kinds = Struct(dict(meta.items(_ENCODING_STATS).values[0].fields))  # type: ignore[union-attr]
    kinds.replace(_COUNT, pages)
    meta.replace(_ENCODING_STATS, Items(thrift.STRUCT, [kinds]))
    if _SIZE_STATISTICS in meta:
        levels = Struct(dict(meta.struct(_SIZE_STATISTICS).fields))
        levels.replace(_REPETITIONS, Items(thrift.I64, [lists, count - lists]))
        levels.replace(_DEFINITIONS, Items(thrift.I64, [0, count]))
        meta.replace(_SIZE_STATISTICS, levels)
    column = Struct(dict(template.fields))
    column.replace(_META, meta)
    return column


def _statistics(known: Struct, values: npt.NDArray[np.floating]) -> Struct:
    found = Struct(dict(known.fields))
    for places, value in ((_GREATEST, values.max()), (_LEAST, values.min())):
        for place in places:
            if place in found:
                found.replace(place, value.tobytes())
    return found
