"""`to_dreams`: the HDF5 file that DreaMS reads, which is the layout that builds read, too."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from remote.errors import UsageError
from remote.workloads.durable import make_directory, publish, writing_errors
from remote.workloads.shards.inputs.datasets import OPTIONAL
from remote.workloads.shards.reading.find import Source
from remote.workloads.shards.reading.peaks import PEAKS, Peaks, peaks_of
from remote.workloads.shards.reading.shards import Shards, read_shards, shards_of

T = TypeVar("T")

WIDTH = 128
_CHUNK_ROWS = 512
_TEXT = h5py.string_dtype()

# Columns by the name that a build looks for first.
DATASETS: Mapping[str, str] = {
    "sample_id": "sample_id",
    "precursor_mz": "precursor_mz",
    **{wanted.column: wanted.datasets[0] for wanted in OPTIONAL},
}


@dataclass(frozen=True, slots=True, repr=False)
class DreamsFile:
    """What was written.

    Attributes:
        path: the file.
        spectra: rows of it.
        width: places for peaks.
        cut: spectra of more peaks than that: their most intense ones are in the file.
        datasets: their names, `spectrum` first.
    """

    path: Path
    spectra: int
    width: int
    cut: int
    datasets: tuple[str, ...]

    def __repr__(self) -> str:
        size = self.path.stat().st_size / 1e6
        lines = [
            f"{self.path}: {self.spectra:,} spectra, {size:,.1f} MB",
            f"datasets {', '.join(self.datasets)}",
        ]
        if self.cut:
            lines.append(
                f"{self.cut:,} spectra have more than {self.width} peaks: "
                "the most intense ones are in the file"
            )
        return "\n".join(lines)


def to_dreams(path_out: str | PathLike[str], source: Source | Shards) -> DreamsFile:
    """Write spectra as (N, 2, 128) with the columns that GeMS files have beside them.

    `spectrum` is float64, m/z and intensity as the shards store them, zero-padded: exact. So
    intensities are those of the build's input, in float32, where it did not normalise, and
    otherwise divided by the base peak. Of more than 128 peaks the 128 most intense are taken.
    `precursor_mz` is float32 as in GeMS files if that changes no value, else float64. Null is 0
    for whole numbers, NaN for others, empty for text.

    Args:
        path_out: an HDF5 file that is not there yet; it appears when it is whole.
        source: see `read_shards`, or what it returned; with a view, its columns and rows.

    Raises:
        UsageError: the file is there already, there are no rows, or a view lacks the peaks.
        DiskTooSmall, ResultsUnusable: it cannot be written.
        ResultsUnusable, IntegrityFailure: see `read_shards`.
    """
    path = Path(path_out)
    if path.exists():
        raise UsageError(f"{path} exists already.", hint="Choose another name.")
    shards = source if isinstance(source, Shards) else read_shards(source)
    shards = shards_of(shards, (*PEAKS, "precursor_mz"), ())
    if not len(shards):
        raise UsageError("There are no rows to write.", hint="Ask for a wider filter.")
    make_directory(path.parent)
    with _written(path) as file:
        return _fill(file, path, shards)


@contextmanager
def _written(path: Path) -> Iterator[h5py.File]:
    """An HDF5 file to fill, which gets its name when it is whole and on disk."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with writing_errors(path):
            with h5py.File(partial, "w") as file:
                yield file
            with partial.open("rb") as whole:
                os.fsync(whole.fileno())
        publish(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def _fill(file: h5py.File, path: Path, shards: Shards) -> DreamsFile:
    columns = [name for name in shards.columns if name in DATASETS]
    rows = len(shards)
    datasets = {"spectrum": _spectrum(file, rows)}
    for name in columns:
        kind = _kind(shards, name)
        datasets[DATASETS[name]] = file.create_dataset(
            DATASETS[name], (rows,), kind, chunks=True, compression="gzip"
        )
    start = cut = 0
    for batch in shards.batches():
        stop = start + batch.num_rows
        peaks = peaks_of(batch, *map(shards.name, PEAKS))
        cut += int(np.count_nonzero(peaks.lengths > WIDTH))
        datasets["spectrum"][start:stop] = _block(peaks)
        for name in columns:
            datasets[DATASETS[name]][start:stop] = _plain(name, batch[shards.name(name)])
        start = stop
    return DreamsFile(path, rows, WIDTH, cut, tuple(datasets))


def _spectrum(file: h5py.File, rows: int) -> Any:
    chunk = (min(rows, _CHUNK_ROWS), 2, WIDTH)
    shape = (rows, 2, WIDTH)
    return file.create_dataset(
        "spectrum", shape, np.float64, chunks=chunk, compression="gzip", compression_opts=1
    )


def _block(peaks: Peaks) -> npt.NDArray[np.float64]:
    """(n, 2, WIDTH)."""
    mz, intensity, _ = peaks.padded(WIDTH)
    return np.stack([mz, intensity], axis=1).astype(np.float64)


def _kind(shards: Shards, column: str) -> Any:
    """The type of a dataset."""
    if column == "precursor_mz":
        return np.float32 if _narrow(shards) else np.float64
    kind = shards.stored_schema.field(column).type
    if pa.types.is_floating(kind) or pa.types.is_integer(kind):
        return kind.to_pandas_dtype()
    if column == "lsh":  # of fixed length in GeMS files
        return f"S{max(1, *_of_column(shards, column, _longest))}"
    return _TEXT


def _narrow(shards: Shards) -> bool:
    """Whether float32 holds every precursor m/z as it is."""
    return all(_of_column(shards, "precursor_mz", _fits_float32))


def _of_column(shards: Shards, column: str, look: Callable[[pa.Array], T]) -> Iterator[T]:
    """What `look` finds in each batch of a column."""
    only = Shards(shards.files, (column,), None, shards.filter)
    return (look(batch[column]) for batch in only.batches())


def _fits_float32(column: pa.Array) -> bool:
    values = column.to_numpy()
    return bool(np.array_equal(values.astype(np.float32), values))


def _longest(column: pa.Array) -> int:
    return int(pc.max(pc.binary_length(column)).as_py() or 0)


def _plain(name: str, column: pa.Array) -> Any:
    """Values as HDF5 takes them."""
    kind = column.type
    if pa.types.is_floating(kind):
        return pc.fill_null(column, float("nan")).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind):
        return pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    values = column.dictionary_decode() if pa.types.is_dictionary(kind) else column
    text = pc.fill_null(values, "")
    if name == "lsh":
        return np.array(text.cast(pa.binary()).to_pylist(), bytes)
    return text.to_numpy(zero_copy_only=False)
