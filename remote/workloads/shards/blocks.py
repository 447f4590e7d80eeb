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

import numpy as np
import numpy.typing as npt
import pyarrow as pa

ROW_GROUP_ROWS = 5_000


@dataclass(frozen=True, slots=True)
class RawRows:
    """Rows [row_start, row_start + n) of one input, as stored.

    Attributes:
        input_index: which input of the run.
        row_start: the first row, in the source file.
        mz: (n, P) float64 or float32, padded with zeros on the right.
        intensity: (n, P), the dtype of `mz`.
        columns: per-row values by schema column name (`precursor_mz`, `rt`, `charge`, `lsh`,
            `instrument_accuracy_est`, `source_file`, ...), each (n,), NumPy or Arrow. Columns
            that the input lacks are absent.
    """

    input_index: int
    row_start: int
    mz: npt.NDArray[np.floating]
    intensity: npt.NDArray[np.floating]
    columns: Mapping[str, npt.NDArray[np.generic] | pa.Array]

    def __len__(self) -> int:
        return int(self.mz.shape[0])


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


def join(parts: Sequence[CleanRows]) -> CleanRows:
    """Join consecutive parts of one row group, in source order."""
    raise NotImplementedError  # written with the cleaning stage
