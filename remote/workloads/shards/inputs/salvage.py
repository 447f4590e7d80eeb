"""Reading around damage: what of some rows of one dataset can be read, and what cannot.

Called only after a read has failed, so that sound files pay nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from remote.workloads.shards.inputs.damage import Damage
from remote.workloads.shards.inputs.heap import NameReader
from remote.workloads.shards.inputs.storage import DataFile, Reader, Shrunk, Unreadable

# The library's words for an error of the system: `errno = 5, error message = 'Input/output ...'`.
_SYSTEM = re.compile(r"errno = [1-9]")


@dataclass(frozen=True, slots=True)
class _Piece:
    start: int
    stop: int
    values: Any
    reason: str = ""


def unit_of(file: DataFile, reader: Reader) -> int:
    """Rows of a dataset that are stored together; 1 where each can be read alone."""
    chunks = file.hdf5[reader.name].chunks
    return int(chunks[0]) if chunks else 1


def stored_unfiltered(file: DataFile, name: str, row: int) -> bool:
    """Whether the chunk of a row, in a dataset of one axis, was stored with a filter left out."""
    dataset = file.hdf5[name]
    if not dataset.chunks or dataset.ndim != 1:
        return False
    first = row - row % dataset.chunks[0]
    return bool(dataset.id.get_chunk_info_by_coord((first,)).filter_mask)


def salvaged(
    file: DataFile, reader: Reader, row_start: int, row_stop: int
) -> tuple[Any, tuple[Damage, ...]]:
    """Rows [row_start, row_stop), with zeros or nulls for those that are damaged.

    Returns:
        The values, None where there is no sound row; and the damage.

    Raises:
        Shrunk: the file changes while it is read.
        Unreadable, OSError, MemoryError: the system cannot read; that is no damage of the file.
    """
    pieces = [
        piece
        for start, stop in _units(unit_of(file, reader), row_start, row_stop)
        for piece in _pieces(file, reader, start, stop)
    ]
    damages = _joined(reader.name, [piece for piece in pieces if piece.reason])
    sample = next((piece.values for piece in pieces if not piece.reason), None)
    if sample is None:
        return None, damages
    parts = [_blank(sample, piece) if piece.reason else piece.values for piece in pieces]
    if isinstance(sample, pa.Array):
        return pa.chunked_array(parts).unify_dictionaries().combine_chunks(), damages
    return np.concatenate(parts), damages


def _units(unit: int, row_start: int, row_stop: int) -> Iterator[tuple[int, int]]:
    """[row_start, row_stop) cut at the bounds of what is stored together."""
    if unit == 1:
        return iter([(row_start, row_stop)])
    first = (row_start // unit + 1) * unit
    return pairwise([row_start, *range(first, row_stop, unit), row_stop])


def _pieces(file: DataFile, reader: Reader, start: int, stop: int) -> Iterator[_Piece]:
    """One unit: in one piece if it can be read, or if nothing in it can be read alone."""
    reason = None
    try:
        values = reader.read(start, stop)
    except Unreadable as error:
        reason = _reason(file, error)
    file.check_size()
    if reason is None:
        yield _Piece(start, stop, values)
    elif stop - start > 1 and _rows_apart(file, reader, start, stop):
        middle = (start + stop) // 2
        yield from _pieces(file, reader, start, middle)
        yield from _pieces(file, reader, middle, stop)
    else:
        yield _Piece(start, stop, None, reason)


def _rows_apart(file: DataFile, reader: Reader, start: int, stop: int) -> bool:
    """True where some of these rows may be readable though not all are."""
    if not isinstance(reader, NameReader):
        return unit_of(file, reader) == 1
    try:
        reader.references.read(start, stop)
    except Unreadable:
        return unit_of(file, reader) == 1
    return True


def _reason(file: DataFile, error: Unreadable) -> str:
    """Why, in words that are the same at every reading.

    Raises:
        Unreadable: the error itself, where it says nothing about the file's content.
    """
    file.check_size()
    if isinstance(error, Shrunk) or isinstance(error.__cause__, MemoryError):
        raise error
    if _SYSTEM.search(str(error)):
        raise error
    return " ".join(str(error).split())


def _joined(dataset: str, pieces: list[_Piece]) -> tuple[Damage, ...]:
    found: list[Damage] = []
    for piece in pieces:
        last = found[-1] if found else None
        if last and last.row_stop == piece.start and last.reason == piece.reason:
            found[-1] = Damage(last.row_start, piece.stop, dataset, piece.reason)
        else:
            found.append(Damage(piece.start, piece.stop, dataset, piece.reason))
    return tuple(found)


def _blank(sample: Any, piece: _Piece) -> Any:
    """Rows in place of those that are damaged; nothing ever looks at them."""
    rows = piece.stop - piece.start
    if isinstance(sample, pa.Array):
        return pa.nulls(rows, sample.type)
    blank = np.zeros((rows, *sample.shape[1:]), sample.dtype)
    if sample.dtype == object:
        blank[...] = b""
    return blank
