"""Generated input has the distribution that it says, and is the same whenever it is made."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import h5py
import numpy as np
import pytest

from remote.workloads.shards.sample import BLOCK_ROWS, CHUNKS, Layout, generate, write_sample

ROWS = 2_000


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "a.h5", ROWS, seed=1)


def test_distribution() -> None:
    planes, columns = generate(0, BLOCK_ROWS, 1)
    mz, intensity = planes
    lengths = (mz > 0).sum(axis=0)
    assert np.median(lengths) == pytest.approx(30, abs=1)
    assert lengths.mean() == pytest.approx(37, abs=1)  # 38 before clipping
    assert (lengths.min(), lengths.max()) == (5, 128)
    present = np.arange(128)[:, None] < lengths
    np.testing.assert_array_equal(mz > 0, present)
    np.testing.assert_array_equal(intensity > 0, present)
    assert (np.diff(mz, axis=0)[present[1:]] >= 0).all()
    narrow = (mz.astype(np.float32) == mz).all(axis=0)
    assert narrow.mean() == pytest.approx(0.5, abs=0.02)
    low, high = np.quantile(intensity[present], [0.0013, 0.9987])  # three sigma each way
    assert np.log10(high / low) == pytest.approx(4, abs=0.2)
    _, runs = np.unique(columns["name"], return_counts=True)
    assert set(runs[:-1]) == {600}


def test_has_every_dataset_of_the_layout(written: Path) -> None:
    with h5py.File(written) as file:
        found = {name: (item.shape, item.dtype.str) for name, item in file.items()}
        assert file["spectrum"].chunks == (ROWS, 1, 1)
        assert file["spectrum"].compression == "gzip"
    assert found == {
        "spectrum": ((ROWS, 2, 128), "<f8"),
        "precursor_mz": ((ROWS,), "<f4"),
        "RT": ((ROWS,), "<f4"),
        "charge": ((ROWS,), "|i1"),
        "lsh": ((ROWS,), "<i8"),
        "instrument accuracy est.": ((ROWS,), "<f4"),
        "name": ((ROWS,), "|O"),
    }


def contents(path: Path) -> dict[str, bytes]:
    with h5py.File(path) as file:
        return {name: repr(item[:].tolist()).encode() for name, item in file.items()}


def test_the_same_for_a_seed_and_another_for_another(written: Path, tmp_path: Path) -> None:
    again = write_sample(tmp_path / "a.h5", ROWS, seed=1)
    other = write_sample(tmp_path / "b.h5", ROWS, seed=2)
    assert again.read_bytes() == written.read_bytes()
    assert contents(other)["spectrum"] != contents(written)["spectrum"]


@pytest.mark.parametrize("layout", sorted(set(get_args(Layout)) - {"column-chunks"}))
def test_the_same_in_every_layout(written: Path, tmp_path: Path, layout: Layout) -> None:
    path = write_sample(tmp_path / "x.h5", ROWS, 1, layout)
    assert contents(path) == contents(written)
    with h5py.File(path) as file:
        assert bool(file["spectrum"].chunks) == bool(CHUNKS[layout])


def test_chunks_reach_over_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remote.workloads.shards.sample.BLOCK_ROWS", 700)
    seen: list[tuple[int, int]] = []
    rows = write_sample(
        tmp_path / "r.h5", ROWS, 3, "row-chunks", lambda done, of: seen.append((done, of))
    )
    plain = write_sample(tmp_path / "c.h5", ROWS, 3, "contiguous")
    assert contents(rows) == contents(plain)
    assert seen == [(700, ROWS), (1400, ROWS), (2000, ROWS)]
