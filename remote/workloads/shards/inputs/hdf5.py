"""Opening HDF5 inputs: whatever can be checked of a file before its rows are read.

All of it lies in the file itself: what links lead to elsewhere is refused, for neither digests
nor resume would know of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.datasets import (
    ACCEPTED,
    OPTIONAL,
    PRECURSOR,
    Wanted,
)
from remote.workloads.shards.inputs.direct import direct_reader
from remote.workloads.shards.inputs.filters import check_filters
from remote.workloads.shards.inputs.gems import GemsSource
from remote.workloads.shards.inputs.heap import name_reader
from remote.workloads.shards.inputs.library import library_reader
from remote.workloads.shards.inputs.older import older_source
from remote.workloads.shards.inputs.source import COPY_HINT, ROWS_HINT, WHOLE_HINT, Source
from remote.workloads.shards.inputs.storage import (
    BROKEN,
    DataFile,
    Reader,
    Unreadable,
    name_of,
    reason,
)
from remote.workloads.shards.settings import InputRules

LAYOUT_HINT = (
    "A GeMS-layout file has `spectrum` (N, 2, 128), float64 or float32, and `precursor_mz` (N,). "
    "`h5ls FILE` shows what this one holds."
)
# More is a damaged number: 20,000 such rows would not fit into memory.
_MOST_PEAKS = 1 << 16


def open_hdf5(path: Path, index: int, skip_damaged: bool, rules: InputRules) -> Source:
    """Open a file of either layout and check all that can be checked without reading its rows.

    Raises:
        InputUnusable: it cannot be used; with `skip_damaged`, not for damage of some rows.
    """
    file = opened(path, skip_damaged)
    try:
        names = _names(file)
        if "spectra" in names and "spectrum" not in names:
            return older_source(file, index, rules)
        return _described(path, index, file, names, rules)
    except BaseException:
        file.close()
        raise


def open_gems(path: Path, index: int, skip_damaged: bool, rules: InputRules) -> GemsSource:
    """Open a file that was seen to be in the GeMS layout; raises as `open_hdf5` does."""
    file = opened(path, skip_damaged)
    try:
        return _described(path, index, file, _names(file), rules)
    except BaseException:
        file.close()
        raise


def opened(path: Path, skip_damaged: bool) -> DataFile:
    """The file, open.

    Raises:
        InputUnusable: the library does not open it.
    """
    try:
        return DataFile(path, skip_damaged=skip_damaged)
    except BROKEN as error:
        problem = f"{path} cannot be opened: {error}"
        if "truncated" in str(error):
            problem = f"{path} is cut short: {error}"
        raise InputUnusable(problem, hint=WHOLE_HINT if skip_damaged else COPY_HINT) from error


def _described(
    path: Path, index: int, data: DataFile, names: frozenset[str], rules: InputRules
) -> GemsSource:
    file = data.hdf5
    spectrum = _dataset(data, "spectrum") if "spectrum" in names else None
    if spectrum is None:
        raise InputUnusable(_without_spectrum(path, names), hint=LAYOUT_HINT)
    shape = spectrum.shape
    if shape is None or len(shape) != 3 or shape[1] != 2 or not 1 <= shape[2] <= _MOST_PEAKS:
        raise InputUnusable(
            f"{path}: dataset `spectrum` has shape {shape}, not (N, 2, P)", hint=LAYOUT_HINT
        )
    if spectrum.dtype.kind != "f" or spectrum.dtype.itemsize not in (4, 8):
        raise InputUnusable(
            f"{path}: dataset `spectrum` holds {spectrum.dtype}, not float64 or float32",
            hint=LAYOUT_HINT,
        )
    if shape[0] == 0:
        raise InputUnusable(f"{path}: dataset `spectrum` has no rows", hint=COPY_HINT)
    _check_numbers(path, "spectrum", spectrum)
    peaks = _reader(data, spectrum)
    carried = tuple(Wanted(name, (name,), "carried") for name in rules.carry if name in names)
    readers = _column_readers(data, names, shape[0], carried)
    dtypes = {reader.name: str(file[reader.name].dtype) for _, reader in readers}
    lsh = next((file[r.name].dtype.kind for w, r in readers if w.column == "lsh"), None)
    return GemsSource(
        index=index,
        path=path,
        name=path.stem,
        rows=shape[0],
        width=shape[2],
        dtype=spectrum.dtype.newbyteorder("="),
        chunks=spectrum.chunks,
        columns=frozenset(w.column for w, _ in readers if w.kind != "carried"),
        lsh=None if lsh is None else "string" if lsh == "S" else "int64",
        dtypes={"spectrum": str(spectrum.dtype), **dtypes},
        carried={
            w.column: _arrow_type(file[r.name].dtype) for w, r in readers if w.kind == "carried"
        },
        offers=tuple(sorted(names - {"spectrum"})),
        rules=rules,
        _file=data,
        _spectrum=peaks,
        _readers=readers,
    )


def _names(data: DataFile) -> frozenset[str]:
    """What the file holds. Asked for one by one, a name that is damaged seems not to be there."""
    try:
        return frozenset(map(str, data.hdf5))  # what is not UTF-8 comes as bytes
    except BROKEN as error:
        raise InputUnusable(
            f"{data.path}: the list of its datasets cannot be read: {reason(error)}",
            hint=WHOLE_HINT if data.skip_damaged else COPY_HINT,
        ) from error


def _arrow_type(dtype: Any) -> pa.DataType:
    """Of a column that is carried as it is stored; few readers know of floats of two bytes."""
    if dtype.kind in "SO":
        return pa.string()
    if dtype.kind == "f" and dtype.itemsize == 2:
        return pa.float32()
    return pa.from_numpy_dtype(dtype.newbyteorder("="))


def _without_spectrum(path: Path, names: frozenset[str]) -> str:
    held = ", ".join(map(ascii, sorted(names)[:20])).replace("'", "") or "nothing"
    return f"{path} has no dataset `spectrum`; it holds {held}"


def _dataset(data: DataFile, name: str) -> Any:
    """A dataset of which shape, type and place in this file are known."""
    path = data.path
    try:
        found = data.hdf5[name]
        if not isinstance(found, h5py.Dataset):
            raise InputUnusable(f"{path}: `{name}` is not a dataset", hint=LAYOUT_HINT)
        _ = found.shape, found.dtype, found.chunks
        outside = found.is_virtual or found.external or not data.holds(found)
    except BROKEN as error:
        raise InputUnusable(
            f"{path}: dataset `{name}` cannot be opened: {reason(error)}",
            hint=WHOLE_HINT if data.skip_damaged else COPY_HINT,
        ) from error
    if outside:
        raise InputUnusable(
            f"{path}: dataset `{name}` lies in another file, for which nothing here can vouch",
            hint="Copy the data into one file, and name that.",
        )
    return found


def _column_readers(
    data: DataFile, names: frozenset[str], rows: int, carried: tuple[Wanted, ...]
) -> tuple[tuple[Wanted, Reader], ...]:
    path = data.path
    readers: list[tuple[Wanted, Reader]] = []
    for wanted in (PRECURSOR, *OPTIONAL, *carried):
        for name in wanted.datasets:
            if name in names:
                dataset = _dataset(data, name)
                _check_column(path, wanted, name, dataset, rows)
                readers.append((wanted, _reader(data, dataset, wanted)))
                break
        else:
            if wanted is PRECURSOR:
                raise InputUnusable(f"{path} has no dataset `precursor_mz`", hint=LAYOUT_HINT)
    return tuple(readers)


def _reader(data: DataFile, dataset: Any, wanted: Wanted | None = None) -> Reader:
    check_filters(data.path, dataset)
    try:
        if wanted is not None and wanted.kind in ("name", "text", "carried"):
            names = name_reader(data, dataset)
            if names is not None:
                return names
        return direct_reader(data, dataset) or library_reader(data, dataset)
    except (Unreadable, *BROKEN) as error:
        about = error.rows if isinstance(error, Unreadable) else None
        first, last = about or (0, dataset.shape[0] - 1)
        raise InputUnusable(
            f"{data.path}: dataset `{name_of(dataset)}`, rows {first} to {last} "
            f"cannot be read: {reason(error)}",
            hint=WHOLE_HINT if data.skip_damaged else ROWS_HINT,
        ) from error


def _check_column(path: Path, wanted: Wanted, name: str, dataset: Any, rows: int) -> None:
    if dataset.shape != (rows,):
        raise InputUnusable(
            f"{path}: dataset `{name}` has shape {dataset.shape}, "
            f"not ({rows},) as `spectrum` has rows",
            hint=LAYOUT_HINT,
        )
    kind = dataset.dtype.kind
    text = kind == "O" and h5py.check_string_dtype(dataset.dtype) is None
    if kind not in ACCEPTED[wanted.kind] or text or (kind in "fiu" and dataset.dtype.itemsize > 8):
        raise InputUnusable(
            f"{path}: dataset `{name}` holds {dataset.dtype}, which cannot fill `{wanted.column}`",
            hint=f"Convert the dataset, or remove `{name}` if it is not needed.",
        )
    _check_numbers(path, name, dataset)


def _check_numbers(path: Path, name: str, dataset: Any) -> None:
    """A damaged description of numbers can make other numbers of them: it must be a usual one."""
    if dataset.dtype.kind in "fiu" and dataset.id.get_type() != h5py.h5t.py_create(dataset.dtype):
        raise InputUnusable(
            f"{path}: dataset `{name}` holds numbers of no usual form, which h5py would take "
            f"for {dataset.dtype}",
            hint=COPY_HINT,
        )
