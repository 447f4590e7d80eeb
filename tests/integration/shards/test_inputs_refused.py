"""Inputs that are not read: one clear error for each, through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from tests.integration.shards.commands import SMALL, msms
from tests.unit.shards.raws import spectra, write_input
from tests.unit.shards.texts import HEAD, Spectrum, entry, mgf, mzml, param

pytestmark = pytest.mark.integration

PROFILE = param("MS:1000128", "profile spectrum")


def two(tmp_path: Path, *names: str) -> list[Path]:
    makers: dict[str, Callable[[Path], Path]] = {
        ".mgf": lambda path: mgf(path, entry()),
        ".mzML": lambda path: mzml(path, Spectrum()),
        ".hdf5": lambda path: write_input(path, spectra(2), lsh=np.arange(2), extra=np.arange(2)),
        ".h5": lambda path: write_input(
            path, spectra(2), lsh=np.array([b"a", b"b"]), extra=np.array([b"a", b"b"])
        ),
    }
    return [makers[Path(name).suffix](tmp_path / name) for name in names]


def bruker(tmp_path: Path) -> list[Path]:
    (tmp_path / "run.d").mkdir()
    return [tmp_path / "run.d"]


def latin(tmp_path: Path) -> list[Path]:
    path = tmp_path / "x.mgf"
    path.write_bytes(entry(TITLE="Käse").encode("latin-1"))
    return [path]


def long_extra(tmp_path: Path) -> list[Path]:
    return [write_input(tmp_path / "x.hdf5", spectra(2), extra=np.zeros(2, np.longdouble))]


def ragged_extra(tmp_path: Path) -> list[Path]:
    path = write_input(tmp_path / "x.hdf5", spectra(2))
    with h5py.File(path, "r+") as file:
        file["extra"] = np.zeros((2, 3))
    return [path]


Make = Callable[[Path], list[Path]]
REFUSED: dict[str, tuple[Make, str, list[object], int]] = {
    "equal stems": (lambda p: two(p, "a.mgf", "a.hdf5"), "Two inputs have the name a", [], 9),
    "a mix of lsh": (lambda p: two(p, "a.hdf5", "b.h5"), "`lsh` holds whole numbers", [], 9),
    "an empty MGF": (lambda p: [mgf(p / "x.mgf", "")], "x.mgf is empty", [], 9),
    "an MGF without entries": (lambda p: [mgf(p / "x.mgf", "COM=x\n")], "has no entry", [], 9),
    "an MGF without peaks": (lambda p: [mgf(p / "x.mgf", entry([]))], "has a peak", [], 9),
    "an mzML without spectra": (lambda p: [mzml(p / "x.mzML")], "has no spectra", [], 9),
    "not UTF-8": (latin, "line 3: this is not UTF-8 text", [], 9),
    "a document type": (
        lambda p: [mzml(p / "x.mzML", Spectrum(), head=HEAD.replace("?>", "?><!DOCTYPE a>"))],
        "declares a document type",
        [],
        9,
    ),
    "profiles": (lambda p: [mzml(p / "x.mzML", Spectrum(more=PROFILE))], "peakPicking", [], 9),
    "Bruker": (bruker, "tdf2mzml", [], 9),
    "no MS2": (lambda p: [mgf(p / "x.mgf", entry(MSLEVEL=1))], "other_ms_level: 1", [], 9),
    "carried nowhere": (
        lambda p: two(p, "a.mgf", "b.hdf5"),
        "'nothing', which is to be carried. There are: 'PEPMASS', 'extra', 'lsh', 'precursor_mz'",
        ["--carry", "nothing"],
        9,
    ),
    "carried as two types": (
        lambda p: [*two(p, "a.hdf5"), mgf(p / "c.mgf", entry(EXTRA=1))],
        "`extra` holds int64",
        ["--carry", "extra"],
        9,
    ),
    "carried twice": (
        lambda p: two(p, "a.hdf5"),
        "'Charge' cannot be carried",
        ["--carry", "Charge"],
        2,
    ),
    "carried, of another shape": (
        ragged_extra,
        "`extra` has shape (2, 3)",
        ["--carry", "extra"],
        9,
    ),
    "a cap below the least": (
        lambda p: two(p, "a.mgf"),
        "max_peaks is 2 and min_peaks 3",
        ["--max-peaks", 2, "--min-peaks", 3],
        2,
    ),
}
if np.dtype(np.longdouble).itemsize > 8:  # not everywhere
    REFUSED["carried, of 16 bytes"] = (
        long_extra,
        "`extra` holds float128",
        ["--carry", "extra"],
        9,
    )


@pytest.mark.parametrize("name", REFUSED)
def test_refusals_are_one_clear_error(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, says, more, code = REFUSED[name]
    inputs = make(tmp_path)
    root = tmp_path / "out"
    msms("build-shards", "--output-root", root, *SMALL, *more, "--input", *inputs, code=code)
    said = capsys.readouterr().err
    assert says in said
    assert said.count("error: ") == 1
    assert "Traceback" not in said
    assert not list(root.glob("**/*.parquet"))
