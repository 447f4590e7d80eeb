"""What a model must never be fed: bad values in the rows of shards."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.blocks import Ragged
from remote.workloads.shards.reading.peaks import Peaks

Rows = npt.NDArray[np.int64]


def bad_rows(
    table: pa.Table, peaks: Peaks, *, normalized: bool, ascending: bool
) -> Iterator[tuple[str, Rows]]:
    """Each kind of bad value that there is, with the rows (k,) that have it.

    Args:
        peaks: of the table.
        normalized: whether every base peak has to be 1.
        ascending: whether m/z has to be non-decreasing.
    """
    mzs, ints = Ragged(peaks.mz, peaks.offsets), Ragged(peaks.intensity, peaks.offsets)
    tests = {
        "a peak is NaN or infinite": _owners(
            mzs, ~(np.isfinite(peaks.mz) & np.isfinite(peaks.intensity))
        ),
        "m/z is not above 0": _owners(mzs, peaks.mz <= 0),
        "an intensity is not above 0": _owners(ints, peaks.intensity <= 0),
        "there are no peaks": np.flatnonzero(peaks.lengths == 0),
        "num_peaks is not the number of peaks": np.flatnonzero(
            peaks.lengths != table["num_peaks"].to_numpy()
        ),
        "precursor_mz is not a number above 0": _bad_precursors(table),
        "the base peak is not 1": _unscaled(ints) if normalized else _NONE,
        "m/z is not in order": _owners(mzs, mzs.falls()) if ascending else _NONE,
    }
    yield from ((kind, rows) for kind, rows in tests.items() if len(rows))


_NONE: Rows = np.zeros(0, np.int64)


def _owners(lists: Ragged, wrong: npt.NDArray[np.bool_]) -> Rows:
    """The spectra that have one of these peaks."""
    found: Rows = lists.rows_of(np.flatnonzero(wrong))[0]
    return found


def _unscaled(ints: Ragged) -> Rows:
    return np.flatnonzero((ints.lengths > 0) & (ints.greatest() != 1))


def _bad_precursors(table: pa.Table) -> Rows:
    values = table["precursor_mz"].to_numpy()
    return np.flatnonzero(~(np.isfinite(values) & (values > 0)))


def odd_columns(table: pa.Table) -> Iterator[tuple[str, Rows]]:
    """Further columns of floats with NaN or infinity in them, and the rows; null is no value."""
    for field in table.schema:
        if pa.types.is_floating(field.type) and field.name != "precursor_mz":
            values: Any = table[field.name].to_numpy()
            rows = np.flatnonzero(np.isinf(values) | _nan_not_null(table[field.name], values))
            if len(rows):
                yield field.name, rows


def _nan_not_null(column: pa.ChunkedArray, values: Any) -> Any:
    return np.isnan(values) & column.is_valid().to_numpy()
