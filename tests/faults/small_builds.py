"""Small builds that are made to fail, and what must hold of what they leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from remote.workloads.shards import BuildResult, BuildSettings, build_shards
from remote.workloads.shards.settings import Splits
from tests.unit.shards.making import RUN_ID, make_input

SPECTRA = 5_500
ONE = Splits()
SPLIT = Splits(("source_file",), (0.5, 0.3, 0.2))


def small_inputs(folder: Path) -> list[Path]:
    """Four row groups, one of them without a row that is kept; their quality does not fail."""
    return [
        make_input(folder / "first.hdf5", 10_200, 1, bad=(0, 5_000), bad_precursor=3_000),
        make_input(folder / "second.hdf5", 300, 2),
    ]


def build_small(
    root: Path, inputs: list[Path], splits: Splits = ONE, **options: Any
) -> BuildResult:
    """Build, or go on with what is there; two shards, more where they are split."""
    return build_shards(
        BuildSettings(max_shard_size_bytes=65_536, splits=splits),
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=1,
        skip_preflight=True,
        resume=True,
        **options,
    )


def complete(root: Path) -> Iterator[tuple[Path, bytes]]:
    """The shards under their final names; each must be whole, whenever one looks."""
    for path in sorted(root.glob("*/shard_*.parquet")):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read()
        yield path, path.read_bytes()
