"""What a packed chunk unpacks to is known without unpacking it."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.lzf import measure
from remote.workloads.shards.inputs.opening import open_source
from tests.unit.shards.raws import spectra, write_input


def packed(values: bytes) -> tuple[bytes, int]:
    """The bytes as h5py stores them, and its filter mask."""
    with h5py.File("x", "w", driver="core", backing_store=False) as file:
        data = np.frombuffer(values, np.uint8)
        made = file.create_dataset("x", data=data, chunks=data.shape, compression="lzf")
        mask, stored = made.id.read_direct_chunk((0,))
        return stored, mask


@given(
    words=st.lists(st.binary(min_size=1, max_size=9), min_size=1, max_size=5),
    picks=st.lists(st.integers(0, 4), min_size=20, max_size=400),
)
def test_the_length_is_that_of_what_was_packed(words: list[bytes], picks: list[int]) -> None:
    values = b"".join(words[pick % len(words)] for pick in picks)
    stored, mask = packed(values)
    if not mask:
        assert measure()(np.frombuffer(stored, np.uint8)) == len(values)
        assert measure()(np.frombuffer(stored[:-1], np.uint8)) != len(values)


@pytest.mark.parametrize("skip", [False, True])
def test_a_chunk_that_unpacks_to_less_is_damaged(tmp_path: Path, skip: bool) -> None:
    options = {"chunks": (50, 2, 16), "compression": "lzf"}
    path = write_input(tmp_path / "x.hdf5", spectra(200), options=options)
    with h5py.File(path, "r") as file:
        chunk = file["spectrum"].id.get_chunk_info_by_coord((50, 0, 0))
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + chunk.size] = bytes(chunk.size)
    path.write_bytes(content)
    with open_source(path, 0, skip) as source:
        if skip:
            (damage,) = source.read(0, 200).damaged
            assert (damage.row_start, damage.row_stop) == (50, 100)
        else:
            with pytest.raises(InputUnusable, match="does not unpack to 12800 bytes"):
                source.read(0, 200)


def test_spectra_of_a_single_place_are_read(tmp_path: Path) -> None:
    """Dense whichever way one looks at them."""
    from remote.workloads.shards.clean import clean
    from remote.workloads.shards.settings import Preprocessing

    values = np.random.default_rng(0).uniform(50, 900, (2_000, 2, 1))
    options = {"chunks": (500, 1, 1), "compression": "gzip"}
    with open_source(write_input(tmp_path / "x.hdf5", values, options=options)) as source:
        assert len(clean(source.read(0, 2_000), Preprocessing())) == 2_000
