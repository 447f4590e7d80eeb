"""How fast shards are read, and into what: `python -m benchmarks.reading --help`.

Everything takes turns, round after round; figures are medians. The dataset is built once from
generated spectra and kept; the page cache holds it. Tables go to stdout.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds

from benchmarks.sharding.document import conditions, insert
from benchmarks.sharding.inputs import Inputs
from benchmarks.sharding.table import markdown
from benchmarks.sharding.timing import Case, Measured, Result, in_turns, timed
from remote.workloads.shards import build_shards, numpy_batches, read_shards, to_dreams
from remote.workloads.shards.reading.ready import ready

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "workhorse-benchmarks"
FEW = ["precursor_mz", "charge"]
PEAKS = ["mzs", "ints", *FEW]
TENTH = 10

Read = Callable[[], int]


def counted(batches: Iterable[pa.RecordBatch]) -> int:
    """Rows of all of them."""
    return sum(batch.num_rows for batch in batches)


def asked(query: str) -> int:
    """Rows of what DuckDB streams as batches."""
    stream: Any = duckdb.connect().execute(query).to_arrow_reader(50_000)
    return counted(stream)


def columns_of(root: Path, columns: list[str] | None) -> dict[str, Read]:
    """All rows, by each library. DuckDB is asked for a stream of batches, polars for a frame."""
    files = [str(path) for path in read_shards(root).files]
    names = ", ".join(columns or ["*"])
    query = f"select {names} from read_parquet({files})"
    return {
        "read_shards, pages verified": lambda: counted(
            read_shards(root, columns=columns).batches()
        ),
        "pyarrow.dataset": lambda: counted(ds.dataset(files).to_batches(columns=columns)),
        "polars.scan_parquet": lambda: len(
            pl.scan_parquet(files).select(columns or pl.all()).collect()
        ),
        "DuckDB": lambda: asked(query),
    }


def last_rows(root: Path, first: int) -> dict[str, Read]:
    """The rows from `first`, all columns: statistics tell which row groups hold none."""
    files = [str(path) for path in read_shards(root).files]
    query = f"select * from read_parquet({files}) where source_row >= {first}"
    return {
        "read_shards, pages verified": lambda: counted(
            read_shards(root, filters=[("source_row", ">=", first)]).batches()
        ),
        "pyarrow.dataset": lambda: counted(
            ds.dataset(files).to_batches(filter=ds.field("source_row") >= first)
        ),
        "polars.scan_parquet": lambda: len(
            pl.scan_parquet(files).filter(pl.col("source_row") >= first).collect()
        ),
        "DuckDB": lambda: asked(query),
    }


def batches_of(root: Path) -> dict[str, Read]:
    """For training, in one process, of 256 spectra; and what else goes through all of it."""

    def through(**given: Any) -> Read:
        return lambda: sum(len(batch["charge"]) for batch in numpy_batches(root, **given))

    def dreams() -> int:
        with tempfile.TemporaryDirectory(dir=root.parent) as folder:
            return to_dreams(Path(folder) / "all.hdf5", root).spectra

    return {
        "padded": through(),
        "padded to 64 peaks, shuffled": through(width=64, shuffle=True),
        "ragged, shuffled": through(layout="ragged", shuffle=True),
        "msms ready": lambda: ready(root).spectra,
        "to_dreams": dreams,
    }


def cases(root: Path, rows: int) -> list[Case]:
    """All of them, in the order of the table."""
    groups: Mapping[str, dict[str, Read]] = {
        "all columns": columns_of(root, None),
        "peaks, precursor, charge": columns_of(root, PEAKS),
        "precursor, charge": columns_of(root, FEW),
        f"the last 1/{TENTH} of the rows, all columns": last_rows(root, rows - rows // TENTH),
        "batches": batches_of(root),
    }
    return [
        Case(group, name, measured(read))
        for group, reads in groups.items()
        for name, read in reads.items()
    ]


def measured(read: Read) -> Callable[[], Measured]:
    """Something to time."""
    return lambda: timed(lambda: (read(), 0))


def dataset(cache: Path, rows: int, seed: int) -> Path:
    """The shards, built at the first call."""
    root = cache / f"shards_{rows}_{seed}"
    if not (root / "dataset_manifest.json").exists():
        source = Inputs(cache, seed).file("column-chunks", rows)
        build_shards(input_hdf5=source, output_root=root, min_memory_gb=0, min_disk_gb=0)
    return root


def table(results: Iterable[Result]) -> str:
    """One row for each way."""
    lines = [
        [
            result.group,
            result.name,
            f"{result.rounds[0].rows:,}",
            f"{result.rate / 1000:,.0f}",
            f"{result.cpu_rate / 1000:,.0f}",
        ]
        for result in results
    ]
    titles = ["what is read", "by", "spectra", "spectra/s (thousands)", "per CPU second"]
    return markdown(titles, lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.reading",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=500_000, help="spectra of the dataset")
    parser.add_argument("--runs", type=int, default=3, help="rounds")
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--markdown", type=Path, help="a document with a marked place for it")
    options = parser.parse_args()
    began = conditions()
    root = dataset(options.cache, options.rows, options.seed)
    print(f"{options.rows:,} spectra in {root}", file=sys.stderr)
    results = in_turns(cases(root, options.rows), options.runs)
    heading = f"{options.rows:,} spectra, medians of {len(results[0].rounds)}."
    content = f"{began}\n\n{heading}\n\n{table(results)}"
    print(content)
    if options.markdown:
        insert(options.markdown, {"reading": content})


if __name__ == "__main__":
    main()
