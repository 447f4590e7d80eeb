"""Columns and footers that are not those of the schema version."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.output.footer import Footer, columns_of, footer_of
from remote.workloads.shards.output.thrift import encode_struct
from remote.workloads.shards.validation.stored import Stored
from tests.unit.shards.harmed_dataset import rewrite, seal, shards, with_metadata
from tests.unit.shards.harms.case import Case, Harm


def widened(root: Path) -> None:
    schema = pq.read_schema(shards(root)[0])
    place = schema.get_field_index("num_peaks")
    wide = schema.set(place, schema.field("num_peaks").with_type(pa.int64()))
    rewrite(shards(root)[0], 0, lambda table: table, schema=wide)


def field_changed(change: Callable[[pa.Field], pa.Field], name: str) -> Harm:
    def harm(root: Path) -> None:
        schema = pq.read_schema(shards(root)[0])
        place = schema.get_field_index(name)
        rewrite(
            shards(root)[0],
            0,
            lambda table: table,
            schema=schema.set(place, change(schema.field(name))),
        )

    return harm


def metadata(**changes: str) -> Harm:
    def harm(root: Path) -> None:
        schema = with_metadata(pq.read_schema(shards(root)[0]), **changes)
        rewrite(shards(root)[0], 0, lambda table: table, schema=schema)

    return harm


def without(root: Path) -> None:
    schema = pq.read_schema(shards(root)[0])
    schema = schema.remove(schema.get_field_index("tic"))
    with pq.ParquetFile(shards(root)[0]) as file:
        tables = [file.read_row_group(place) for place in range(file.num_row_groups)]
    with pq.ParquetWriter(shards(root)[0], schema, write_page_checksum=True) as writer:
        for table in tables:
            writer.write_table(table.drop(["tic"]))
    seal(shards(root)[0])


def other_statistics(root: Path) -> None:
    """The least charge in the footer of the first row group, with the digests made right."""
    shard = shards(root)[0]
    footer, groups = Footer.taken_apart(footer_of(shard.read_bytes()))
    names = list(Stored.opened(shard).schema.names)
    statistics = columns_of(groups[0])[names.index("charge")].struct(3).struct(12)
    for place in (2, 6):
        statistics.replace(place, (-9).to_bytes(4, "little", signed=True))
    size = Stored.opened(shard).spans[-1][1]
    rows = sum(Stored.opened(shard).rows)
    tail = footer.assemble(rows, [encode_struct(group) for group in groups])
    shard.write_bytes(shard.read_bytes()[:size] + tail)
    seal(shard)


COLUMNS = [
    Case("wider numbers", widened, "holds int64, not int32", column="num_peaks"),
    Case("a column less", without, "is missing", column="tic"),
    Case(
        "another unit",
        field_changed(lambda f: f.with_metadata({"unit": "Da"}), "precursor_mz"),
        "its metadata is",
        column="precursor_mz",
    ),
    Case(
        "nullable",
        field_changed(lambda f: f.with_nullable(True), "precursor_mz"),
        "may be null",
        column="precursor_mz",
    ),
    Case(
        "other rules in the file",
        metadata(intensity_scale="source units"),
        "its metadata has intensity_scale",
    ),
    Case("version of the file", metadata(schema_version="0"), "has schema version '0'"),
    Case(
        "statistics",
        other_statistics,
        "the footer says -9 to",
        row_group=0,
        column="charge",
        full=True,
    ),
]
