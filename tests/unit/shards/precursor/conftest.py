"""A small dataset of generated spectra, built once."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.sample import write_sample


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12,000 spectra of 20 source files, in three row groups."""
    folder = tmp_path_factory.mktemp("generated")
    return build(write_sample(folder / "sample.hdf5", 12_000, 42), folder / "shards")


def build(source: Path, root: Path, **settings: object) -> Path:
    build_shards(
        BuildSettings(**settings),  # type: ignore[arg-type]
        input_hdf5=source,
        output_root=root,
        run_id="made",
        skip_preflight=True,
    )
    return root
