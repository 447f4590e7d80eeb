"""Raw rows and small input files for the tests of reading and cleaning."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import RawRows

Peaks = Sequence[tuple[float, float]]


def raw_rows(
    spectra: Sequence[Peaks],
    precursors: Sequence[float] | None = None,
    *,
    width: int = 8,
    dtype: str = "float64",
    row_start: int = 0,
    **columns: Any,
) -> RawRows:
    """Rows with the given peaks, padded with zeros."""
    values = np.zeros((len(spectra), 2, width), dtype)
    for row, peaks in enumerate(spectra):
        for place, (mz, intensity) in enumerate(peaks):
            values[row, :, place] = mz, intensity
    precursor = np.array(precursors or [500.0] * len(spectra))
    return RawRows(0, row_start, values[:, 0], values[:, 1], {"precursor_mz": precursor, **columns})


def write_input(
    path: Path,
    spectrum: npt.NDArray[Any],
    *,
    precursor: npt.NDArray[Any] | None = None,
    options: dict[str, Any] | None = None,
    **columns: Any,
) -> Path:
    """A GeMS-layout file; `columns` by dataset name."""
    with h5py.File(path, "w") as file:
        file.create_dataset("spectrum", data=spectrum, **(options or {}))
        rows = spectrum.shape[0]
        precursor = np.full(rows, 400, np.float32) if precursor is None else precursor
        file.create_dataset("precursor_mz", data=precursor)
        for name, values in columns.items():
            file.create_dataset(name, data=values)
    return path


def spectra(rows: int, width: int = 16, seed: int = 0, dtype: str = "float64") -> npt.NDArray[Any]:
    """Random valid peaks, ascending, padded: (rows, 2, width)."""
    random = np.random.default_rng(seed)
    values = np.zeros((rows, 2, width))
    for row, length in enumerate(random.integers(1, width + 1, rows)):
        values[row, 0, :length] = np.sort(random.uniform(50, 900, length))
        values[row, 1, :length] = random.lognormal(8, 2, length)
    return values.astype(dtype)
