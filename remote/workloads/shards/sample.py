"""Generated input in the GeMS layout, with the distribution of the real files.

Peaks per spectrum: lognormal, median 30, mean 38, clipped to 5..128. About 600 spectra come
from one source file. Half of the m/z are float32 values. Intensities are lognormal over four
decades. Values depend on the seed and the number of rows alone, not on the storage layout.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt

Layout = Literal["column-chunks", "row-chunks", "contiguous"]
WIDTH = 128
FEWEST_PEAKS = 5
MEDIAN_PEAKS = 30.0
SIGMA_PEAKS = 0.6876  # sqrt(2 ln(38 / 30)): mean 38 before clipping
FILE_ROWS = 600
BLOCK_ROWS = 39_302  # the column chunk that h5py chooses for files of 20 M rows


def write_sample(
    path: Path,
    rows: int,
    seed: int,
    layout: Layout = "column-chunks",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a file of `rows` generated spectra; `progress(done, rows)` is called per block."""
    chunks = {
        "column-chunks": (min(rows, BLOCK_ROWS), 1, 1),
        "row-chunks": (min(rows, 512), 2, WIDTH),
        "contiguous": None,
    }[layout]
    options: dict[str, Any] = {"chunks": chunks, "compression": "gzip", "compression_opts": 4}
    if chunks is None:
        options = {}
    with h5py.File(path, "w", libver="latest") as file:
        spectrum = file.create_dataset("spectrum", (rows, 2, WIDTH), np.float64, **options)
        columns: list[dict[str, npt.NDArray[Any]]] = []
        for start in range(0, rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, rows)
            block = generate(start, stop, seed)
            spectrum[start:stop] = block.pop("spectrum")
            columns.append(block)
            if progress is not None:
                progress(stop, rows)
        for name in columns[0]:
            values = np.concatenate([block[name] for block in columns])
            kind = h5py.string_dtype() if name == "name" else values.dtype
            file.create_dataset(name, data=values, dtype=kind, compression="gzip", chunks=True)
    return path


def generate(start: int, stop: int, seed: int) -> dict[str, npt.NDArray[Any]]:
    """Rows [start, stop) by dataset name; `start` is a multiple of BLOCK_ROWS."""
    random = np.random.default_rng([seed, start])
    rows = stop - start
    lengths = np.clip(
        np.rint(random.lognormal(np.log(MEDIAN_PEAKS), SIGMA_PEAKS, rows)), FEWEST_PEAKS, WIDTH
    ).astype(np.int64)
    precursor = random.uniform(100, 1500, rows).astype(np.float32)
    mz = 50 + random.random((rows, WIDTH)) * (precursor[:, None] * 1.05 - 50)
    narrow = random.random(rows) < 0.5
    mz[narrow] = mz[narrow].astype(np.float32)
    padding = np.arange(WIDTH)[None, :] >= lengths[:, None]
    mz[padding] = np.inf
    mz.sort(axis=1)
    intensity = np.exp(random.normal(np.log(1e4), np.log(10) * 4 / 6, (rows, WIDTH)))
    mz[padding] = 0
    intensity[padding] = 0
    numbers = (np.arange(start, stop)) // FILE_ROWS
    return {
        "spectrum": np.stack([mz, intensity], axis=1),
        "precursor_mz": precursor,
        "RT": random.uniform(0, 3600, rows).astype(np.float32),
        "charge": random.choice(np.array([-1, 0, 1, 2], np.int8), rows, p=[0.1, 0.1, 0.7, 0.1]),
        "lsh": random.integers(-(2**62), 2**62, rows),
        "instrument accuracy est.": np.full(rows, 1e-4, np.float32),
        "name": np.array([f"MSV{n:09d}.mzML" for n in numbers.tolist()], object),
    }
