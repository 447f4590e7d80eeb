"""Generated inputs of the benchmark, and the plain pipeline beside which a build is put."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.sharding.inputs import Inputs
from remote.workloads.shards import build_shards
from remote.workloads.shards.inputs.opening import open_source
from remote.workloads.shards.sample import BLOCK_ROWS


def test_layouts_hold_the_same_spectra(tmp_path: Path) -> None:
    inputs = Inputs(tmp_path, seed=3)
    with (
        open_source(inputs.file("lzf", 1_000)) as packed,
        open_source(inputs.file("column-chunks", 1_000)) as columns,
    ):
        assert packed.columns == columns.columns
        np.testing.assert_array_equal(packed.read(0, 1_000).mz, columns.read(0, 1_000).mz)


def test_a_long_file_repeats_one_block(tmp_path: Path) -> None:
    path = Inputs(tmp_path, seed=3).repeated(BLOCK_ROWS + 5_000)
    with open_source(path) as source:
        assert (source.rows, source.chunk_rows) == (BLOCK_ROWS + 5_000, BLOCK_ROWS)
        first, again = source.read(0, 5_000), source.read(BLOCK_ROWS, source.rows)
    np.testing.assert_array_equal(first.mz, again.mz)
    np.testing.assert_array_equal(first.columns["rt"], again.columns["rt"])


def test_the_plain_pipeline_finds_the_same_peaks(tmp_path: Path, project_root: Path) -> None:
    path = Inputs(tmp_path, seed=3).file("column-chunks", 500)
    plain = [sys.executable, "-m", "benchmarks.sharding.others.plain"]
    asked = [str(path), "500", str(tmp_path / "plain"), "1"]
    subprocess.run([*plain, *asked], cwd=project_root, check=True)
    built = build_shards(
        input_hdf5=path, output_root=tmp_path / "built", min_memory_gb=0, min_disk_gb=0
    )
    theirs = pq.read_table(tmp_path / "plain" / "shard.parquet")
    ours = pq.read_table(built.shards[0]).select(theirs.column_names)
    for name in ("sample_id", "mzs", "precursor_mz", "charge"):
        assert ours[name].to_pylist() == theirs[name].to_pylist(), name
    mine, others = (x["ints"].combine_chunks().flatten().to_numpy() for x in (ours, theirs))
    np.testing.assert_allclose(mine, others, rtol=1e-6)
