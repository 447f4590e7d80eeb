"""A small dataset of two shards, and a copy of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from remote.workloads.shards import BuildSettings, build_shards
from tests.unit.shards.making import RUN_ID, make_input

ROWS = 13_000


@pytest.fixture(scope="session")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The input: rows [6_000, 6_005) have no precursor and are dropped."""
    return make_input(tmp_path_factory.mktemp("input") / "a.hdf5", ROWS, 3, bad=(6_000, 6_005))


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory, source: Path) -> Path:
    """Row groups of 5,000, 4,995 and 3,000 spectra, in two shards."""
    root = tmp_path_factory.mktemp("dataset") / "shards"
    build_shards(
        BuildSettings(max_shard_size_bytes=900_000),
        input_hdf5=source,
        output_root=root,
        run_id=RUN_ID,
        min_memory_gb=0,
        min_disk_gb=0,
    )
    assert len(list(root.glob("train/*.parquet"))) == 2
    return root


@pytest.fixture
def copy(dataset: Path, tmp_path: Path) -> Path:
    """A dataset that may be damaged."""
    return shutil.copytree(dataset, tmp_path / "copy")
