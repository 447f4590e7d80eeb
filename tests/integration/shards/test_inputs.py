"""All kinds of inputs through the command line: one dataset of them, one error for each fault."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest

from remote.workloads.shards import read_shards
from remote.workloads.shards.inputs.opening import open_inputs
from remote.workloads.shards.settings import InputRules
from tests.integration.shards.commands import SMALL, manifest, msms
from tests.integration.shards.mixture import peaks_of
from tests.unit.shards.raws import spectra, write_input
from tests.unit.shards.texts import Peaks, Spectrum, entry, mgf, mzml, older, param

pytestmark = pytest.mark.integration

PROFILE = param("MS:1000128", "profile spectrum")


def built(root: Path, *inputs: Path, more: Sequence[object] = ()) -> list[dict[str, Any]]:
    """The rows of a dataset that is built of the inputs, each as a dict."""
    msms("build-shards", "--output-root", root, *SMALL, *more, "--input", *inputs)
    paths = sorted(root.glob("train/*.parquet"))
    return [row for path in paths for row in pq.read_table(path).to_pylist()]


def gems(path: Path, rows: Sequence[Peaks], **columns: Any) -> Path:
    values = np.zeros((len(rows), 2, 40))
    for row, peaks in enumerate(rows):
        values[row, :, : len(peaks)] = np.array(peaks).T
    precursor = np.full(len(rows), 500.0)
    return write_input(path, values, precursor=precursor, **columns)


def test_the_same_spectra_give_the_same_rows_whatever_they_lie_in(tmp_path: Path) -> None:
    rows = [peaks_of(row, 3 + row % 30) for row in range(40)]
    charges = [row % 4 for row in range(40)]
    group = [
        {"mzs": [m for m, _ in x], "intensities": [i for _, i in x], "precursor_mz": 500.0}
        for x in rows
    ]
    files = {
        "gems": gems(tmp_path / "x.hdf5", rows, charge=np.array(charges, np.int8)),
        "mgf": mgf(
            tmp_path / "x.mgf", *(entry(x, CHARGE=n) for x, n in zip(rows, charges, strict=True))
        ),
        "mzml": mzml(
            tmp_path / "x.mzML",
            *(Spectrum(x, charge=n or None) for x, n in zip(rows, charges, strict=True)),
        ),
        "older": older(
            tmp_path / "x.h5",
            {
                f"{n:03}": {**x, "charge": charge}
                for n, (x, charge) in enumerate(zip(group, charges, strict=True))
            },
        ),
    }
    names = ("sample_id", "mzs", "ints", "precursor_mz", "charge", "base_peak_intensity", "tic")
    found = {
        kind: [{name: row[name] for name in names} for row in built(tmp_path / kind, path)]
        for kind, path in files.items()
    }
    assert len(found["gems"]) == 40
    assert found["mgf"] == found["mzml"] == found["older"] == found["gems"]
    reports = [json.loads((tmp_path / kind / "quality_report.json").read_text()) for kind in files]
    assert all("saturated" in json.dumps(report) for report in reports)


def test_a_cap_keeps_the_most_intense_peaks(tmp_path: Path) -> None:
    peaks = [(100.0, 5.0), (200.0, 9.0), (300.0, 5.0), (400.0, 1.0)]
    path = mgf(tmp_path / "x.mgf", entry(peaks))
    rows = built(tmp_path / "capped", path, more=["--max-peaks", 2, "--no-normalize"])
    assert (rows[0]["mzs"], rows[0]["ints"], rows[0]["tic"]) == ([100.0, 200.0], [5.0, 9.0], 20.0)
    assert manifest(tmp_path / "capped")["preprocessing"]["max_peaks"] == 2
    assert built(tmp_path / "all", path)[0]["num_peaks"] == 4
    assert "max_peaks" not in manifest(tmp_path / "all")["preprocessing"]


def test_another_level_is_asked_for(tmp_path: Path) -> None:
    path = mzml(tmp_path / "x.mzML", *(Spectrum(level=level) for level in (1, 2, 3)))
    assert [row["sample_id"] for row in built(tmp_path / "two", path)] == ["x:1"]
    # Two of three spectra are not asked for, which is no fault of theirs.
    assert json.loads((tmp_path / "two/quality_report.json").read_text())["overall"] != "FAIL"
    third = built(tmp_path / "three", path, more=["--ms-level", 3])
    assert [(row["sample_id"], row["ms_level"]) for row in third] == [("x:2", 3)]


@pytest.mark.parametrize("left_out", ["charge", "RT", "lsh", "name", "instrument accuracy est."])
def test_a_dataset_that_is_not_there_leaves_its_column_out(left_out: str, tmp_path: Path) -> None:
    columns: dict[str, Any] = {
        "charge": np.ones(3, np.int8),
        "RT": np.ones(3, np.float32),
        "lsh": np.arange(3),
        "name": np.array([b"a.mzML"] * 3),
        "instrument accuracy est.": np.ones(3, np.float32),
    }
    del columns[left_out]
    path = write_input(tmp_path / "x.hdf5", spectra(3, dtype="float32"), **columns)
    rows = built(tmp_path / "out", path)
    column = {
        "RT": "rt",
        "name": "source_file",
        "instrument accuracy est.": "instrument_accuracy_est",
    }.get(left_out, left_out)
    assert column not in rows[0]
    assert column in manifest(tmp_path / "out")["schema"]["left_out"]


def test_file_name_stands_for_name(tmp_path: Path) -> None:
    names = np.array([b"a.mzML", b"b.mzML"])
    rows = built(tmp_path / "out", write_input(tmp_path / "x.hdf5", spectra(2), file_name=names))
    assert [row["source_file"] for row in rows] == ["a.mzML", "b.mzML"]


def test_further_columns_are_carried(tmp_path: Path) -> None:
    stored: dict[str, Any] = {"a.b": np.array([1, 2], ">i2"), "f": np.ones(2)}
    stored["note"] = np.array([b"\xe9", b"z"])
    stored["half"] = np.array([0.5, np.nan], np.float16)
    h5 = write_input(tmp_path / "x.hdf5", spectra(2), **stored)
    text = mgf(tmp_path / "y.mgf", entry(NOTE="hello"), entry())
    more = ["--carry", "a.b", "note", "half", "--carry", "f"]
    rows = built(tmp_path / "out", h5, text, more=more)
    assert [row["a.b"] for row in rows] == [1, 2, None, None]
    assert [row["note"] for row in rows] == ["é", "z", "hello", None]
    assert [row["f"] for row in rows] == [1.0, 1.0, None, None]
    columns = {x["name"]: x for x in manifest(tmp_path / "out")["schema"]["columns"]}
    assert [row["half"] for row in rows] == [0.5, None, None, None]
    assert (columns["a.b"]["type"], columns["half"]["type"]) == ("int16", "float")
    assert all(columns[name]["nullable"] for name in ("a.b", "note", "f"))
    assert all(columns[x]["meaning"] == "carried from the input" for x in ("a.b", "note", "f"))
    msms("validate-shards", "--full", tmp_path / "out")
    msms("ready", tmp_path / "out")
    view = read_shards(tmp_path / "out", columns=["a.b", "f"], filters=[("a.b", ">", 1)])
    assert view.table().to_pylist() == [{"a.b": 2, "f": 1.0}]
    assert pl.DataFrame(view)["a.b"].to_list() == [2]


def test_a_config_says_all_of_it(tmp_path: Path) -> None:
    path = mgf(tmp_path / "x.mgf", entry(SCANS=5, MSLEVEL=3), entry(MSLEVEL=2))
    config = tmp_path / "c.yaml"
    config.write_text(
        f"canonical_hdf5: [{path}]\noutput_root: {tmp_path / 'out'}\n"
        "preprocessing: {max_peaks: 1}\ninput: {ms_level: 3, carry: [SCANS]}\n"
    )
    msms("build-shards", "--config", config, *SMALL)
    (row,) = pq.read_table(next((tmp_path / "out").glob("train/*.parquet"))).to_pylist()
    assert (row["SCANS"], row["mzs"]) == ("5", [200.25])
    assert manifest(tmp_path / "out")["input_rules"] == {"ms_level": 3, "carry": ["SCANS"]}


def test_a_resume_with_another_level_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = mgf(tmp_path / "x.mgf", entry())
    built(tmp_path / "out", path)
    again = ["build-shards", "--output-root", tmp_path / "out", *SMALL, "--input", path]
    msms(*again, "--resume")
    msms(*again, "--resume", "--ms-level", 3, code=20)
    assert "ms_level" in capsys.readouterr().err


def half(tmp_path: Path) -> list[Path]:
    broken = entry().replace("200.25 20.0", "200.25")
    return [mgf(tmp_path / "x.mgf", entry(), broken, *[entry()] * 30)]


def cut(tmp_path: Path) -> list[Path]:
    path = mzml(tmp_path / "x.mzML", *[Spectrum()] * 31)
    path.write_bytes(path.read_bytes()[:-100])
    return [path]


@pytest.mark.parametrize(("make", "lost"), [(half, "x:1"), (cut, "x:30")])
def test_what_cannot_be_read_is_named_or_counted(
    make: Callable[[Path], list[Path]],
    lost: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inputs = make(tmp_path)
    msms("build-shards", "--output-root", tmp_path / "no", *SMALL, "--input", *inputs, code=9)
    said = capsys.readouterr().err
    assert f"{inputs[0]}, entry {lost[2:]}, " in said
    assert "--skip-damaged" in said
    assert "Traceback" not in said
    rows = built(tmp_path / "out", *inputs, more=["--skip-damaged"])
    assert lost not in {row["sample_id"] for row in rows}
    record = manifest(tmp_path / "out")
    assert record["status"] == "damaged"
    assert record["counts"]["damaged"] == 1
    assert "left out 1 spectra in 1 damaged range\n  x.m" in capsys.readouterr().err
    msms("validate-shards", tmp_path / "out")


def test_real_files_of_all_kinds_make_one_dataset(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "msms"
    names = ("pesticides.mgf", "testdata.mzML", "real_gems_layout.hdf5")
    rows = built(tmp_path / "out", *(folder / name for name in names))
    counts = manifest(tmp_path / "out")["counts"]
    assert (counts["read"], counts["dropped"]) == (76 + 12 + 111, {"other_ms_level": 2})
    smiles = [row["smiles"] for row in rows if row["input_file"] == "pesticides.mgf"]
    assert "C1=CC=C2C(=C1)NC(=N2)C3=CC=CO3" in smiles


def test_wide_spectra_are_told_in_the_memory_plan(tmp_path: Path) -> None:
    wide = [entry(peaks_of(row, 20_000 if row == 3 else 2)) for row in range(200)]
    with open_inputs([mgf(tmp_path / "x.mgf", *wide)], rules=InputRules())[0] as source:
        found = source.blocks(0, 200, 100.0)
        raw = source.read(0, 200)
    assert len(raw.mz.values) == 20_000 + 199 * 2
    assert 20_000 * 16 < found.raw < 6_000_000
    assert 20_000 * 60 < found.group < 80_000_000
