"""The same values give the same bytes, however they are stored and however they are worked off."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards import BuildSettings, build_shards
from tests.unit.shards.making import RUN_ID, WIDTH, make_input, tree

pytestmark = pytest.mark.integration

ROWS = 12_345
# These tell of the inputs' files and of the run; all the rest is the product.
ABOUT = ("dataset_manifest.json", f"checkpoints/checkpoint_{RUN_ID}.json")

FILTERS: list[dict[str, Any]] = [
    {},
    {"compression": "gzip"},
    {"compression": "gzip", "shuffle": True},
    {"compression": "lzf"},
    {"compression": "lzf", "shuffle": True},
    {"compression": "gzip", "fletcher32": True},
]


@cache
def values() -> Mapping[str, Any]:
    """The datasets of one input."""
    with tempfile.TemporaryDirectory() as folder:
        path = make_input(Path(folder) / "a.hdf5", ROWS, 5, bad=(4_900, 5_200))
        with h5py.File(path) as file:
            return {name: file[name][()] for name in file}


def store(path: Path, layout: Mapping[str, Any], byte_order: str) -> Path:
    """The values in another layout; `layout` is what h5py takes for `spectrum`."""
    with h5py.File(path, "w") as file:
        for name, data in values().items():
            if name == "spectrum":
                file.create_dataset(name, data=data.astype(f"{byte_order}f8"), **layout)
                continue
            dtype = h5py.string_dtype() if name == "name" else data.dtype
            rows = layout["chunks"][:1] if layout.get("chunks") else None
            options = {**layout, "chunks": rows} if rows else {}
            if name == "name":
                options.pop("fletcher32", None)  # nor does the library take it
            file.create_dataset(name, data=data, dtype=dtype, **options)
    return path


def build(path: Path, shard_size: int, **options: Any) -> dict[str, bytes]:
    """The product of a build."""
    root = path.parent / "out"
    build_shards(
        BuildSettings(max_shard_size_bytes=shard_size),
        input_hdf5=path,
        output_root=root,
        run_id=RUN_ID,
        skip_preflight=True,
        **options,
    )
    return {name: data for name, data in tree(root).items() if name not in ABOUT}


@cache
def expected(shard_size: int) -> dict[str, bytes]:
    """From one contiguous dataset, by one worker."""
    with tempfile.TemporaryDirectory() as folder:
        return build(store(Path(folder) / "a.hdf5", {}, "<"), shard_size, num_workers=1)


chunked = st.builds(
    lambda rows, kinds, width, filters: {"chunks": (rows, kinds, width), **filters},
    st.integers(900, ROWS),
    st.sampled_from([1, 2]),
    st.integers(1, WIDTH),
    st.sampled_from(FILTERS),
)
runs = st.fixed_dictionaries(
    {
        "num_workers": st.integers(1, 4),
        "batch_size": st.integers(500, 20_000),
        "checkpoint_interval": st.integers(1_000, 20_000),
        "checkpoint": st.booleans(),
    }
)


def same(layout: Mapping[str, Any], order: str, run: dict[str, Any], shard_size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        found = build(store(Path(folder) / "a.hdf5", layout, order), shard_size, **run)
    assert found == expected(shard_size)


anything = given(
    layout=st.one_of(st.just({}), chunked),
    order=st.sampled_from("<>"),
    run=runs,
    shard_size=st.sampled_from([65_536, 500_000, 10**9]),
)


@settings(max_examples=15)
@anything
def test_some_ways(layout: Any, order: str, run: Any, shard_size: int) -> None:
    same(layout, order, run, shard_size)


@pytest.mark.slow
@settings(max_examples=300)
@anything
def test_many_ways(layout: Any, order: str, run: Any, shard_size: int) -> None:
    same(layout, order, run, shard_size)
