"""Stored bytes read directly equal what the HDF5 library reads; what is in doubt is left to it."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remote.workloads.shards.inputs.direct import ChunkReader, ContiguousReader, direct_reader
from remote.workloads.shards.inputs.library import LibraryReader
from remote.workloads.shards.inputs.storage import DataFile, Unreadable
from tests.unit.shards.raws import spectra

FILTERS: list[dict[str, Any]] = [
    {},
    {"compression": "gzip", "compression_opts": 1},
    {"compression": "gzip", "compression_opts": 9, "shuffle": True},
]


def stored(path: Path, values: Any, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        file.create_dataset("spectrum", data=values, **options)
    return path


class CountingFile(DataFile):
    """Remembers where it was read."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.offsets: list[int] = []

    def pread(self, size: int, offset: int) -> bytes:
        self.offsets.append(offset)
        return super().pread(size, offset)


@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_equals_the_library(tmp_path: Path, data: st.DataObject) -> None:
    rank = data.draw(st.sampled_from([1, 3]))
    shape = (
        data.draw(st.integers(1, 40)),
        *((2, data.draw(st.integers(1, 9))) if rank == 3 else ()),
    )
    dtypes = ["f8", "f4", "i1", "i8", "u2", "S7"] if rank == 1 else ["f8", "f4"]
    dtype = data.draw(st.sampled_from(dtypes))
    chunks = data.draw(st.one_of(st.none(), st.tuples(*(st.integers(1, n) for n in shape))))
    options = data.draw(st.sampled_from(FILTERS)) if chunks else {}
    random = np.random.default_rng(data.draw(st.integers(0, 99)))
    values = random.integers(0, 100, shape).astype(dtype)
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("spectrum", shape, dtype, chunks=chunks, **options)
        dataset[...] = values
    start = data.draw(st.integers(0, shape[0] - 1))
    stop = data.draw(st.integers(start + 1, shape[0]))
    with DataFile(path) as opened:
        dataset = opened.hdf5["spectrum"]
        reader = direct_reader(opened, dataset)
        assert isinstance(reader, ChunkReader if chunks else ContiguousReader)
        for _ in range(2):  # the second time with chunks kept and zeros known
            read = reader.read(start, stop)
            expected = LibraryReader(dataset).read(start, stop)
            np.testing.assert_array_equal(read, expected)
            assert read.dtype == expected.dtype


def _fletcher(path: Path) -> None:
    stored(path, spectra(20), chunks=(5, 1, 4), fletcher32=True)


def _lzf(path: Path) -> None:
    stored(path, spectra(20), chunks=(5, 1, 4), compression="lzf")


def _big_endian(path: Path) -> None:
    stored(path, spectra(20).astype(">f8"), chunks=(5, 1, 4), compression="gzip")


def _skipped_filter(path: Path) -> None:
    values = np.zeros((4, 2, 4))
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset(
            "spectrum", (4, 2, 4), "f8", chunks=(4, 2, 4), compression="gzip"
        )
        dataset.id.write_direct_chunk((0, 0, 0), values.tobytes(), filter_mask=1)


def _userblock(path: Path) -> None:
    with h5py.File(path, "w", userblock_size=512) as file:
        file.create_dataset("spectrum", data=spectra(20))


def _virtual(path: Path) -> None:
    source = stored(path.with_name("source.h5"), spectra(20))
    layout = h5py.VirtualLayout((20, 2, 16), "f8")
    layout[...] = h5py.VirtualSource(source, "spectrum", (20, 2, 16))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("spectrum", layout)


@pytest.mark.parametrize(
    "write",
    [
        _fletcher,
        _lzf,
        _big_endian,
        _skipped_filter,
        _userblock,
        _virtual,
    ],
)
def test_what_is_in_doubt_is_left_to_the_library(write: Any, tmp_path: Path) -> None:
    write(tmp_path / "x.h5")
    with DataFile(tmp_path / "x.h5") as opened:
        assert direct_reader(opened, opened.hdf5["spectrum"]) is None


def test_the_library_reads_big_endian_as_native(tmp_path: Path) -> None:
    _big_endian(tmp_path / "x.h5")
    with DataFile(tmp_path / "x.h5") as opened:
        values = LibraryReader(opened.hdf5["spectrum"]).read(3, 9)
    assert values.dtype == np.dtype("f8")
    np.testing.assert_array_equal(values, spectra(20)[3:9])


@pytest.mark.parametrize("chunks", [(10, 1, 1), (10, 1, 2), (10, 2, 16)])
def test_tasks_that_follow_the_chunks_read_each_once(tmp_path: Path, chunks: Any) -> None:
    stored(tmp_path / "x.h5", spectra(40), chunks=chunks, compression="gzip")
    with CountingFile(tmp_path / "x.h5") as opened:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert reader is not None
        for start in range(0, 40, 10):
            reader.read(start, start + 10)
        assert len(opened.offsets) == len(set(opened.offsets)) > 1


def test_columns_are_read_once_though_tasks_share_their_chunks(tmp_path: Path) -> None:
    stored(tmp_path / "x.h5", np.arange(100), chunks=(30,), compression="gzip")
    with CountingFile(tmp_path / "x.h5") as opened:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert reader is not None
        with ThreadPoolExecutor(4) as pool:
            parts = list(pool.map(lambda start: reader.read(start, start + 7), range(0, 93, 7)))
        np.testing.assert_array_equal(np.concatenate(parts), np.arange(98))
        assert len(opened.offsets) == 4


def test_blocks_held_at_one_time_do_not_share_memory(tmp_path: Path) -> None:
    values = spectra(40)
    stored(tmp_path / "x.h5", values, chunks=(10, 1, 1), compression="gzip")
    with DataFile(tmp_path / "x.h5") as opened:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert reader is not None
        held = [reader.read(start, start + 10)[:, 0] for start in range(0, 40, 10)]
        for start in range(0, 40, 10):  # blocks let go at once: their memory goes round
            np.testing.assert_array_equal(
                reader.read(start, start + 10), values[start : start + 10]
            )
        np.testing.assert_array_equal(np.concatenate(held), values[:, 0])


@pytest.mark.parametrize("chunks", [(10, 1, 1), (7, 2, 16), None])
def test_threads_read_what_one_does(tmp_path: Path, chunks: Any) -> None:
    values = spectra(60)
    options = {"chunks": chunks, "compression": "gzip"} if chunks else {}
    stored(tmp_path / "x.h5", values, **options)
    with DataFile(tmp_path / "x.h5") as opened, ThreadPoolExecutor(8) as pool:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert reader is not None
        parts = pool.map(lambda at: reader.read(at % 60, at % 60 + 5).copy(), range(0, 1200, 5))
        for at, part in zip(range(0, 1200, 5), parts, strict=True):
            np.testing.assert_array_equal(part, values[at % 60 : at % 60 + 5])


def damage(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize("content", [b"\xff" * 40, zlib.compress(b"short")])
def test_a_damaged_chunk_is_named(tmp_path: Path, content: bytes) -> None:
    path = stored(tmp_path / "x.h5", spectra(20), chunks=(20, 2, 16), compression="gzip")
    with DataFile(path) as opened:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert isinstance(reader, ChunkReader)
        damage(path, int(reader.chunks.offsets[0, 0, 0]), content)
        with pytest.raises(Unreadable, match="chunk"):
            reader.read(0, 20)


@pytest.mark.parametrize("chunks", [(10, 2, 16), None])
def test_a_file_cut_short_under_the_reader_is_no_crash(tmp_path: Path, chunks: Any) -> None:
    options = {"chunks": chunks, "compression": "gzip"} if chunks else {}
    path = stored(tmp_path / "x.h5", spectra(40), **options)
    with DataFile(path) as opened:
        reader = direct_reader(opened, opened.hdf5["spectrum"])
        assert reader is not None
        with path.open("r+b") as file:
            file.truncate(2048)
        with pytest.raises(Unreadable, match="ends before"):
            reader.read(0, 40)
