"""Datasets in train, val and test: no group in two of them, and nothing lost between them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from remote.errors import InputUnusable, UsageError
from tests.integration.test_msms import msms
from tests.unit.shards.making import RUN_ID, make_input, tree

pytestmark = pytest.mark.integration

ROWS = 24_000
SHARES = "0.5,0.3,0.2"


@pytest.fixture(scope="module")
def spectra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of 700 spectra; every fourth shares an lsh with the file after it."""
    path = make_input(tmp_path_factory.mktemp("split") / "a.hdf5", ROWS, 3, bad=(100, 110))
    lsh = np.arange(ROWS, dtype=np.int64) * 7
    for bound in range(2_800, ROWS, 2_800):
        lsh[bound] = lsh[bound - 1]
    with h5py.File(path, "a") as file:
        file["lsh"] = lsh
    return path


def build(spectra: Path, root: Path, *flags: object, code: int = 0) -> str:
    """What the command said on stderr."""
    fixed = ("--run-id", RUN_ID, "--skip-preflight", "--shard-size", 700_000)
    given = ("--input-hdf5", spectra, "--output-root", root)
    return msms("build-shards", *given, *fixed, *flags, code=code).stderr


def split_tables(root: Path) -> dict[str, pa.Table]:
    return {split: table_of(root / split) for split in ("train", "val", "test")}


def table_of(folder: Path) -> pa.Table:
    return pa.concat_tables(map(pq.read_table, sorted(folder.glob("*.parquet"))))


def report(root: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((root / "quality_report.json").read_text())
    return found


def values(table: pa.Table, column: str) -> set[Any]:
    return set(table[column].to_pylist())


def test_no_source_file_is_in_two_splits_and_no_spectrum_is_lost(
    spectra: Path, tmp_path: Path
) -> None:
    flags = ("--split-by", "source_file", "--split-fractions", SHARES)
    build(spectra, tmp_path / "split", *flags)
    build(spectra, tmp_path / "whole")
    tables = split_tables(tmp_path / "split")
    files = [values(table, "source_file") for table in tables.values()]
    assert all(files)
    assert sum(map(len, files)) == len(set().union(*files)) == 35
    whole = table_of(tmp_path / "whole" / "train")
    together = pa.concat_tables(tables.values()).sort_by("source_row")
    for name in whole.schema.names:
        kind = whole.schema.field(name).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        assert together[name].cast(plain).to_pylist() == whole[name].cast(plain).to_pylist()
    found = report(tmp_path / "split")["splits"]
    assert found["keys"]["source_file"]["several"] == 0
    assert found["keys"]["source_file"]["groups"] == 35
    assert sum(found["spectra"].values()) == ROWS - 10
    assert found["keys"]["lsh"]["several"] > 0  # two files may share one
    manifest = json.loads((tmp_path / "split" / "dataset_manifest.json").read_text())
    assert {name: x["num_samples"] for name, x in manifest["splits"].items()} == found["spectra"]
    msms("validate-shards", tmp_path / "split")


def test_groups_that_share_a_spectrum_stay_together(spectra: Path, tmp_path: Path) -> None:
    build(spectra, tmp_path / "out", "--split-by", "source_file,lsh", "--split-fractions", SHARES)
    tables = split_tables(tmp_path / "out")
    for column in ("source_file", "lsh"):
        found = [values(table, column) for table in tables.values()]
        assert sum(map(len, found)) == len(set().union(*found))
    keys = report(tmp_path / "out")["splits"]["keys"]
    assert keys["lsh"]["several"] == keys["source_file"]["several"] == 0


def test_a_split_that_gets_nothing_leaves_nothing_and_is_told(tmp_path: Path) -> None:
    """One source file is one group: two of the three splits stay empty."""
    path = make_input(tmp_path / "a.hdf5", 600, 4)
    root = tmp_path / "out"
    build(path, root, "--split-by", "source_file")
    assert len(list(root.glob("*/shard_*.parquet"))) == 1
    assert not list(root.glob("*/.*"))
    found = report(root)
    assert sorted(found["splits"]["spectra"].values()) == [0, 0, 600]
    checks = found["stages"]["training_readiness"]["checks"]
    assert [x["status"] for x in checks if x["name"] == "split_shares"] == ["WARN"]
    before = tree(root)
    build(path, root, "--split-by", "source_file", "--resume")
    assert tree(root) == before
    msms("validate-shards", root)


@pytest.mark.parametrize(
    "how",
    [
        ("--num-workers", 3, "--batch-size", 3_333),
        ("--mode", "production", "--num-workers", 2, "--no-checkpoint"),
    ],
)
def test_the_same_bytes_however_it_is_run(
    spectra: Path, tmp_path: Path, how: tuple[object, ...]
) -> None:
    flags = ("--split-by", "lsh", "--sample", "random", "--max-spectra", 12_345)
    roots = [tmp_path / "one", tmp_path / "other"]
    for root, way in zip(roots, [("--num-workers", 1), how], strict=True):
        build(spectra, root, *flags, *way)
    shards = [{k: v for k, v in tree(root).items() if k.endswith(".parquet")} for root in roots]
    assert shards[0] == shards[1]
    tables = split_tables(roots[0])
    rows = sorted(row for table in tables.values() for row in table["source_row"].to_pylist())
    assert 12_345 - 10 <= len(rows) <= 12_345
    assert len({row // 5_000 for row in rows}) == 3


@pytest.mark.parametrize(
    ("flags", "said", "code"),
    [
        (["--split-by", "source-file"], 'did you mean "source_file"', UsageError),
        (["--split-by", "lsh", "--split", "test"], "not both", UsageError),
        (["--split-by", "lsh", "--split-fractions", "0.9,0.2,0.1"], "add up to 1", UsageError),
        (["--split-by", "lsh", "--split-fractions", "most"], "no list of numbers", UsageError),
        (["--split-by", "inchikey14"], "source_file, lsh", InputUnusable),
        (["--sample", "random"], "--max-spectra", UsageError),
    ],
)
def test_what_cannot_be_split_is_told(
    spectra: Path, tmp_path: Path, flags: list[str], said: str, code: Any
) -> None:
    stderr = build(spectra, tmp_path / "out", *flags, code=code.exit_code)
    assert said in stderr
    assert "Traceback" not in stderr
    assert not list(tmp_path.glob("out/*/*.parquet"))
