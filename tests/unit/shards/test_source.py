"""Inputs as they come: what is read, and one clear error for each thing that can be wrong."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.blocks import RawRows
from remote.workloads.shards.inputs.gems import GemsSource
from remote.workloads.shards.inputs.opening import open_inputs, open_source
from tests.unit.shards.raws import spectra, write_input


def arrow(raw: RawRows, column: str) -> pa.Array:
    """A column of text."""
    values = raw.columns[column]
    assert isinstance(values, pa.Array)
    return values


def test_reads_every_column(tmp_path: Path) -> None:
    peaks = spectra(30)
    names = [f"run{row // 10}.mzML" for row in range(30)]
    path = write_input(
        tmp_path / "x.h5",
        peaks,
        options={"chunks": (10, 1, 1), "compression": "gzip"},
        RT=np.arange(30, dtype=np.float32),
        charge=np.arange(30, dtype=np.int8),
        lsh=np.arange(30),
        instrument_accuracy_est=np.ones(30, np.float32),
        name=np.array(names, object),
        smiles=np.array(["C"] * 30, object),
        collision_energy=np.arange(30),
    )
    with open_source(path, 3) as source:
        assert isinstance(source, GemsSource)
        assert (source.rows, source.width, source.chunk_rows, source.name) == (30, 16, 10, "x")
        raw = source.read(5, 25)
    assert (raw.input_index, raw.row_start, len(raw)) == (3, 5, 20)
    np.testing.assert_array_equal(raw.mz, peaks[5:25, 0])
    np.testing.assert_array_equal(raw.intensity, peaks[5:25, 1])
    assert set(raw.columns) == source.columns
    assert raw.columns["precursor_mz"].tolist() == [400.0] * 20
    assert raw.columns["precursor_mz"].dtype == np.float64
    for name in ("rt", "charge", "lsh", "collision_energy"):
        assert raw.columns[name].tolist() == list(range(5, 25)), name
    assert arrow(raw, "source_file").to_pylist() == names[5:25]
    assert pa.types.is_dictionary(arrow(raw, "source_file").type)
    assert arrow(raw, "smiles").to_pylist() == ["C"] * 20


def test_only_spectrum_and_precursor_are_needed(tmp_path: Path) -> None:
    with open_source(write_input(tmp_path / "x.h5", spectra(3))) as source:
        assert source.columns == {"precursor_mz"}
        assert source.lsh is None
        assert set(source.read(0, 3).columns) == {"precursor_mz"}


def test_names_of_newer_files_and_odd_bytes(tmp_path: Path) -> None:
    names = np.array([b"caf\xe9.mzML", b"b.mzML"], object)
    path = write_input(tmp_path / "x.h5", spectra(2))
    with h5py.File(path, "a") as file:
        file.create_dataset("file_name", data=names, dtype=h5py.string_dtype())
    with open_source(path) as source:
        assert arrow(source.read(0, 2), "source_file").to_pylist() == ["café.mzML", "b.mzML"]


def test_lsh_as_bytes(tmp_path: Path) -> None:
    path = write_input(tmp_path / "x.h5", spectra(2), lsh=np.array([b"ab", b"c" * 64], "S64"))
    with open_source(path) as source:
        assert source.lsh == "string"
        assert arrow(source.read(0, 2), "lsh").to_pylist() == ["ab", "c" * 64]


def test_float32_stays_float32(tmp_path: Path) -> None:
    peaks = spectra(9, dtype="float32")
    with open_source(write_input(tmp_path / "x.h5", peaks)) as source:
        raw = source.read(2, 9)
    assert raw.mz.dtype == np.float32
    np.testing.assert_array_equal(raw.mz, peaks[2:, 0])


def test_opens_anew_in_another_process(tmp_path: Path) -> None:
    path = write_input(tmp_path / "x.h5", spectra(9))
    with open_source(path, 2) as source, pickle.loads(pickle.dumps(source)) as copy:
        np.testing.assert_array_equal(copy.read(0, 9).mz, source.read(0, 9).mz)
        assert copy.index == 2


def missing(_: Path) -> None: ...


def empty(path: Path) -> None:
    path.touch()


def text(path: Path) -> None:
    path.write_text("nothing of use\n")


def folder(path: Path) -> None:
    path.mkdir()


def truncated(path: Path) -> None:
    write_input(path, spectra(200))
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def no_spectrum(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["mz"] = np.zeros(3)


def older_layout(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("spectra/a")["mzs"] = np.zeros(3)


def a_group(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_group("spectrum")


def no_precursor(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["spectrum"] = spectra(3)


def wrong_shape(path: Path) -> None:
    write_input(path, np.zeros((5, 128, 2)))


def wrong_dtype(path: Path) -> None:
    write_input(path, np.zeros((5, 2, 8), np.int32))


def no_rows(path: Path) -> None:
    write_input(path, np.zeros((0, 2, 8)))


def scalar(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["spectrum"] = 3.0


def short_column(path: Path) -> None:
    write_input(path, spectra(5), RT=np.zeros(4, np.float32))


def text_charge(path: Path) -> None:
    write_input(path, spectra(5), charge=np.array([b"1+"] * 5))


def dangling(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["spectrum"] = h5py.ExternalLink("elsewhere.h5", "spectrum")


def dangling_column(path: Path) -> None:
    write_input(path, spectra(5))
    with h5py.File(path, "a") as file:
        file["RT"] = h5py.SoftLink("/nowhere")


def in_another_file(path: Path) -> None:
    write_input(path.with_name("other.h5"), spectra(5))
    with h5py.File(path, "w") as file:
        file["spectrum"] = h5py.ExternalLink("other.h5", "spectrum")


def too_wide(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("spectrum", (5, 2, 1 << 40), "f8", chunks=(5, 1, 1))


def never_written(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file.create_dataset("spectrum", (10**12, 2, 128), "f8", chunks=(40, 1, 1))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (dangling_column, "dataset `RT` cannot be opened"),
        (in_another_file, "dataset `spectrum` lies in another file"),
        (too_wide, "not (N, 2, P)"),
        (never_written, "dataset `spectrum`, rows 0 to 999999999999 cannot be read"),
        (missing, "does not exist"),
        (empty, "is empty"),
        (text, "not an HDF5 file"),
        (folder, "is not a file"),
        (truncated, "cut short"),
        (no_spectrum, "no dataset `spectrum`; it holds mz"),
        (older_layout, "holds no group with `mzs` and `intensities`"),
        (a_group, "`spectrum` is not a dataset"),
        (no_precursor, "no dataset `precursor_mz`"),
        (wrong_shape, "shape (5, 128, 2), not (N, 2, P)"),
        (wrong_dtype, "holds int32"),
        (no_rows, "has no rows"),
        (scalar, "shape ()"),
        (short_column, "`RT` has shape (4,), not (5,)"),
        (text_charge, "`charge` holds |S2"),
        (dangling, "`spectrum`"),
    ],
)
def test_unusable(make: Callable[[Path], None], says: str, tmp_path: Path) -> None:
    path = tmp_path / "input.h5"
    make(path)
    with pytest.raises(InputUnusable) as caught:
        open_source(path)
    assert says in caught.value.problem
    assert str(path) in caught.value.problem
    assert caught.value.hint


def test_a_value_that_does_not_fit_is_named(tmp_path: Path) -> None:
    charges = np.array([1, 2, 300, 1], np.int32)
    path = write_input(tmp_path / "x.h5", spectra(4), charge=charges)
    with open_source(path) as source, pytest.raises(InputUnusable, match="`charge`, row 2: 300"):
        source.read(1, 4)


def test_damage_names_dataset_and_rows(tmp_path: Path) -> None:
    options = {"chunks": (10, 2, 16), "compression": "gzip"}
    path = write_input(tmp_path / "x.h5", spectra(20), options=options)
    with h5py.File(path) as file:
        at = file["spectrum"].id.get_chunk_info(1).byte_offset
    with path.open("r+b") as file:
        file.seek(at)
        file.write(b"\xff" * 50)
    with open_source(path) as source:
        assert len(source.read(0, 10)) == 10
        with pytest.raises(InputUnusable, match="`spectrum`, rows 10 to 19 cannot be read") as e:
            source.read(10, 20)
    assert e.value.hint


def test_the_library_reports_damage_the_same_way(tmp_path: Path) -> None:
    options: dict[str, Any] = {"chunks": (10, 2, 16), "compression": "gzip", "fletcher32": True}
    path = write_input(tmp_path / "x.h5", spectra(20), options=options)
    with h5py.File(path) as file:
        at = file["spectrum"].id.get_chunk_info(1).byte_offset
    with path.open("r+b") as file:
        file.seek(at + 9)
        file.write(b"\xff" * 50)
    with (
        open_source(path) as source,
        pytest.raises(InputUnusable, match="`spectrum`, rows 10 to 19 cannot be read"),
    ):
        source.read(10, 20)


def test_a_number_beyond_float32_is_named(tmp_path: Path) -> None:
    path = write_input(tmp_path / "x.h5", spectra(3), RT=np.array([1, np.inf, 1e300]))
    with open_source(path) as source:
        assert source.read(0, 2).columns["rt"].tolist() == [1, np.inf]
        with pytest.raises(InputUnusable, match="`RT`, row 2: 1e"):
            source.read(1, 3)


@pytest.mark.parametrize("options", [{}, {"chunks": (200, 1, 4)}])
def test_the_library_reading_a_file_that_shrank_is_noticed(
    options: dict[str, Any], tmp_path: Path
) -> None:
    """It reads zeros where a file ends too early."""
    path = write_input(tmp_path / "x.h5", spectra(400).astype(">f8"), options=options)
    with open_source(path) as source:
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
        with pytest.raises(InputUnusable, match="`spectrum`, rows 200 to 399"):
            source.read(200, 400)
        with pytest.raises(InputUnusable, match="cut short"):
            source.check_size()


def test_equal_stems_are_refused(tmp_path: Path) -> None:
    paths = [write_input(tmp_path / name, spectra(2)) for name in ("a.h5", "a.hdf5")]
    with pytest.raises(InputUnusable, match="Two inputs have the name a: "):
        open_inputs(paths)


def test_a_mix_of_lsh_is_refused(tmp_path: Path) -> None:
    paths = [
        write_input(tmp_path / "a.h5", spectra(2), lsh=np.arange(2)),
        write_input(tmp_path / "b.h5", spectra(2), lsh=np.array([b"a", b"b"])),
    ]
    with pytest.raises(InputUnusable, match=r"whole numbers in .*a.h5 and text in .*b.h5"):
        open_inputs(paths)
