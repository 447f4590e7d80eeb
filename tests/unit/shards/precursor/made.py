"""Shards with given spectra, without a build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.reading.peaks import Peaks, bounds

PeakLists = Sequence[Sequence[tuple[float, float]]]


def peaks_from(spectra: PeakLists) -> Peaks:
    mz = [mz for spectrum in spectra for mz, _ in spectrum]
    intensity = [value for spectrum in spectra for _, value in spectrum]
    lengths = np.array([len(spectrum) for spectrum in spectra], np.int64)
    return Peaks(bounds(lengths), np.array(mz, float), np.array(intensity, np.float32))


def write_shard(
    path: Path, spectra: PeakLists, precursor_mz: npt.NDArray[np.float64], **columns: Any
) -> Path:
    """One shard of the spectra; `columns` by name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = {
        "mzs": pa.array([[mz for mz, _ in x] for x in spectra], pa.list_(pa.float64())),
        "ints": pa.array([[value for _, value in x] for x in spectra], pa.list_(pa.float32())),
        "precursor_mz": precursor_mz,
        **columns,
    }
    pq.write_table(pa.table(table), path, row_group_size=500)
    return path
