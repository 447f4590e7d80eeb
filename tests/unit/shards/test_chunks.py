"""What an index says of chunks is believed where it can be true."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.inputs.chunks import ChunkMap
from remote.workloads.shards.inputs.storage import DataFile, Unreadable
from tests.unit.shards.raws import spectra

SHAPE = (20, 2, 4)
CHUNKS = (8, 1, 2)


def stored(path: Path, written: int = 20, **options: Any) -> Path:
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("spectrum", SHAPE, "f8", chunks=CHUNKS, **options)
        dataset[:written] = spectra(20, 4)[:written]
    return path


def key_of(content: bytearray, place: tuple[int, ...]) -> int:
    """Where a chunk's key begins in the B-tree: size, filter mask, then its first row and so on."""
    corner = b"".join(n.to_bytes(8, "little") for n in (*place, 0))
    at = content.index(corner, content.index(b"TREE\x01"))
    return at - 8


def test_every_chunk_has_its_place(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.h5", compression="gzip")
    with DataFile(path) as file:
        found = ChunkMap.of(file, file.hdf5["spectrum"])
        info = file.hdf5["spectrum"].id.get_chunk_info_by_coord((16, 1, 2))
    assert (found.offsets[2, 1, 1], found.sizes[2, 1, 1]) == (info.byte_offset, info.size)
    assert found.sizes.shape == (3, 2, 2)
    assert not found.skipped


@given(
    gaps=st.lists(st.sampled_from([0, 1, 4096, 4097]), min_size=12, max_size=12),
    sizes=st.lists(st.sampled_from([1, 500, 600_000, 1 << 21]), min_size=12, max_size=12),
    order=st.permutations(range(12)),
    rows=st.tuples(st.integers(0, 2), st.integers(1, 3)).filter(lambda x: x[0] < x[1]),
)
def test_chunks_that_lie_together_are_read_together(
    gaps: list[int], sizes: list[int], order: list[int], rows: tuple[int, int]
) -> None:
    """Each chunk of the rows once, where the index says it lies; no long gap is read along."""
    starts, at = np.zeros(12, np.int64), 0
    for place in order:
        starts[place] = at + gaps[place]
        at = int(starts[place]) + sizes[place]
    chunks = ChunkMap(CHUNKS, starts.reshape(3, 2, 2), np.array(sizes).reshape(3, 2, 2), False)
    first, stop = rows
    found = list(chunks.spans(first, stop))
    wanted = {(i, j, k) for i in range(first, stop) for j in range(2) for k in range(2)}
    places = [place for span in found for place, _, _ in span.chunks()]
    assert sorted(places) == sorted(wanted)
    for span in found:
        assert all(span.begins <= 1 << 20)
        assert (span.begins[0], span.ends[-1]) == (0, span.size)
        assert all(span.begins[1:] - span.ends[:-1] <= 4096)
        for corner, begin, end in span.chunks():
            assert span.start + begin == chunks.offsets[corner]
            assert end - begin == chunks.sizes[corner]


def test_very_many_chunks_far_apart_take_no_long_time() -> None:
    """As many steps as chunks, where looking at all of the rest at each would take an hour."""
    starts = (np.arange(300_000) * 10_000).reshape(-1, 1, 1)
    chunks = ChunkMap((1, 1, 1), starts, np.full_like(starts, 8), False)
    assert sum(len(span.begins) for span in chunks.spans(0, 300_000)) == 300_000


@pytest.mark.parametrize(("written", "rows"), [(0, (0, 19)), (8, (8, 19)), (16, (16, 19))])
def test_what_was_never_written_is_named(
    written: int, rows: tuple[int, int], tmp_path: Path
) -> None:
    with (
        DataFile(stored(tmp_path / "x.h5", written)) as file,
        pytest.raises(Unreadable, match="of 12 chunks were never written, or are lost") as caught,
    ):
        ChunkMap.of(file, file.hdf5["spectrum"])
    assert caught.value.rows == rows


def test_a_hole_is_named(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        dataset = file.create_dataset("spectrum", SHAPE, "f8", chunks=CHUNKS)
        for start in (0, 16):
            dataset[start : start + 4] = 1
        dataset[8:16, 0] = 1
    with DataFile(tmp_path / "x.h5") as file, pytest.raises(Unreadable, match="2 of 12") as caught:
        ChunkMap.of(file, file.hdf5["spectrum"])
    assert caught.value.rows == (8, 15)


def test_a_declared_size_allocates_nothing(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.create_dataset("spectrum", (2**60, 2, 128), "f8", chunks=(40, 1, 1))
    with DataFile(tmp_path / "x.h5") as file, pytest.raises(Unreadable) as caught:
        ChunkMap.of(file, file.hdf5["spectrum"])
    assert caught.value.rows == (0, 2**60 - 1)


def beyond(content: bytearray, key: int) -> None:
    content[key + 40 + 5] = 0xFF


def another_place(content: bytearray, key: int) -> None:
    content[key + 8] = 0


def outside(content: bytearray, key: int) -> None:
    content[key + 8 + 2] = 0x10


def too_long(content: bytearray, key: int) -> None:
    content[key] = 0xF0


def not_packed(content: bytearray, key: int) -> None:
    content[key + 4] = 1


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (beyond, "beyond the end"),
        (another_place, "twice"),
        (outside, "outside"),
        (too_long, "in one place"),
        (not_packed, "not packed"),
    ],
)
@pytest.mark.parametrize("packing", ["gzip", "lzf"])
def test_a_damaged_index_is_found(
    damage: Callable[[bytearray, int], None], says: str, packing: str, tmp_path: Path
) -> None:
    path = stored(tmp_path / "x.h5", compression=packing)
    content = bytearray(path.read_bytes())
    damage(content, key_of(content, (8, 0, 2)))
    path.write_bytes(content)
    with DataFile(path) as file, pytest.raises(Unreadable, match=says):
        ChunkMap.of(file, file.hdf5["spectrum"])


def test_a_shuffle_is_never_skipped(tmp_path: Path) -> None:
    path = stored(tmp_path / "x.h5", compression="gzip", shuffle=True)
    content = bytearray(path.read_bytes())
    content[key_of(content, (8, 0, 2)) + 4] = 1  # the first filter alone
    path.write_bytes(content)
    with DataFile(path) as file, pytest.raises(Unreadable, match="not packed"):
        ChunkMap.of(file, file.hdf5["spectrum"])


def test_text_is_never_shuffled_and_its_index_says_so(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        values = np.array([f"file{n}.mzML" for n in range(50)], object)
        options = {"compression": "gzip", "shuffle": True, "chunks": (20,)}
        file.create_dataset("name", data=values, dtype=h5py.string_dtype(), **options)
        assert file["name"].id.get_chunk_info(0).filter_mask == 1
    with DataFile(tmp_path / "x.h5") as opened:
        assert ChunkMap.of(opened, opened.hdf5["name"]).skipped


def test_packing_that_did_not_help_may_be_skipped(tmp_path: Path) -> None:
    values = np.arange(16.0).reshape(8, 1, 2)
    path = stored(tmp_path / "x.h5", compression="gzip")
    with h5py.File(path, "a") as file:
        file["spectrum"].id.write_direct_chunk((8, 0, 2), values.tobytes(), filter_mask=1)
    with DataFile(path) as file:
        assert ChunkMap.of(file, file.hdf5["spectrum"]).skipped


@pytest.mark.parametrize(
    ("damage", "says", "places"),
    [
        (beyond, "beyond the end", {(1, 0, 1)}),
        (another_place, "twice", {(0, 0, 1)}),
        (outside, "never written", {(1, 0, 1)}),
        (too_long, "in one place", {(1, 0, 1)}),
        (not_packed, "not packed", {(1, 0, 1)}),
    ],
)
def test_where_damage_is_skipped_each_fault_has_its_place(
    damage: Callable[[bytearray, int], None], says: str, places: set[Any], tmp_path: Path
) -> None:
    path = stored(tmp_path / "x.h5", compression="gzip")
    content = bytearray(path.read_bytes())
    damage(content, key_of(content, (8, 0, 2)))
    path.write_bytes(content)
    with DataFile(path, skip_damaged=True) as file:
        found = ChunkMap.of(file, file.hdf5["spectrum"])
    assert places <= {place for place, fault in found.faults.items() if says in fault}
    # Beside them only those that one of them takes the room or the name of.
    assert len(found.faults) <= 3
    for place in found.faults:
        with pytest.raises(Unreadable, match=found.faults[place]):
            found.check(place)
    found.check((0, 0, 0))


def test_holes_are_faults_of_their_places(tmp_path: Path) -> None:
    with DataFile(stored(tmp_path / "x.h5", 8), skip_damaged=True) as file:
        found = ChunkMap.of(file, file.hdf5["spectrum"])
    assert {place[0] for place in found.faults} == {1, 2}
    assert len(found.faults) == 8
    words = found.with_words((3,))
    assert {(*place, 0) for place in found.faults} == set(words.faults)


@pytest.mark.parametrize("written", [0, 1])
def test_too_much_lost_is_refused_and_allocates_nothing(written: int, tmp_path: Path) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        made = file.create_dataset("spectrum", (2**40, 2, 128), "f8", chunks=(40, 1, 1))
        made[:written] = 1
    with DataFile(tmp_path / "x.h5", skip_damaged=True) as file, pytest.raises(Unreadable):
        ChunkMap.of(file, file.hdf5["spectrum"])
