"""Names read from the file's heaps equal what the library reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote.workloads.shards.inputs.datasets import text
from remote.workloads.shards.inputs.direct import direct_reader
from remote.workloads.shards.inputs.heap import name_reader
from remote.workloads.shards.inputs.library import LibraryReader
from remote.workloads.shards.inputs.storage import DataFile, Unreadable

NAMES = st.one_of(
    st.sampled_from(["a.mzML", "b.mzML"]),
    st.text(st.characters(exclude_characters="\0"), max_size=12),
    st.integers(1, 9_000).map(lambda n: "x" * n),
)


def stored(path: Path, names: list[str], **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        values = np.array([name.encode("utf-8", "replace") for name in names], object)
        file.create_dataset("name", data=values, dtype=h5py.string_dtype(), **options)
    return path


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.lists(NAMES, min_size=1, max_size=60),
    options=st.sampled_from(
        [{}, {"chunks": (7,)}, {"chunks": (5,), "compression": "gzip"}],
    ),
    data=st.data(),
)
def test_equals_the_library(
    tmp_path: Path, names: list[str], options: dict[str, Any], data: st.DataObject
) -> None:
    options = {**options, "chunks": (min(options["chunks"][0], len(names)),)} if options else {}
    start = data.draw(st.integers(0, len(names) - 1))
    stop = data.draw(st.integers(start + 1, len(names)))
    with DataFile(stored(tmp_path / "x.h5", names, **options)) as file:
        dataset = file.hdf5["name"]
        reader = name_reader(file, dataset)
        assert reader is not None
        expected = text(LibraryReader(dataset).read(start, stop))
        assert reader.read(start, stop).to_pylist() == expected.to_pylist()


def test_runs_share_a_name(tmp_path: Path) -> None:
    names = [f"run_{row // 600}" for row in range(5_000)] + ["run_0"]
    with DataFile(stored(tmp_path / "x.h5", names, compression="gzip")) as file:
        reader = name_reader(file, file.hdf5["name"])
        assert reader is not None
        found = reader.read(0, 5_001)
    assert found.to_pylist() == names
    assert len(found.dictionary) == 9


def test_other_text_is_left_to_the_library(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["fixed"] = np.array([b"a", b"b"])
        file.create_dataset(
            "shuffled", data=["a", "b"], chunks=(2,), compression="gzip", shuffle=True
        )
    with DataFile(tmp_path / "x.h5") as opened:
        for name in ("fixed", "shuffled"):
            assert name_reader(opened, opened.hdf5[name]) is None, name
        assert direct_reader(opened, opened.hdf5["shuffled"]) is None


def test_a_damaged_heap_is_named(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.h5", ["a"] * 9)
    at = path.read_bytes().index(b"GCOL")
    with DataFile(path) as file:
        reader = name_reader(file, file.hdf5["name"])
        assert reader is not None
        with path.open("r+b") as raw:
            raw.seek(at + 16)
            raw.write(b"\xee\xee")
        with pytest.raises(Unreadable, match="reference"):
            reader.read(0, 9)
        with path.open("r+b") as raw:
            raw.seek(at)
            raw.write(b"XXXX")
        with pytest.raises(Unreadable, match="no heap of names at byte"):
            reader.read(0, 9)


def test_zeros_in_a_heap_are_an_error_and_no_endless_loop(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.h5", [f"name {n}" for n in range(9)])
    at = path.read_bytes().index(b"GCOL")
    with path.open("r+b") as raw:
        raw.seek(at + 16 + 64)
        raw.write(bytes(512))
    with DataFile(path) as file:
        reader = name_reader(file, file.hdf5["name"])
        assert reader is not None
        with pytest.raises(Unreadable, match="reference"):
            reader.probe()
