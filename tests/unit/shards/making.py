"""Small inputs and groups for the tests of shards, fast to make."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.counts import empty
from remote.workloads.shards.output.encode import Encoder
from remote.workloads.shards.schema import Layout

WIDTH = 12
RUN_ID = "20250423_143022"


def make_input(
    path: Path,
    rows: int,
    seed: int = 0,
    *,
    bad: tuple[int, int] = (0, 0),
    bad_precursor: float = 0,
    chunk_rows: int | None = None,
) -> Path:
    """An HDF5 file in the GeMS layout with short spectra; rows [bad) have a precursor to drop."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, WIDTH + 1, rows)
    mz = np.sort(random.uniform(50, 1000, (rows, WIDTH)), axis=1)
    intensity = random.uniform(1, 1e5, (rows, WIDTH))
    padding = np.arange(WIDTH) >= lengths[:, None]
    mz[padding] = 0
    intensity[padding] = 0
    precursor = random.uniform(100, 1500, rows).astype(np.float32)
    precursor[slice(*bad)] = bad_precursor
    names = np.array([f"MSV{row // 700:06d}.mzML" for row in range(rows)], object)
    chunks = None if chunk_rows is None else (chunk_rows, 1, 1)
    packed = None if chunk_rows is None else "gzip"
    with h5py.File(path, "w") as file:
        peaks = np.stack([mz, intensity], axis=1)
        file.create_dataset("spectrum", data=peaks, chunks=chunks, compression=packed)
        file["precursor_mz"] = precursor
        file["charge"] = random.integers(-2, 4, rows).astype(np.int8)
        file["RT"] = random.uniform(0, 3600, rows).astype(np.float32)
        file.create_dataset("name", data=names, dtype=h5py.string_dtype())
    return path


def clean_rows(rows: int, seed: int = 0, *, row_start: int = 0, input_index: int = 0) -> CleanRows:
    """Clean rows with every optional column that a GeMS file can fill."""
    random = np.random.default_rng([seed, row_start])
    lengths = random.integers(1, 9, rows)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    peaks = int(offsets[-1])
    stats = empty() | {"read": rows, "written": rows}
    names = pa.array([f"file{n}.mzML" for n in random.integers(0, 3, rows)]).dictionary_encode()
    return CleanRows(
        input_index=input_index,
        row_start=row_start,
        row_stop=row_start + rows,
        source_row=np.arange(row_start, row_start + rows),
        offsets=offsets,
        mzs=random.uniform(50, 1000, peaks),
        ints=random.random(peaks).astype(np.float32),
        columns={
            "precursor_mz": random.uniform(100, 1500, rows),
            "charge": random.integers(-2, 4, rows).astype(np.int8),
            "rt": random.uniform(0, 3600, rows).astype(np.float32),
            "lsh": random.integers(-(2**62), 2**62, rows),
            "instrument_accuracy_est": np.full(rows, 1e-4, np.float32),
            "source_file": names,
            "base_peak_intensity": random.uniform(1, 1e5, rows).astype(np.float32),
            "tic": random.uniform(1, 1e6, rows),
        },
        stats=stats,
        fingerprints=random.integers(0, 2**63, rows).astype(np.uint64),
    )


def encoder(**options: Any) -> Encoder:
    """An encoder of the layout that `clean_rows` fills."""
    available = clean_rows(1).columns.keys()
    layout = Layout.of(frozenset(available), preprocessing={"min_peaks": 1}, **options)
    return Encoder(layout, ("a", "b"), ("a.hdf5", "b.hdf5"))


def tree(root: Path, *, strict: bool = False) -> dict[str, bytes]:
    """The files of a dataset by relative path, manifests without their `run` block."""
    found: dict[str, bytes] = {}
    for path in sorted(p for p in root.rglob("*") if p.is_file()):
        data = path.read_bytes()
        if path.suffix == ".json" and not strict:
            record = json.loads(data)
            record.pop("run", None)
            data = json.dumps(record).encode()
        found[str(path.relative_to(root))] = data
    return found


def table_of(encode: Encoder, rows: CleanRows) -> pa.Table:
    """What readers are to find of the rows: made by Arrow alone."""
    schema = encode.layout.schema
    plain = encode.plain_table(rows)
    offsets = pa.array(rows.offsets.astype(np.int32))
    lists = {"mzs": rows.mzs, "ints": rows.ints}
    arrays = [
        pa.ListArray.from_arrays(offsets, pa.array(lists[f.name]).cast(f.type.value_type)).cast(
            f.type
        )
        if f.name in lists
        else plain[f.name]
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
