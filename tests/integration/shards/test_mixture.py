"""One dataset of all kinds of inputs, with splits and carried columns, through every verb."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from remote.errors import UsageError
from remote.workloads.shards import (
    BuildSettings,
    Quality,
    Ranker,
    build_shards,
    numpy_batches,
    read_shards,
    to_dreams,
)
from remote.workloads.shards.determinism import Way, try_ways
from remote.workloads.shards.doctor.inputs import what_it_is
from remote.workloads.shards.reading.names import Names
from remote.workloads.shards.validate import validate
from tests.integration.shards.commands import SMALL, manifest, msms
from tests.integration.shards.mixture import (
    CARRY,
    GEMS_ROWS,
    MGF_ROWS,
    MOST_PEAKS,
    MZML_ROWS,
    OLDER_ROWS,
    SETTINGS,
    mixture,
)
from tests.unit.shards.harmed_dataset import put, rewrite, shards
from tests.unit.shards.making import RUN_ID, tree
from tests.unit.shards.ranking.ranked import ranked
from tests.unit.shards.texts import entry, mgf

pytestmark = pytest.mark.integration

ROWS = MGF_ROWS + MZML_ROWS + GEMS_ROWS + OLDER_ROWS
SPLIT_NAMES = ("train", "val", "test")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return mixture(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, inputs: list[Path]) -> Path:
    root = tmp_path_factory.mktemp("whole") / "out"
    build_shards(
        SETTINGS,
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=1,
        skip_preflight=True,
    )
    return root


@pytest.fixture(scope="module")
def table(whole: Path) -> pa.Table:
    return read_shards(whole).table()


def test_bytes_do_not_depend_on_how_it_is_built(inputs: list[Path]) -> None:
    """Nor on a kill in the middle."""
    ways = (
        Way("1 worker", {"num_workers": 1}),
        Way("2 processes", {"num_workers": 2, "batch_size": 2_000, "mode": "production"}),
        Way("killed", {"num_workers": 2, "batch_size": 701}, killed=True),
    )
    verdict = try_ways(SETTINGS, inputs, max_spectra=ROWS, tries=ways)
    assert verdict.difference == ""
    assert (verdict.rows, len({tried.dataset_hash for tried in verdict.tried})) == (ROWS, 1)
    assert verdict.shards > 3


def test_every_row_is_accounted_for(whole: Path, table: pa.Table, inputs: list[Path]) -> None:
    record = manifest(whole)
    counts = record["counts"]
    parts = ("written", "attrition", "integrity", "damaged")
    assert counts["read"] == sum(counts[part] for part in parts) == ROWS
    assert [x["kind"] for x in record["inputs"]][:3] == ["mgf", "mzml", "hdf5"]
    assert set(record["hdf5_hashes"]) == {path.name for path in inputs}
    assert record["counts"]["dropped"]["other_ms_level"] == MZML_ROWS * 2 // 3
    assert tuple(record["splits"]) == SPLIT_NAMES
    files = Counter(table["input_file"].to_pylist())
    assert files["run.mzML"] == MZML_ROWS // 3
    assert (files["GeMS.hdf5"], files["older.h5"]) == (GEMS_ROWS, OLDER_ROWS)
    assert files["library.mgf"] == MGF_ROWS - len(range(0, MGF_ROWS, 9)) + 1  # row 2,007 has peaks
    report = json.loads((whole / "quality_report.json").read_text())
    assert report["peaks"]["removed"]["beyond_max_peaks"] > 3 * 480
    # Inputs without charges have none that is known.
    unknown = sum(charge in (0, None) for charge in table["charge"].to_pylist())
    assert report["flags"]["charge_unknown"] == unknown
    assert unknown > GEMS_ROWS + MZML_ROWS // 3


def test_carried_columns_are_null_where_an_input_lacks_them(table: pa.Table) -> None:
    rows = {row["sample_id"]: row for row in table.select(["sample_id", *CARRY]).to_pylist()}
    nothing: dict[str, Any] = dict.fromkeys(CARRY)
    wanted: dict[str, dict[str, Any]] = {
        "library:11": {"SCANS": "11"},
        "run:1": {"id": "scan=2"},
        "GeMS:3": {"note": "note 3"},
        "GeMS:599": {"note": "note 599", "purity": 1.0},
        "older:7": {"source_id": "s007"},
    }
    for name, values in wanted.items():
        assert rows[name] == {"sample_id": name, **nothing, **values}


def test_a_hash_is_one_group_in_both_layouts(inputs: list[Path], tmp_path: Path) -> None:
    root = tmp_path / "out"
    options = ("--split-by", "lsh", "--split-fractions", "0.4,0.3,0.3")
    msms("build-shards", "--input", *inputs[2:], "--output-root", root, *SMALL, *options)
    splits: dict[int, set[str]] = {}
    for split in SPLIT_NAMES:
        for lsh in read_shards(root, split=split).table()["lsh"].drop_null().to_pylist():
            splits.setdefault(lsh, set()).add(split)
    assert len(splits) == 50
    assert all(len(found) == 1 for found in splits.values())
    msms("validate-shards", "--full", root)


def test_a_dry_run_says_what_it_would_be(
    inputs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "out"
    given = ("build-shards", "--input", *inputs, "--output-root", root, *SMALL, "--dry-run")
    msms(*given, "--carry", *CARRY)
    said = capsys.readouterr().out
    assert f"run.mzML: {MZML_ROWS} rows; GeMS.hdf5: {GEMS_ROWS} rows" in said
    assert "quality_score" in said.partition("absent")[2]
    assert ", ".join(CARRY) in said
    assert not root.exists()


def test_validate_and_ready(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    msms("validate-shards", whole)
    msms("validate-shards", "--full", whole)
    assert "every value looked at" in capsys.readouterr().out
    msms("ready", whole)
    said = capsys.readouterr().out
    assert "PASS  splits" in said
    assert said.endswith("ready\n")


def test_a_spectrum_above_the_cap_is_found(whole: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(whole, tmp_path / "out"))
    more = [float(place) for place in range(1, MOST_PEAKS + 2)]
    for column in ("mzs", "ints"):
        rewrite(shards(root)[0], 0, put(column, 3, more))
    texts = [str(problem) for problem in validate(root, full=True).problems]
    wanted = f"row 3, column mzs: has {MOST_PEAKS + 1} peaks, max_peaks is {MOST_PEAKS} "
    assert any(wanted in text for text in texts), texts


def test_other_sizes_and_back(
    whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    few, back = tmp_path / "few", tmp_path / "back"
    name = ("--run-id", RUN_ID)
    msms("reshard", whole, "--output-root", few, "--shard-size", 50_000_000, *name)
    msms("validate-shards", "--full", few)
    assert len(shards(few)) == len(SPLIT_NAMES) < len(shards(whole))
    size = SETTINGS.max_shard_size_bytes
    msms("reshard", few, "--output-root", back, "--shard-size", size, *name)
    assert held(back) == held(whole)
    capsys.readouterr()
    msms("quality-report", back, "--against", whole)
    assert "the largest effect is negligible" in capsys.readouterr().out


def held(root: Path) -> dict[str, bytes]:
    """The shards and their manifests."""
    return {name: data for name, data in tree(root).items() if name.startswith(SPLIT_NAMES)}


def test_a_report_against_one_of_other_columns(
    whole: Path, inputs: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The HDF5 file alone has no charges."""
    root = tmp_path / "out"
    msms("build-shards", "--input", inputs[2], "--output-root", root, *SMALL)
    capsys.readouterr()
    msms("quality-report", whole, "--against", root)
    said = capsys.readouterr().out
    assert "only in the later one: charge" in said
    msms("quality-report", root, "--against", whole, "--json")
    assert json.loads(capsys.readouterr().out)["only_then"] == ["charge"]


@pytest.mark.parametrize("names", ["ancestor", "depthcharge", "matchms"])
def test_under_other_names(whole: Path, table: pa.Table, names: Names) -> None:
    found = read_shards(whole, names=names, filters=[("precursor_mz", ">", 510)])
    assert len(found) == OLDER_ROWS - 11
    assert {*CARRY} <= {*found.schema.names}
    assert pl.DataFrame(found)["source_id"].null_count() == 0
    assert len(read_shards(whole, split="val", names=names)) > 0
    assert found.table().num_columns == table.num_columns


def test_two_columns_of_one_name_are_refused(inputs: list[Path], tmp_path: Path) -> None:
    """A carried column may have the name that other software gives to one of ours."""
    path = mgf(tmp_path / "x.mgf", *[entry(RTINSECONDS=1, retention_time=2, mask=3)] * 2)
    root = tmp_path / "out"
    carry = ("--carry", "retention_time", "mask")
    msms("build-shards", "--input", path, "--output-root", root, *SMALL, *carry)
    assert read_shards(root).table()["retention_time"].to_pylist() == ["2", "2"]
    with pytest.raises(UsageError, match="rt and retention_time would both be called"):
        read_shards(root, names="matchms")
    assert len(read_shards(root, names="matchms", columns=["rt", "mzs"]).table()) == 2
    with pytest.raises(UsageError, match="mask is a column of the shards"):
        numpy_batches(read_shards(root))


def test_batches_have_every_spectrum_once(whole: Path, table: pa.Table) -> None:
    columns = ["sample_id", "mzs", "ints", "charge", "ms_level", "purity", "SCANS"]
    batches = numpy_batches(read_shards(whole, columns=columns), batch_size=500, shuffle=True)
    found = [name for batch in batches for name in batch["sample_id"]]
    assert sorted(found) == sorted(table["sample_id"].to_pylist())


def test_to_dreams_and_back(whole: Path, table: pa.Table, tmp_path: Path) -> None:
    """Of the MS level that no input said, 0 says there that it is not known."""
    made = to_dreams(tmp_path / "dreams.hdf5", whole)
    assert (made.spectra, made.cut) == (len(table), 0)
    build_shards(
        BuildSettings(), input_hdf5=made.path, output_root=tmp_path / "out", skip_preflight=True
    )
    again = read_shards(tmp_path / "out").table()
    for name in ("mzs", "ints", "precursor_mz", "source_file", "inchikey"):
        if pa.types.is_list(table[name].type):
            assert again[name].combine_chunks().equals(table[name].combine_chunks()), name
        else:
            assert plain(again, name) == plain(table, name), name
    np.testing.assert_array_equal(again["rt"].to_numpy(), table["rt"].to_numpy())


def plain(table: pa.Table, name: str) -> list[Any]:
    """Values; text that is not known is empty in HDF5."""
    return [value or "" for value in table[name].to_pylist()]


def test_scores_of_all_kinds(inputs: list[Path], tmp_path: Path) -> None:
    ranker = Ranker(endpoint="http://127.0.0.1:9/v1", key_env=None)  # where nobody listens
    asked = replace(SETTINGS, quality=Quality(True, "tiny", ranker))
    answers: dict[tuple[int, int], float | str] = {
        (0, 11): 0.25,
        (0, 5_001): 0.5,
        (1, 4): 0.75,
        (2, 599): "refused",
        (3, 7): 1.0,
    }
    root, few = tmp_path / "out", tmp_path / "few"
    ranked(root, inputs, asked, answers)
    found = read_shards(root, filters=[("quality_score", ">=", 0)]).table()
    scores = dict(zip(*(found[x].to_pylist() for x in ("sample_id", "quality_score")), strict=True))
    assert scores == {"library:11": 0.25, "library:5001": 0.5, "run:4": 0.75, "older:7": 1.0}
    msms("validate-shards", "--full", root)
    msms("reshard", root, "--output-root", few, "--shard-size", 50_000_000)
    msms("validate-shards", "--full", few)


def test_the_doctor_says_what_each_is(inputs: list[Path]) -> None:
    said = [what_it_is(path).found for path in inputs]
    kinds = ("mgf", "mzml", "hdf5", "hdf5, one group a spectrum")
    for path, kind, text in zip(inputs, kinds, said, strict=True):
        assert f"{path}: {kind}, " in text
        assert "holds \n" not in text
        assert "can be read" in text
