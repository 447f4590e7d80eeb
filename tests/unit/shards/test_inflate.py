"""Whole spans of chunks are inflated into place, and what is in doubt is left to the caller."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from remote.workloads.shards.inputs import inflate
from remote.workloads.shards.inputs.chunks import Span
from remote.workloads.shards.inputs.direct import ChunkReader, direct_reader
from remote.workloads.shards.inputs.inflate import Inflater
from remote.workloads.shards.inputs.storage import DataFile, Unreadable
from tests.unit.shards.raws import spectra

# Columns, a few of them, whole rows, and pieces of both that do not come out even.
CHUNKS = [(40, 1, 1), (40, 1, 3), (30, 2, 4), (16, 2, 12), (7, 2, 10), (100, 2, 12), (9, 1, 12)]


def stored(path: Path, dtype: str, chunks: tuple[int, ...]) -> Path:
    with h5py.File(path, "w") as file:
        values = spectra(100, 12).astype(dtype)
        file.create_dataset("spectrum", data=values, chunks=chunks, compression="gzip")
    return path


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("chunks", CHUNKS, ids=str)
def test_both_ways_read_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunks: tuple[int, ...], dtype: str
) -> None:
    """In one go, and chunk by chunk where the library does not show its functions."""
    with DataFile(stored(tmp_path / "x.h5", dtype, chunks)) as file:
        reader = direct_reader(file, file.hdf5["spectrum"])
        assert isinstance(reader, ChunkReader)
        spans = [(0, 100), (0, chunks[0]), (13, 77), (99, 100)]
        by_spans = [reader.read(*span) for span in spans]
        monkeypatch.setattr(ChunkReader, "_put", _not_to_be_called)
        whole = reader.read(0, 100)
        monkeypatch.undo()
        monkeypatch.setattr(inflate, "_library", lambda: None)
        for (start, stop), found in zip(spans, by_spans, strict=True):
            expected = file.hdf5["spectrum"][start:stop]
            np.testing.assert_array_equal(found, expected)
            np.testing.assert_array_equal(reader.read(start, stop), expected)
        np.testing.assert_array_equal(whole, file.hdf5["spectrum"][...])


def _not_to_be_called(*_: Any) -> None:
    raise AssertionError("chunk by chunk")


def test_what_is_missing_in_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inflate, "_INFLATE", "libdeflate_of_another_day")
    inflate._library.cache_clear()
    try:
        assert Inflater.of((5, 2, 3), np.dtype("f8")) is None
    finally:
        inflate._library.cache_clear()


@pytest.mark.parametrize(
    ("chunk", "dtype"), [((5,), "f8"), ((5, 2), "f8"), ((5, 2, 3), "i8"), ((5, 2, 3), ">f8")]
)
def test_other_chunks_are_left_alone(chunk: tuple[int, ...], dtype: str) -> None:
    assert Inflater.of(chunk, np.dtype(dtype)) is None


VALUES = np.arange(30.0).reshape(5, 2, 3)
WHOLE = zlib.compress(VALUES.tobytes())
HARM: dict[str, Callable[[], bytes]] = {
    "cut": lambda: WHOLE[:-7],
    "checksum": lambda: WHOLE[:-1] + bytes([WHOLE[-1] ^ 1]),
    "no stream": lambda: bytes(len(WHOLE)),
    "too short": lambda: zlib.compress(VALUES.tobytes()[:-8]),
    "too long": lambda: zlib.compress(VALUES.tobytes() + bytes(8)),
    "empty": lambda: b"",
}


def put(stored: bytes, out: Any) -> bool:
    """The same chunk twice, the second as it should be."""
    inflater = Inflater.of((5, 2, 3), np.dtype("f8"))
    assert inflater is not None
    bounds = np.array([0, len(stored)]), np.array([len(stored), len(stored) + len(WHOLE)])
    span = Span(0, len(stored) + len(WHOLE), np.array([[0, 0, 0], [1, 0, 0]]), *bounds)
    return inflater.put(span, stored + WHOLE, out, 0, by_column=False)


@pytest.mark.parametrize("harm", HARM)
def test_a_chunk_that_is_not_as_it_should_be(harm: str) -> None:
    """Nothing is written beyond the chunk's own place, whatever it holds."""
    memory = np.full((12, 2, 3), -1.0)
    assert not put(HARM[harm](), memory[:10])
    assert (memory[5:] == -1).all()
    assert put(WHOLE, memory[:10])
    assert (memory[:10] == np.concatenate([VALUES, VALUES])).all()
    assert (memory[10:] == -1).all()


def test_no_memory_is_taken_for_what_cannot_be() -> None:
    """A chunk of 8 TB, by a damaged shape."""
    inflater = Inflater.of((1 << 20, 1 << 10, 1 << 10), np.dtype("f8"))
    assert inflater is not None
    bounds = np.array([0]), np.array([len(WHOLE)])
    span = Span(0, len(WHOLE), np.array([[0, 0, 0]]), *bounds)
    assert not inflater.put(span, WHOLE, np.zeros((10, 2, 3)), 0, by_column=False)


def test_a_damaged_chunk_is_told_as_before(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.h5", "f8", (20, 1, 4))
    with h5py.File(path) as file:
        at = file["spectrum"].id.get_chunk_info(3)
    content = bytearray(path.read_bytes())
    content[at.byte_offset + at.size // 2] ^= 255
    path.write_bytes(content)
    with DataFile(path) as file:
        reader = direct_reader(file, file.hdf5["spectrum"])
        assert reader is not None
        with pytest.raises(Unreadable, match="a chunk does not inflate"):
            reader.read(0, 100)
