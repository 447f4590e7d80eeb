"""The arrays that pass between the stages of sharding.

Spectra are arrays, never one Python object each. One stage's output is the next one's input:

    source.read -> RawRows -> clean -> CleanRows -> encode -> EncodedGroup -> append

A row group covers `ROW_GROUP_ROWS` consecutive source rows of one input (fewer at its end), a
format constant: whatever the chunks, batches and workers, the same rows share a group. A task
that reads a chunk block cuts its rows at group bounds; the parts of a group that two blocks
share are cleaned apart and joined with `join` before they are encoded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.counts import merge
from remote.workloads.shards.inputs.damage import Damage, within

ROW_GROUP_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class Ragged:
    """Rows of any length, one after the other.

    Attributes:
        values: (m,) of all rows.
        offsets: (n + 1,) int64, bounds of each row in `values`.
    """

    values: npt.NDArray[Any]
    offsets: npt.NDArray[np.int64]

    @classmethod
    def of(cls, column: pa.ListArray) -> Ragged:
        """A column of lists, offsets from 0; without copying where no value is null."""
        offsets = column.offsets.to_numpy().astype(np.int64)
        values = column.values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]]
        return cls(values, offsets - offsets[0])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) values of each row."""
        return np.diff(self.offsets)

    def rows_of(self, places: npt.NDArray[np.intp]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The rows of values, each once, and the first of their places."""
        rows = np.searchsorted(self.offsets, places, side="right") - 1
        found, first = np.unique(rows, return_index=True)
        return found, places[first]

    def greatest(self) -> npt.NDArray[Any]:
        """(n,) the greatest value of each row, 0 of an empty one."""
        found = np.zeros(len(self), self.values.dtype)
        filled = self.lengths > 0
        if filled.any():
            whole = self.values[: self.offsets[-1]]
            found[filled] = np.maximum.reduceat(whole, self.offsets[:-1][filled])
        return found

    def falls(self) -> npt.NDArray[np.bool_]:
        """(m,) true for a value that is below the one before it in its row."""
        found = np.zeros(len(self.values), bool)
        found[1:] = self.values[1:] < self.values[:-1]
        starts = self.offsets[:-1]
        found[starts[starts < len(found)]] = False
        return found

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.values.dtype

    def __getitem__(self, rows: slice) -> Ragged:
        """Consecutive rows, as a view."""
        start, stop, _ = rows.indices(len(self))
        return Ragged(self.values, self.offsets[start : max(start, stop) + 1])


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows [row_start, row_start + n) of one input, as stored.

    Attributes:
        input_index: which input of the run.
        row_start: the first row, in the source file.
        mz: (n, P) float64 or float32, padded with zeros on the right; or ragged.
        intensity: (n, P), the dtype of `mz`; ragged where `mz` is, with the same offsets.
        columns: per-row values by schema column name (`precursor_mz`, `rt`, `charge`, `lsh`,
            `instrument_accuracy_est`, `source_file`, ...), each (n,), NumPy or Arrow. Columns
            that the input lacks are absent.
        damaged: rows of which not all could be read; what stands for them here means nothing.
        unwanted: (n,) bool, rows of another MS level than is asked for, which need have no
            peaks; None where there are none.
    """

    input_index: int
    row_start: int
    mz: Any
    intensity: Any
    columns: Mapping[str, npt.NDArray[np.generic] | pa.Array]
    damaged: tuple[Damage, ...] = ()
    unwanted: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.mz)


@dataclass(frozen=True, slots=True)
class CleanRows:
    """The kept rows of one part of a row group, ragged.

    Attributes:
        input_index: which input of the run.
        row_start, row_stop: the source rows that were looked at.
        source_row: (k,) int64, the source row of each kept spectrum.
        offsets: (k + 1,) int64, bounds of each spectrum in `mzs` and `ints`.
        mzs: (m,) float64, non-decreasing within a spectrum.
        ints: (m,) float32, scaled as the rules say.
        columns: per-row values of the kept rows, by schema column name, each (k,); includes
            `base_peak_intensity` and `tic`.
        stats: JSON-serialisable counts and fixed-edge histograms of all rows looked at; they
            merge by addition (see `report`).
        fingerprints: (k,) uint64, a hash of peaks and precursor as stored, for exact duplicates.
    """

    input_index: int
    row_start: int
    row_stop: int
    source_row: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.int64]
    mzs: npt.NDArray[np.float64]
    ints: npt.NDArray[np.float32]
    columns: Mapping[str, npt.NDArray[np.generic] | pa.Array]
    stats: Mapping[str, object]
    fingerprints: npt.NDArray[np.uint64]

    def __len__(self) -> int:
        return int(self.source_row.shape[0])


def cut(raw: RawRows) -> tuple[RawRows, ...]:
    """Cut a block at row-group bounds; the parts are views of it, in source order."""
    row_stop = raw.row_start + len(raw)
    first_bound = (raw.row_start // ROW_GROUP_ROWS + 1) * ROW_GROUP_ROWS
    bounds = [raw.row_start, *range(first_bound, row_stop, ROW_GROUP_ROWS), row_stop]
    return tuple(part_of(raw, a, b) for a, b in pairwise(bounds) if a < b)


def part_of(raw: RawRows, row_start: int, row_stop: int) -> RawRows:
    """Rows [row_start, row_stop) of a block, as views of it."""
    rows = slice(row_start - raw.row_start, row_stop - raw.row_start)
    return RawRows(
        raw.input_index,
        row_start,
        raw.mz[rows],
        raw.intensity[rows],
        {name: values[rows] for name, values in raw.columns.items()},
        within(raw.damaged, row_start, row_stop),
        None if raw.unwanted is None else raw.unwanted[rows],
    )


def join(parts: Sequence[CleanRows]) -> CleanRows:
    """Join consecutive parts of one row group, in source order.

    The result equals that of cleaning the group in one piece.

    Raises:
        ValueError: the parts do not follow one another within one row group of one input.
    """
    first, last = parts[0], parts[-1]
    _check_neighbours(parts)
    if len(parts) == 1:
        return first
    shifts = np.cumsum([0, *(int(part.offsets[-1]) for part in parts[:-1])])
    filled = [part for part in parts if len(part)] or [first]  # the others may lack columns
    offsets = [part.offsets[1:] + shift for part, shift in zip(parts, shifts, strict=True)]
    return CleanRows(
        input_index=first.input_index,
        row_start=first.row_start,
        row_stop=last.row_stop,
        source_row=np.concatenate([part.source_row for part in parts]),
        offsets=np.concatenate([np.zeros(1, np.int64), *offsets]),
        mzs=np.concatenate([part.mzs for part in parts]),
        ints=np.concatenate([part.ints for part in parts]),
        columns={
            name: _joined([part.columns[name] for part in filled]) for name in filled[0].columns
        },
        stats=merge(*(part.stats for part in parts)),
        fingerprints=np.concatenate([part.fingerprints for part in parts]),
    )


def _check_neighbours(parts: Sequence[CleanRows]) -> None:
    for before, after in pairwise(parts):
        if (before.input_index, before.row_stop) != (after.input_index, after.row_start):
            raise ValueError(f"rows {before.row_stop} and {after.row_start} are not neighbours")
    if (parts[-1].row_stop - 1) // ROW_GROUP_ROWS != parts[0].row_start // ROW_GROUP_ROWS:
        raise ValueError(f"rows from {parts[0].row_start} on reach over a row group's bound")


def taken(values: npt.NDArray[Any] | pa.Array, rows: npt.NDArray[np.int64]) -> Any:
    """Some of the values of a column, in order; `rows` counts within it."""
    if len(rows) == len(values):
        return values
    return values[rows] if isinstance(values, np.ndarray) else values.take(pa.array(rows))


def _joined(values: Sequence[npt.NDArray[np.generic] | pa.Array]) -> Any:
    """One array of several; dictionaries of names are unified."""
    if isinstance(values[0], np.ndarray):
        return np.concatenate(values)
    return pa.chunked_array(values).unify_dictionaries().combine_chunks()
