"""Generated input in the GeMS layout, with the distribution of the real files.

Peaks per spectrum: lognormal, median 30, mean 38, clipped to 5..128. About 600 spectra come
from one source file. Half of the m/z are float32 values. Intensities are lognormal over four
decades. Values depend on the seed and the row alone, not on the storage layout, nor on how many
rows there are after it, except that the last block may be cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import deflate
import h5py
import numpy as np
import numpy.typing as npt

from remote.workloads.hostfacts import cores

Layout = Literal["column-chunks", "narrow-chunks", "row-chunks", "contiguous"]

WIDTH = 128
FEWEST_PEAKS = 5
MEDIAN_PEAKS = 30.0
SIGMA_PEAKS = 0.6876  # sqrt(2 ln(38 / 30)): mean 38 before clipping
FILE_ROWS = 600
BLOCK_ROWS = 39_302  # the column chunk that h5py chooses for a file of 20 M rows

CHUNKS: Mapping[Layout, tuple[int, int, int] | None] = {
    "column-chunks": (BLOCK_ROWS, 1, 1),
    "narrow-chunks": (7_813, 1, 2),
    "row-chunks": (512, 2, WIDTH),
    "contiguous": None,
}
GZIP_LEVEL = 4  # what the file says; libdeflate's level 1 makes streams of that size
_FAST_LEVEL = 1


def write_sample(
    path: Path,
    rows: int,
    seed: int,
    layout: Layout = "column-chunks",
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Write a file of `rows` generated spectra; `progress(done, rows)` is called per block."""
    with h5py.File(path, "w") as file, ThreadPoolExecutor(cores()) as pool:
        spectrum = _created(file, rows, CHUNKS[layout])
        columns: list[Mapping[str, npt.NDArray[Any]]] = []
        waiting = np.zeros((2, WIDTH, 0))
        for start in range(0, rows, BLOCK_ROWS):
            stop = min(start + BLOCK_ROWS, rows)
            planes, values = generate(start, stop, seed)
            columns.append(values)
            if waiting.shape[-1]:
                planes = np.concatenate([waiting, planes], axis=-1)
            first = stop - planes.shape[-1]
            whole = planes.shape[-1] if stop == rows else _whole_chunks(spectrum, planes)
            _store(spectrum, first, planes[..., :whole], pool)
            waiting = planes[..., whole:]
            if progress is not None:
                progress(stop, rows)
        for name in columns[0] if columns else ():
            _store_column(file, name, np.concatenate([block[name] for block in columns]))
    return path


def generate(
    start: int, stop: int, seed: int
) -> tuple[npt.NDArray[np.float64], dict[str, npt.NDArray[Any]]]:
    """Rows [start, stop), within one block of BLOCK_ROWS that begins at `start`.

    Returns:
        The peaks as (2, WIDTH, rows), and the other datasets by name.
    """
    random = np.random.default_rng([seed, start])
    rows = stop - start
    drawn = random.lognormal(np.log(MEDIAN_PEAKS), SIGMA_PEAKS, rows)
    lengths = np.clip(np.rint(drawn), FEWEST_PEAKS, WIDTH).astype(np.int64)
    precursor = random.uniform(100, 1500, rows).astype(np.float32)
    owner = np.repeat(np.arange(rows), lengths)
    place = np.arange(len(owner)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    planes = np.zeros((2, WIDTH, rows))
    planes[0, place, owner] = _mz(random, lengths, owner, precursor)
    decades = random.standard_normal(len(owner)) * (np.log(10) * 4 / 6)
    planes[1, place, owner] = np.exp(np.log(1e4) + decades)
    files = np.arange(start, stop) // FILE_ROWS
    return planes, {
        "precursor_mz": precursor,
        "RT": random.uniform(0, 3600, rows).astype(np.float32),
        "charge": random.choice(np.array([-1, 0, 1, 2], np.int8), rows, p=[0.1, 0.1, 0.7, 0.1]),
        "lsh": random.integers(-(2**62), 2**62, rows),
        "instrument accuracy est.": (1e-4 * (1 + files % 7)).astype(np.float32),
        "name": files,
    }


def _mz(
    random: np.random.Generator,
    lengths: npt.NDArray[np.int64],
    owner: npt.NDArray[np.int64],
    precursor: npt.NDArray[np.float32],
) -> npt.NDArray[np.float64]:
    """Ascending m/z of all peaks, one spectrum after the other, up to just above the precursor.

    Sorted uniform numbers without sorting: sums of exponential gaps over their total.
    """
    gaps = random.standard_exponential(len(owner))
    sums = np.cumsum(gaps)
    ends = np.cumsum(lengths) - 1
    before = sums[ends] - np.add.reduceat(gaps, ends - lengths + 1)
    totals = sums[ends] - before + random.standard_exponential(len(lengths))
    shares = (sums - before[owner]) / totals[owner]
    mz = 50 + np.maximum(shares, 0) * (precursor[owner] * 1.05 - 50)
    narrow = (random.random(len(lengths)) < 0.5)[owner]
    mixed: npt.NDArray[np.float64] = np.where(narrow, mz.astype(np.float32), mz)
    return mixed


def _created(file: h5py.File, rows: int, chunk: tuple[int, int, int] | None) -> h5py.Dataset:
    shape = (rows, 2, WIDTH)
    if chunk is None or rows == 0:
        return file.create_dataset("spectrum", shape, np.float64)
    chunk = (min(rows, chunk[0]), *chunk[1:])
    return file.create_dataset(
        "spectrum", shape, np.float64, chunks=chunk, compression="gzip", compression_opts=GZIP_LEVEL
    )


def _store(
    spectrum: h5py.Dataset, start: int, planes: npt.NDArray[np.float64], pool: ThreadPoolExecutor
) -> None:
    """Write a block that begins a chunk; chunks are deflated in parallel."""
    block = np.moveaxis(planes, -1, 0)
    if spectrum.chunks is None:
        spectrum[start : start + len(block)] = block
        return
    places = list(_places(spectrum.chunks, start, len(block)))
    streams = pool.map(lambda place: _deflated(block, place, start, spectrum.chunks), places)
    for place, stream in zip(places, streams, strict=True):
        spectrum.id.write_direct_chunk(place, stream)


def _whole_chunks(spectrum: h5py.Dataset, planes: npt.NDArray[np.float64]) -> int:
    step = spectrum.chunks[0] if spectrum.chunks else 1
    return int(planes.shape[-1] // step * step)


def _places(chunk: tuple[int, ...], start: int, rows: int) -> Iterator[tuple[int, int, int]]:
    for row in range(start, start + rows, chunk[0]):
        for kind in range(0, 2, chunk[1]):
            for column in range(0, WIDTH, chunk[2]):
                yield row, kind, column


def _deflated(
    block: npt.NDArray[np.float64],
    place: tuple[int, int, int],
    start: int,
    chunk: tuple[int, int, int],
) -> bytes:
    row, kind, column = place
    values = block[
        row - start : row - start + chunk[0], kind : kind + chunk[1], column : column + chunk[2]
    ]
    whole = np.zeros(chunk)
    whole[: len(values)] = values
    return bytes(deflate.zlib_compress(whole.data, _FAST_LEVEL))


def _store_column(file: h5py.File, name: str, values: npt.NDArray[Any]) -> None:
    kind: Any = values.dtype
    if name == "name":
        names = np.array([f"MSV{n:09d}.mzML" for n in range(int(values[-1]) + 1)], object)
        values, kind = names[values], h5py.string_dtype()
    file.create_dataset(name, data=values, dtype=kind, compression="gzip", chunks=True)
