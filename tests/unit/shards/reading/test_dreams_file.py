"""`to_dreams`: the file holds what the shards hold, and shards built from it are equal again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from remote.errors import IntegrityFailure, UsageError
from remote.workloads.shards import (
    BuildSettings,
    Preprocessing,
    build_shards,
    read_shards,
    to_dreams,
)
from tests.unit.shards.making import make_input
from tests.unit.shards.reading.breaking import break_page

DATASETS = {
    "precursor_mz": np.float32,
    "RT": np.float32,
    "charge": np.int8,
    "lsh": np.int64,
    "instrument accuracy est.": np.float32,
}


def gems(path: Path, rows: int, *, lsh: Any = None, precursor: Any = np.float32) -> Path:
    """An input with all datasets of the GeMS layout, of 128 places; intensities fit float32."""
    random = np.random.default_rng(8)
    lengths = random.integers(1, 129, rows)
    mz = np.sort(random.uniform(50, 1_000, (rows, 128)), axis=1)
    intensity = random.uniform(1, 1e5, (rows, 128)).astype(np.float32).astype(np.float64)
    padding = np.arange(128) >= lengths[:, None]
    mz[padding] = intensity[padding] = 0
    with h5py.File(path, "w") as file:
        file["spectrum"] = np.stack([mz, intensity], axis=1)
        file["precursor_mz"] = random.uniform(100, 1_500, rows).astype(precursor)
        file["RT"] = random.uniform(0, 3_600, rows).astype(np.float32)
        file["charge"] = random.integers(-2, 4, rows).astype(np.int8)
        file["lsh"] = random.integers(-(2**62), 2**62, rows) if lsh is None else lsh
        file["instrument accuracy est."] = random.random(rows).astype(np.float32)
        names = np.array([f"run {row // 300}.mzML" for row in range(rows)], object)
        file.create_dataset("name", data=names, dtype=h5py.string_dtype())
    return path


def build(path: Path, root: Path, *, normalize: bool = True) -> Path:
    settings = BuildSettings(preprocessing=Preprocessing(normalize_intensities=normalize))
    build_shards(settings, input_hdf5=path, output_root=root, min_memory_gb=0, min_disk_gb=0)
    return root


def contents(path: Path) -> dict[str, Any]:
    with h5py.File(path) as file:
        return {name: file[name][()] for name in file}


def test_the_round_trip_is_exact_where_nothing_was_scaled(tmp_path: Path) -> None:
    source = gems(tmp_path / "a.hdf5", 5_300)
    root = build(source, tmp_path / "out", normalize=False)
    written = to_dreams(tmp_path / "new folder" / "b.hdf5", root)
    assert (written.spectra, written.cut, written.datasets[0]) == (5_300, 0, "spectrum")
    before, after = contents(source), contents(written.path)
    assert after["spectrum"].shape == (5_300, 2, 128)
    for name, values in before.items():
        assert after[name].dtype == values.dtype, name
        assert np.array_equal(after[name], values), name
    assert after["sample_id"][17] == b"a:17"
    assert "5,300 spectra" in repr(written)


def test_otherwise_it_is_exact_up_to_the_base_peak(tmp_path: Path) -> None:
    source = gems(tmp_path / "a.hdf5", 700)
    after = contents(to_dreams(tmp_path / "b.hdf5", build(source, tmp_path / "out")).path)
    before = contents(source)["spectrum"]
    assert np.array_equal(after["spectrum"][:, 0], before[:, 0])
    scaled = before[:, 1] / before[:, 1].max(axis=1, keepdims=True)
    assert np.array_equal(after["spectrum"][:, 1], scaled.astype(np.float32))


@pytest.mark.parametrize("normalize", [True, False])
def test_shards_built_from_it_are_equal_again(tmp_path: Path, normalize: bool) -> None:
    first = build(gems(tmp_path / "a.hdf5", 5_300), tmp_path / "one", normalize=normalize)
    (tmp_path / "again").mkdir()
    path = to_dreams(tmp_path / "again" / "a.hdf5", first).path
    second = build(path, tmp_path / "two", normalize=normalize)
    tables = [read_shards(root).table() for root in (first, second)]
    assert tables[0].schema.equals(tables[1].schema)
    source_units = {"base_peak_intensity", "tic"} if normalize else set()
    for name in set(tables[0].column_names) - source_units:
        assert tables[0][name].to_pylist() == tables[1][name].to_pylist(), name


def test_spectra_of_more_peaks_lose_the_weakest(tmp_path: Path) -> None:
    path = tmp_path / "wide.hdf5"
    random = np.random.default_rng(1)
    mz = np.sort(random.uniform(50, 900, (40, 200)), axis=1)
    intensity = random.permuted(np.tile(np.arange(1.0, 201.0), (40, 1)), axis=1)
    with h5py.File(path, "w") as file:
        file["spectrum"] = np.stack([mz, intensity], axis=1)
        file["precursor_mz"] = np.full(40, 500.25)
    written = to_dreams(tmp_path / "b.hdf5", build(path, tmp_path / "out", normalize=False))
    assert written.cut == 40
    assert "the most intense ones are in the file" in repr(written)
    found = contents(written.path)["spectrum"]
    for row in range(40):
        kept = intensity[row] > 72
        assert np.array_equal(found[row], [mz[row][kept], intensity[row][kept]])


def test_text_hashes_and_fine_precursors_keep_their_type(tmp_path: Path) -> None:
    lsh = np.array([f"hash of {row}".encode() for row in range(60)], "S64")
    source = gems(tmp_path / "a.hdf5", 60, lsh=lsh, precursor=np.float64)
    after = contents(to_dreams(tmp_path / "b.hdf5", build(source, tmp_path / "out")).path)
    assert after["lsh"].dtype == "S10"
    assert np.array_equal(after["lsh"], lsh)
    assert after["precursor_mz"].dtype == np.float64
    assert np.array_equal(after["precursor_mz"], contents(source)["precursor_mz"])


def test_a_view_takes_its_rows_and_columns(dataset: Path, tmp_path: Path) -> None:
    view = read_shards(
        dataset,
        columns=["mzs", "ints", "precursor_mz", "charge"],
        filters=[("charge", ">", 1)],
        names="matchms",
    )
    found = contents(to_dreams(tmp_path / "b.hdf5", view).path)
    assert sorted(found) == ["charge", "precursor_mz", "spectrum"]
    assert len(found["charge"]) == len(view)
    assert found["charge"].min() == 2


def test_an_older_file_is_left_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "b.hdf5").write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        to_dreams(tmp_path / "b.hdf5", dataset)
    assert (tmp_path / "b.hdf5").read_bytes() == b"mine"


def test_nothing_is_left_of_a_file_that_was_not_finished(copy: Path, tmp_path: Path) -> None:
    path = sorted(copy.glob("train/*.parquet"))[1]
    break_page(path)
    (tmp_path / "new").mkdir()
    with pytest.raises(IntegrityFailure, match=re.escape(str(path))):
        to_dreams(tmp_path / "new" / "b.hdf5", copy)
    assert not list((tmp_path / "new").iterdir())


def test_no_rows(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rows"):
        to_dreams(tmp_path / "b.hdf5", read_shards(dataset, filters=[("charge", ">", 99)]))


def test_a_short_input_is_enough(tmp_path: Path) -> None:
    root = build(make_input(tmp_path / "a.hdf5", 3), tmp_path / "out")
    assert to_dreams(tmp_path / "b.hdf5", root).spectra == 3
