"""`read_shards`: what is read, under which names, and what is said where it cannot be."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from remote.errors import (
    IntegrityFailure,
    ResultsUnusable,
    UsageError,
    WorkhorseError,
)
from remote.workloads.shards import read_shards
from remote.workloads.shards.reading.names import RENAMED, renamed
from remote.workloads.shards.schema import COLUMNS
from tests.unit.shards.reading.breaking import break_page


def shards_in(root: Path) -> list[Path]:
    return sorted(root.glob("train/*.parquet"))


def plain(root: Path) -> pa.Table:
    """The dataset as pyarrow alone reads it."""
    return pa.concat_tables(pq.read_table(path) for path in shards_in(root)).unify_dictionaries()


def test_reads_every_row_in_order(dataset: Path) -> None:
    shards = read_shards(dataset)
    assert len(shards) == 12_995
    assert shards.table().unify_dictionaries().equals(plain(dataset))
    assert shards.schema.equals(pq.read_schema(shards_in(dataset)[0]), check_metadata=True)
    assert "2 shards" in repr(shards)


def test_streams_no_more_rows_at_a_time_than_asked_for(dataset: Path) -> None:
    batches = list(read_shards(dataset, columns=["source_row"]).batches(777))
    assert max(batch.num_rows for batch in batches) == 777
    rows = np.concatenate([batch["source_row"].to_numpy() for batch in batches])
    assert np.array_equal(rows, plain(dataset)["source_row"].to_numpy())


@pytest.mark.parametrize("kind", ["folder", "text", "split folder", "files", "split", "lying"])
def test_a_path_is_a_dataset_a_split_or_shards(dataset: Path, copy: Path, kind: str) -> None:
    (copy / "dataset_manifest.json").unlink()
    known: dict[str, dict[str, Any]] = {
        "folder": {"path": dataset},
        "text": {"path": str(dataset)},
        "split folder": {"path": dataset / "train"},
        "files": {"path": shards_in(dataset)},
        "split": {"path": dataset, "split": "train"},
        "lying": {"path": copy},
    }
    assert read_shards(columns=["sample_id"], **known[kind]).table().num_rows == 12_995


def test_one_shard_and_one_split(dataset: Path, copy: Path) -> None:
    first, second = shards_in(copy)
    assert len(read_shards(second)) == pq.read_metadata(second).num_rows
    (copy / "val").mkdir()
    first.rename(copy / "val" / first.name)
    manifest = copy / "dataset_manifest.json"
    record = json.loads(manifest.read_text())
    record["shards"][0]["file"] = f"val/{first.name}"
    manifest.write_text(json.dumps(record))
    assert read_shards(copy, split="val").files == (copy / "val" / first.name,)
    assert read_shards(copy, split="train").files == (second,)
    assert len(read_shards(copy)) == 12_995


@pytest.mark.parametrize("names", [None, "ancestor", "depthcharge", "matchms"])
def test_names_change_and_no_value_moves(dataset: Path, names: Any) -> None:
    ours = next(read_shards(dataset).batches())
    theirs = renamed(ours, names)
    expected = [RENAMED[names].get(n, n) if names else n for n in ours.schema.names]
    assert theirs.schema.names == expected
    assert read_shards(dataset, names=names).schema.names == expected
    assert read_shards(dataset, names=names).table().schema.names == expected
    assert theirs.schema.metadata == ours.schema.metadata
    for mine, renamed_one in zip(ours.columns, theirs.columns, strict=True):
        addresses = [
            [part and part.address for part in column.buffers()] for column in (mine, renamed_one)
        ]
        assert addresses[0] == addresses[1]


def test_a_renaming_is_of_our_columns_and_leaves_no_two_alike() -> None:
    ours = [column.name for column in COLUMNS]
    for renaming in RENAMED.values():
        assert set(renaming) <= set(ours)
        assert len({renaming.get(name, name) for name in ours}) == len(ours)


def test_columns_and_filters(dataset: Path) -> None:
    whole = plain(dataset)
    heavy = whole.filter(pc.field("precursor_mz") > 1_000)
    for given in ([("precursor_mz", ">", 1_000)], pc.field("precursor_mz") > 1_000):
        shards = read_shards(dataset, columns=["charge", "mzs"], filters=given, names="depthcharge")
        assert shards.table().equals(
            heavy.select(["charge", "mzs"]).rename_columns(["precursor_charge", "mz_array"])
        )
        assert len(shards) == len(heavy)


def test_row_groups_that_hold_nothing_wanted_are_not_read(dataset: Path) -> None:
    shards = read_shards(dataset, filters=[("source_row", ">=", 10_000)])
    (group,) = shards.row_groups()
    assert (group.path, group.rows) == (shards_in(dataset)[1], 3_000)
    assert shards.read(group)["source_row"].to_pylist() == list(range(10_000, 13_000))
    assert (
        sum(len(read_shards(dataset).read(g)) for g in read_shards(dataset).row_groups()) == 12_995
    )


def test_other_libraries_take_it_as_it_is(dataset: Path) -> None:
    shards = read_shards(dataset, columns=["sample_id", "charge", "source_file", "mzs"])
    expected = plain(dataset).select(shards.schema.names)
    assert pl.DataFrame(shards)["mzs"].to_list() == expected["mzs"].to_pylist()
    assert pl.DataFrame(shards)["source_file"].to_list() == expected["source_file"].to_pylist()
    counted = duckdb.connect().execute("select count(*), sum(len(mzs)) from shards").fetchall()
    assert counted == [(12_995, pc.sum(pc.list_value_length(expected["mzs"])).as_py())]
    assert pa.table(shards).num_rows == 12_995


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"names": "mine"}, "no names 'mine'"),
        ({"split": "dev"}, "no split 'dev'"),
        ({"columns": ["precursormz"]}, "Did you mean 'precursor_mz'"),
        ({"columns": ["mz_array"]}, "'mzs' is read as it"),
        ({"columns": ["smiles"]}, "No input of the build had it"),
        ({"columns": "mzs"}, "columns is a list of names"),
        ({"filters": [("nothing", ">", 1)]}, "The filter cannot be applied"),
        ({"filters": [("precursor_mz", ">", "x")]}, "The filter cannot be applied"),
        ({"filters": "precursor_mz > 1"}, "The filter cannot be applied"),
    ],
)
def test_what_is_not_there_is_refused(dataset: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        read_shards(dataset, **given)


def test_no_shards(dataset: Path, tmp_path: Path) -> None:
    nowhere: list[Any] = [tmp_path, tmp_path / "x", []]
    for nothing in nowhere:
        with pytest.raises(ResultsUnusable):
            read_shards(nothing)
    with pytest.raises(ResultsUnusable, match="split test"):
        read_shards(dataset, split="test")


def damaged(root: Path, how: str) -> Path:
    path = shards_in(root)[1]
    if how == "page":
        break_page(path)
        return path
    whole = bytearray(path.read_bytes())
    match how:
        case "footer":
            whole[-200] ^= 255
        case "cut":
            whole = whole[: len(whole) // 2]
        case "empty":
            whole = bytearray()
        case _:
            raise AssertionError(how)
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("how", ["page", "footer", "cut", "empty"])
@pytest.mark.parametrize("way", ["table", "batches", "read", "stream", "filter"])
def test_damage_names_the_file(copy: Path, how: str, way: str) -> None:
    path = damaged(copy, how)

    def read() -> None:
        shards = read_shards(copy)
        match way:
            case "table":
                shards.table()
            case "batches":
                list(shards.batches(100))
            case "read":
                for group in shards.row_groups():
                    shards.read(group)
            case "filter":
                list(read_shards(copy, filters=[("num_peaks", ">", 0)]).batches())
            case _:
                pa.table(shards)

    with pytest.raises((WorkhorseError, pa.ArrowException), match=re.escape(str(path))) as failure:
        read()
    if way != "stream":
        assert failure.type is IntegrityFailure
        assert "validate-shards" in str(failure.value)


def test_a_shard_that_is_missing(copy: Path) -> None:
    path = shards_in(copy)[0]
    path.unlink()
    with pytest.raises(IntegrityFailure, match=re.escape(f"{path} is missing")):
        read_shards(copy)


def test_a_manifest_that_is_no_manifest(copy: Path) -> None:
    (copy / "dataset_manifest.json").write_text('{"shards": 3}')
    with pytest.raises(IntegrityFailure, match="dataset_manifest"):
        read_shards(copy)


def with_schema(path: Path, change: Any) -> None:
    table = pq.read_table(path)
    pq.write_table(change(table), path)


def test_a_newer_schema_version(copy: Path) -> None:
    path = shards_in(copy)[0]
    newer = {b"schema_version": b"2"}
    with_schema(path, lambda x: x.replace_schema_metadata({**x.schema.metadata, **newer}))
    with pytest.raises(ResultsUnusable, match="schema version 2"):
        read_shards(copy)


def test_shards_of_other_columns(copy: Path) -> None:
    path = shards_in(copy)[1]
    with_schema(path, lambda x: x.drop_columns(["charge"]))
    with pytest.raises(UsageError, match=re.escape(f"{path} does not have it")):
        read_shards(copy).table()
    assert read_shards(copy, columns=["mzs"]).table().num_rows == 12_995
    shutil.rmtree(copy)


def test_a_shard_that_was_built_again_is_read_anew(copy: Path) -> None:
    first, second = shards_in(copy)
    before = len(read_shards(first))
    first.write_bytes(second.read_bytes())
    assert len(read_shards(first)) == pq.read_metadata(second).num_rows != before
