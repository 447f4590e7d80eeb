"""The ways in which a dataset of two shards is harmed, and what must be said of each.

The first shard has three row groups, of 5,000, 4,993 and 1,200 spectra.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.footer import Footer, columns_of, footer_of
from remote.workloads.shards.manifest import (
    DATASET_MANIFEST,
    QUALITY_REPORT,
    manifest_path,
    read_manifest,
)
from remote.workloads.shards.thrift import encode_struct
from remote.workloads.shards.validation.stored import Stored
from tests.unit.shards.harmed_dataset import (
    Change,
    agree,
    edit,
    flip,
    put,
    rewrite,
    seal,
    shards,
    with_metadata,
)

Harm = Callable[[Path], object]


@dataclass(frozen=True)
class Case:
    """`text` must be in a problem of the file at that place."""

    name: str
    harm: Harm
    text: str
    file: str = "shard0"
    row_group: int | None = None
    row: int | None = None
    column: str = ""
    full: bool = False


def first(change: Change, group: int = 1, **options: Any) -> Harm:
    return lambda root: rewrite(shards(root)[0], group, change, **options)


def page(column: str, group: int) -> Harm:
    """A bit in the last page of a column chunk."""

    def harm(root: Path) -> None:
        stored = Stored.opened(shards(root)[0])
        chunk = next(x for x in stored.chunks[group] if x.column.startswith(column))
        flip(stored.path, chunk.stop - 3, 4)

    return harm


def header(root: Path) -> None:
    """In the size of a page as it is unpacked, of which no checksum knows."""
    stored = Stored.opened(shards(root)[0])
    flip(stored.path, stored.chunks[0][0].start + 3, 0)


def swap(root: Path) -> None:
    one, other = shards(root)[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def dataset(change: Callable[[dict[str, Any]], object]) -> Harm:
    return lambda root: edit(root / DATASET_MANIFEST, change)


def manifest(change: Callable[[dict[str, Any]], object], shard: int = 0) -> Harm:
    return lambda root: edit(manifest_path(shards(root)[shard]), change)


def agreed(change: Callable[[dict[str, Any]], object], shard: int = 0) -> Harm:
    """A shard's manifest, and the dataset's made to agree."""

    def harm(root: Path) -> None:
        manifest(change, shard)(root)
        agree(root)

    return harm


def longer(root: Path) -> None:
    shards(root)[0].write_bytes(shards(root)[0].read_bytes() + b"\0")


def unlisted(root: Path) -> None:
    edit(root / DATASET_MANIFEST, lambda x: x["shards"].pop())


def doubled(root: Path) -> None:
    """A row of the first shard in the second one, as its own."""
    table = pq.read_table(shards(root)[0]).slice(3, 1)

    def change(rows: pa.Table) -> pa.Table:
        return pa.concat_tables([rows.slice(0, 4_999), table.cast(rows.schema)])

    rewrite(shards(root)[1], 0, change)


def twice(root: Path) -> None:
    """The second shard holds all of the first."""
    one, other = shards(root)
    other.write_bytes(one.read_bytes())

    def told(record: dict[str, Any]) -> None:
        parts = read_manifest(manifest_path(one))
        record.update({k: parts[k] for k in ("row_groups", "source_ranges", "num_samples")})

    edit(manifest_path(other), told)
    seal(other)


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


def turned(row: int) -> Change:
    """The peaks of a row in falling order."""

    def change(table: pa.Table) -> pa.Table:
        return put("mzs", row, lambda mzs: mzs[::-1])(table)

    return change


LONG = 7  # a row of the second row group of the first shard that has peaks enough, see `long_row`
NAN = math.nan

CASES = [
    Case(
        "bit in a page",
        page("precursor_mz", 1),
        "page 0 is damaged",
        row_group=1,
        column="precursor_mz",
    ),
    Case("bit in a page of peaks", page("mzs", 2), "is damaged", row_group=2, column="mzs"),
    Case("bit in a page's header", header, "its SHA-256 is not the recorded one"),
    Case("bit in the footer", lambda r: flip(shards(r)[0], -400), "SHA-256"),
    Case("bit in the footer's length", lambda r: flip(shards(r)[0], -7, 2), "cannot be read"),
    Case("bit in the magic", lambda r: flip(shards(r)[0], -1), "cannot be read"),
    Case(
        "cut short",
        lambda r: shards(r)[0].write_bytes(shards(r)[0].read_bytes()[:-3]),
        "bytes, not",
    ),
    Case("longer", longer, "bytes, not"),
    Case("empty", lambda r: shards(r)[0].write_bytes(b""), "cannot be read"),
    Case("no Parquet", lambda r: shards(r)[0].write_text("{}" * 99), "cannot be read"),
    Case("missing", lambda r: shards(r)[0].unlink(), "is missing"),
    Case("swapped", swap, "SHA-256"),
    Case(
        "extra",
        lambda r: shutil.copy(shards(r)[0], r / "train" / "shard_x_00000.parquet"),
        "not in",
        "train/shard_x_00000.parquet",
    ),
    Case("unlisted", unlisted, "not in", "shard1"),
    Case(
        "dataset manifest is no JSON",
        lambda r: (r / DATASET_MANIFEST).write_text("{"),
        "is no JSON",
        "dataset",
    ),
    Case(
        "dataset manifest is a list",
        lambda r: (r / DATASET_MANIFEST).write_text("[]"),
        "is no JSON object",
        "dataset",
    ),
    Case(
        "dataset manifest is cut",
        lambda r: (r / DATASET_MANIFEST).write_bytes(b"\xff\xfe"),
        "is no JSON",
        "dataset",
    ),
    Case(
        "dataset manifest lacks a key",
        dataset(lambda x: x.pop("counts")),
        "counts is missing",
        "dataset",
    ),
    Case(
        "dataset manifest has text for a number",
        dataset(lambda x: x.update(num_samples="1")),
        'num_samples is "1", not a whole number',
        "dataset",
    ),
    Case(
        "a shard elsewhere",
        dataset(lambda x: x["shards"][0].update(file="../a.parquet")),
        "no shard of this dataset",
        "dataset",
    ),
    Case(
        "num_samples",
        dataset(lambda x: x.update(num_samples=1)),
        "num_samples is 1, not",
        "dataset",
    ),
    Case(
        "dataset_hash",
        dataset(lambda x: x.update(dataset_hash="sha256:0")),
        "dataset_hash is",
        "dataset",
    ),
    Case(
        "splits",
        dataset(lambda x: x["splits"]["train"].update(num_shards=7)),
        "splits is not",
        "dataset",
    ),
    Case(
        "counts", dataset(lambda x: x["counts"].update(read=7)), "counts do not add up", "dataset"
    ),
    Case(
        "counts by reason",
        dataset(lambda x: x["counts"].update(dropped={})),
        "counts.dropped",
        "dataset",
    ),
    Case(
        "hashes of inputs",
        dataset(lambda x: x["inputs"][0].update(sha256="0")),
        "hdf5_hashes and inputs",
        "dataset",
    ),
    Case(
        "marked as damaged",
        dataset(lambda x: x.update(status="damaged")),
        "do not agree",
        "dataset",
    ),
    Case("report missing", lambda r: (r / QUALITY_REPORT).unlink(), "is missing", "report"),
    Case(
        "report of another dataset",
        lambda r: edit(r / QUALITY_REPORT, lambda x: x["dataset"].update(num_shards=7)),
        "dataset.num_shards is 7",
        "report",
    ),
    Case(
        "rules of the manifest",
        dataset(lambda x: x["preprocessing"].update(min_peaks=3)),
        "its metadata has preprocessing",
    ),
    Case("list of columns", dataset(lambda x: x["schema"]["columns"].pop()), "has the columns"),
    Case(
        "manifest missing",
        lambda r: manifest_path(shards(r)[0]).unlink(),
        "is missing",
        "manifest0",
    ),
    Case(
        "manifest is no JSON",
        lambda r: manifest_path(shards(r)[0]).write_text("x"),
        "is no JSON",
        "manifest0",
    ),
    Case(
        "manifest of another shard",
        lambda r: shutil.copy(manifest_path(shards(r)[1]), manifest_path(shards(r)[0])),
        "is of train/",
        "manifest0",
    ),
    Case(
        "manifest's checksum",
        manifest(lambda x: x.update(checksum="sha256:0")),
        "checksum is sha256:0",
        "manifest0",
    ),
    Case("manifest's dropped", manifest(lambda x: x.update(dropped={})), "dropped is", "manifest0"),
    Case(
        "manifest's row groups",
        manifest(lambda x: x["row_groups"][1].update(offset=9)),
        "other row groups than its manifest says, from row group 1 on",
    ),
    Case(
        "manifest's precursors",
        manifest(lambda x: x.update(min_precursor_mz=1.0)),
        "its manifest says 1.0",
    ),
    Case(
        "manifest's ids",
        manifest(lambda x: x.update(sample_ids_sha256="0")),
        "other sample ids",
        full=True,
    ),
    Case(
        "manifest's first id",
        manifest(lambda x: x.update(first_sample_id="a:9")),
        "its manifest says a:9",
        full=True,
    ),
    Case(
        "row group of other rows",
        manifest(lambda x: x["row_groups"][1].update(row_start=5_000)),
        "its manifest says rows 5000",
        row_group=1,
        full=True,
    ),
    Case(
        "rows that nobody has",
        agreed(lambda x: x["source_ranges"][0].update(row_start=10)),
        "no shard accounts for rows 0 to 9 of a.hdf5",
        "dataset",
    ),
    Case(
        "rows that two have",
        agreed(
            lambda x: x["source_ranges"].append({"input": "a.hdf5", "row_start": 0, "row_stop": 9}),
            1,
        ),
        "rows 0 to 8 of a.hdf5",
        "manifest1",
    ),
    Case(
        "rows beyond the input",
        agreed(lambda x: x["source_ranges"][-1].update(row_stop=9_000), 1),
        "that input has 5300 rows",
        "manifest1",
    ),
    Case(
        "rows of no input",
        agreed(lambda x: x["source_ranges"][-1].update(input="c.hdf5"), 1),
        "none of the inputs",
        "manifest1",
    ),
    Case(
        "without page checksums",
        first(lambda t: t, write_page_checksum=False),
        "has no checksum",
        row_group=0,
        column="sample_id",
    ),
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
        "unsorted",
        first(turned(LONG)),
        "comes after",
        row_group=1,
        row=5_000 + LONG,
        column="mzs",
        full=True,
    ),
    Case(
        "m/z not a number",
        first(put("mzs", LONG, lambda x: [NAN, *x[1:]])),
        "m/z nan",
        row_group=1,
        row=5_000 + LONG,
        column="mzs",
        full=True,
    ),
    Case(
        "m/z infinite",
        first(put("mzs", LONG, lambda x: [*x[:-1], math.inf])),
        "m/z inf",
        row_group=1,
        row=5_000 + LONG,
        column="mzs",
        full=True,
    ),
    Case(
        "m/z zero",
        first(put("mzs", 0, lambda x: [0.0, *x[1:]]), 0),
        "m/z 0.0",
        row_group=0,
        row=0,
        column="mzs",
        full=True,
    ),
    Case(
        "negative intensity",
        first(put("ints", LONG, lambda x: [-0.5, *x[1:]])),
        "intensity -0.5",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "intensity zero",
        first(put("ints", LONG, lambda x: [0.0, *x[1:]])),
        "intensity 0.0",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "intensity not a number",
        first(put("ints", LONG, lambda x: [NAN, *x[1:]])),
        "intensity nan",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "base peak low",
        first(put("ints", LONG, lambda x: [v / 2 for v in x])),
        "the base peak is 0.5, not 1",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "base peak high",
        first(put("ints", LONG, lambda x: [*x[:-1], 1.5])),
        "the base peak is 1.5, not 1",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "num_peaks",
        first(put("num_peaks", LONG, 99)),
        "is 99, and mzs has",
        row_group=1,
        row=5_000 + LONG,
        column="num_peaks",
        full=True,
    ),
    Case(
        "fewer intensities",
        first(put("ints", LONG, [1.0])),
        "1 intensities beside",
        row_group=1,
        row=5_000 + LONG,
        column="ints",
        full=True,
    ),
    Case(
        "no peaks",
        first(put("mzs", LONG, [])),
        "has 0 peaks, min_peaks is 1",
        row_group=1,
        row=5_000 + LONG,
        column="mzs",
        full=True,
    ),
    Case(
        "precursor above the limit",
        first(put("precursor_mz", LONG, 2000.5)),
        "2000.5 is above max_precursor_mz 2000.0",
        row_group=1,
        row=5_000 + LONG,
        column="precursor_mz",
        full=True,
    ),
    Case(
        "precursor not a number",
        first(put("precursor_mz", LONG, NAN)),
        "nan is not finite",
        row_group=1,
        row=5_000 + LONG,
        column="precursor_mz",
        full=True,
    ),
    Case(
        "precursor negative",
        first(put("precursor_mz", LONG, -1.0)),
        "-1.0 is not finite and above 0",
        row_group=1,
        row=5_000 + LONG,
        column="precursor_mz",
        full=True,
    ),
    Case(
        "total zero",
        first(put("tic", LONG, 0.0)),
        "0.0 is not finite and above 0",
        row_group=1,
        row=5_000 + LONG,
        column="tic",
        full=True,
    ),
    Case(
        "total below the base peak",
        first(put("tic", LONG, 1e-3)),
        "less than base_peak_intensity",
        row_group=1,
        row=5_000 + LONG,
        column="tic",
        full=True,
    ),
    Case(
        "base peak infinite",
        first(put("base_peak_intensity", LONG, math.inf)),
        "inf is not finite",
        row_group=1,
        row=5_000 + LONG,
        column="base_peak_intensity",
        full=True,
    ),
    Case(
        "NaN for null",
        first(put("rt", LONG, NAN)),
        "is NaN, not null",
        row_group=1,
        row=5_000 + LONG,
        column="rt",
        full=True,
    ),
    Case(
        "id of another row",
        first(put("sample_id", LONG, "a:3")),
        "a:3 should be a:",
        row_group=1,
        row=5_000 + LONG,
        column="sample_id",
        full=True,
    ),
    Case(
        "row of another block",
        first(put("source_row", LONG, 3)),
        "row 3 comes after",
        row_group=1,
        row=5_000 + LONG,
        column="source_row",
        full=True,
    ),
    Case(
        "input that is none",
        first(put("input_file", LONG, "z.hdf5")),
        "z.hdf5 is none of",
        row_group=1,
        row=5_000 + LONG,
        column="input_file",
        full=True,
    ),
    Case(
        "id in two shards",
        doubled,
        "holds rows of more than one block",
        "shard1",
        row_group=0,
        column="source_row",
        full=True,
    ),
    Case(
        "rows in two shards",
        twice,
        "is in train/shard_20250423_143022_00000.parquet as well",
        "shard1",
        row_group=0,
        column="sample_id",
        full=True,
    ),
    Case(
        "statistics",
        other_statistics,
        "the footer says -9 to",
        row_group=0,
        column="charge",
        full=True,
    ),
]
