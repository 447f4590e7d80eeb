"""Values that break a rule, and rows that are not where they belong; all digests are right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.output.manifest import manifest_path, read_manifest
from tests.unit.shards.harmed_dataset import Change, edit, put, rewrite, seal, shards
from tests.unit.shards.harms.case import LONG, Case, first, value

NAN = math.nan


def turned(row: int) -> Change:
    """The peaks of a row in falling order."""

    def change(table: pa.Table) -> pa.Table:
        return put("mzs", row, lambda mzs: mzs[::-1])(table)

    return change


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


VALUES = [
    Case(
        "unsorted",
        first(turned(LONG)),
        "comes after",
        row_group=1,
        row=5_000 + LONG,
        column="mzs",
        full=True,
    ),
    value("m/z not a number", "mzs", lambda x: [NAN, *x[1:]], "m/z nan"),
    value("m/z infinite", "mzs", lambda x: [*x[:-1], math.inf], "m/z inf"),
    Case(
        "m/z zero",
        first(put("mzs", 0, lambda x: [0.0, *x[1:]]), 0),
        "m/z 0.0",
        row_group=0,
        row=0,
        column="mzs",
        full=True,
    ),
    value("negative intensity", "ints", lambda x: [-0.5, *x[1:]], "intensity -0.5"),
    value("intensity zero", "ints", lambda x: [0.0, *x[1:]], "intensity 0.0"),
    value("intensity not a number", "ints", lambda x: [NAN, *x[1:]], "intensity nan"),
    value("base peak low", "ints", lambda x: [v / 2 for v in x], "the base peak is 0.5, not 1"),
    value("base peak high", "ints", lambda x: [*x[:-1], 1.5], "the base peak is 1.5, not 1"),
    value("num_peaks", "num_peaks", 99, "is 99, and mzs has"),
    value("fewer intensities", "ints", [1.0], "1 intensities beside"),
    value("no peaks", "mzs", [], "has 0 peaks, min_peaks is 1"),
    value(
        "precursor above the limit",
        "precursor_mz",
        2000.5,
        "2000.5 is above max_precursor_mz 2000.0",
    ),
    value("precursor not a number", "precursor_mz", NAN, "nan is not finite"),
    value("precursor negative", "precursor_mz", -1.0, "-1.0 is not finite and above 0"),
    value("total zero", "tic", 0.0, "0.0 is not finite and above 0"),
    value("total below the base peak", "tic", 1e-3, "less than base_peak_intensity"),
    value("base peak infinite", "base_peak_intensity", math.inf, "inf is not finite"),
    value("NaN for null", "rt", NAN, "is NaN, not null"),
    value("id of another row", "sample_id", "a:3", "a:3 should be a:"),
    value("row of another block", "source_row", 3, "row 3 comes after"),
    value("input that is none", "input_file", "z.hdf5", "z.hdf5 is none of"),
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
]
