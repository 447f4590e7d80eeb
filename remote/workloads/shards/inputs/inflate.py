"""Inflating chunks and putting their values in place, compiled.

The package `deflate` gives a bytes object for each chunk, which is then copied to its place: the
interpreter's lock is asked for twice a chunk, and threads wait for one another. Here a whole span
of chunks is worked off without it, by the C functions that the package brings along. Where it
does not show them, and where a chunk is not as it should be, the caller does it chunk by chunk.

Importing this imports numba, which takes a while.
"""

from __future__ import annotations

import ctypes
import importlib.util
import math
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from remote.workloads.shards.compiled import compiled
from remote.workloads.shards.inputs.chunks import MOST_INFLATED, Span

_ALLOCATE, _FREE = "libdeflate_alloc_decompressor", "libdeflate_free_decompressor"
_INFLATE = "libdeflate_zlib_decompress"


def _call(
    _context: Any,
    _function: Any,
    _decompressor: Any,
    _source: Any,
    _size: Any,
    _target: Any,
    _room: Any,
    _made: Any,
) -> Any:
    """A call of libdeflate_zlib_decompress, whose address comes first; all are words."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        word = ir.IntType(64)
        kind = ir.FunctionType(ir.IntType(32), [word] * 6).as_pointer()
        return builder.call(builder.inttoptr(arguments[0], kind), arguments[1:])

    result: Any = types.int32
    return result(*[types.int64] * 7), code


_inflate: Any = intrinsic(_call)


def put_chunks(  # noqa: C901  (compiled: calls would have to be compiled, too)
    function: int,
    decompressor: int,
    stored: Any,
    begins: Any,
    ends: Any,
    corners: Any,
    row_start: int,
    by_column: bool,
    room: Any,
    values: Any,
    out: Any,
) -> int:
    """Inflate chunks, and copy what is wanted of them to where it belongs.

    Args:
        stored: (bytes,) uint8, a piece of the file.
        begins, ends: (k,) int64, where in it each chunk is.
        corners: (k, 3) int64, each chunk's first row and where it begins in a row.
        by_column: rows are the last, dense axis of `out`, else the first.
        room, values: the same memory of one chunk: (bytes,) uint8, and (rows, ., .) floats.
        out: (2, P, n) or (n, 2, P) floats, the rows from `row_start` on.

    Returns:
        How many chunks were done; fewer than k where one is not as it should be.
    """
    step, tall, wide = values.shape
    size = room.shape[0]
    if by_column:
        across, along, rows = out.shape
    else:
        rows, across, along = out.shape
    made = np.zeros(1, np.int64)
    for chunk in range(begins.shape[0]):
        row, first, second = corners[chunk, 0], corners[chunk, 1], corners[chunk, 2]
        low, high = max(row, row_start), min(row + step, row_start + rows)
        begin, count = begins[chunk], ends[chunk] - begins[chunk]
        # All of a chunk that is one piece of `out` is inflated into it.
        if by_column:
            direct = tall * wide == 1
            place = (first * along + second) * rows + low - row_start
        else:
            direct = tall == across and wide == along
            place = (low - row_start) * across * along
        direct = direct and low == row and high == row + step
        target = out.ctypes.data + place * out.itemsize if direct else room.ctypes.data
        source = stored.ctypes.data + begin
        if _inflate(function, decompressor, source, count, target, size, made.ctypes.data):
            return chunk
        if made[0] != size:
            return chunk
        if direct:
            continue
        wanted = values[low - row : high - row, : across - first, : along - second]
        if by_column:
            for i in range(wanted.shape[1]):
                for j in range(wanted.shape[2]):
                    line = out[first + i, second + j, low - row_start : high - row_start]
                    for at in range(wanted.shape[0]):
                        line[at] = wanted[at, i, j]
        else:
            for at in range(wanted.shape[0]):
                for i in range(wanted.shape[1]):
                    line = out[low - row_start + at, first + i, second:]
                    for j in range(wanted.shape[2]):
                        line[j] = wanted[at, i, j]
    return len(begins)


@cache
def _putter(dtype: np.dtype[Any]) -> Callable[..., int]:
    """`put_chunks`, compiled for one type."""
    word, floats = types.int64, numba.from_dtype(dtype)

    def array(kind: Any, rank: int, *, readonly: bool = False) -> Any:
        return types.Array(kind, rank, "C", readonly=readonly)

    result: Any = types.int64
    signature = result(
        word,
        word,
        array(types.uint8, 1, readonly=True),
        array(word, 1),
        array(word, 1),
        array(word, 2),
        word,
        types.boolean,
        array(types.uint8, 1),
        array(floats, 3),
        array(floats, 3),
    )
    return compiled(put_chunks, signature)


@cache
def _library() -> ctypes.CDLL | None:
    """The library inside of `deflate`; None where it does not show what is wanted."""
    found = importlib.util.find_spec("deflate._deflate")
    try:
        library = ctypes.CDLL((found and found.origin) or "")
        for name in (_ALLOCATE, _FREE, _INFLATE):
            getattr(library, name)
    except (OSError, AttributeError):
        return None
    getattr(library, _ALLOCATE).restype = ctypes.c_void_p
    getattr(library, _FREE).argtypes = [ctypes.c_void_p]
    return library


class _Decompressor:
    """What one thread inflates with; `address` is that of the C object."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self.address: int | None = getattr(library, _ALLOCATE)()
        if self.address is None:
            raise MemoryError("no memory for a decompressor")
        weakref.finalize(self, getattr(library, _FREE), self.address).atexit = False


_own = threading.local()


@dataclass(frozen=True)
class Inflater:
    """Puts deflated chunks of one shape and type, (rows, ., .) floats, in their places."""

    chunk: tuple[int, int, int]
    dtype: np.dtype[Any]
    library: ctypes.CDLL

    @classmethod
    def of(cls, chunk: tuple[int, ...], dtype: np.dtype[Any]) -> Inflater | None:
        """None for chunks of another rank or type, and where there is no library for it."""
        library = _library()
        if len(chunk) != 3 or dtype not in (np.float64, np.float32) or library is None:
            return None
        return cls((chunk[0], chunk[1], chunk[2]), dtype, library)

    def put(
        self, span: Span, stored: bytes, out: npt.NDArray[Any], row_start: int, *, by_column: bool
    ) -> bool:
        """Put what is wanted of a span's chunks where it belongs.

        Args:
            stored: the span's bytes.
            out: (n, ., .) of this type, the rows from `row_start` on; rows are its dense axis
                where it is `by_column`.

        Returns:
            False where a chunk is not as it should be; then some of `out` may hold anything.
        """
        size = math.prod(self.chunk) * self.dtype.itemsize
        # Before there is memory for it: the size of a chunk may be a damaged number.
        if size > MOST_INFLATED * int((span.ends - span.begins).min()):
            return False
        if getattr(_own, "room", np.zeros(0, np.uint8)).nbytes < size:
            _own.room = np.empty(size, np.uint8)
        room = _own.room[:size]
        if not hasattr(_own, "decompressor"):
            _own.decompressor = _Decompressor(self.library)
        done = _putter(self.dtype)(
            ctypes.cast(getattr(self.library, _INFLATE), ctypes.c_void_p).value,
            _own.decompressor.address,
            np.frombuffer(stored, np.uint8),
            span.begins,
            span.ends,
            span.places * np.array(self.chunk),
            row_start,
            by_column,
            room,
            room.view(self.dtype).reshape(self.chunk),
            np.moveaxis(out, 0, -1) if by_column else out,
        )
        return done == len(span.begins)
