"""How fast sharding is: each stage by itself, and the whole, for each storage layout.

    python -m benchmarks.sharding                          1 M generated spectra, three layouts
    python -m benchmarks.sharding --rows 100000 --runs 5   smaller, more often
    python -m benchmarks.sharding --modes local production threads and processes

Generated files are kept (`--cache`) and used again. Stages run on one core, over the same row
groups that a build makes; the whole is `build_shards` with its journal and its checks. Figures
are medians; a ratio compares with the first layout's.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice, product
from pathlib import Path
from typing import get_args

from remote.workloads.hostfacts import cores
from remote.workloads.shards import build_shards
from remote.workloads.shards.blocks import cut
from remote.workloads.shards.clean import clean
from remote.workloads.shards.encode import Encoder
from remote.workloads.shards.plan import Task, plan
from remote.workloads.shards.request import Options
from remote.workloads.shards.sample import Layout, write_sample
from remote.workloads.shards.schema import Layout as Columns
from remote.workloads.shards.settings import Preprocessing
from remote.workloads.shards.source import Source, open_source

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "workhorse-benchmarks"
DEFAULT_LAYOUTS: tuple[Layout, ...] = ("column-chunks", "row-chunks", "contiguous")
RULES = Preprocessing()

Rates = tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Row:
    """One line of the table: spectra/s of each run, by the clock and by the processors' time.

    On a machine that others use, the processors' time says more.
    """

    layout: Layout
    stage: str
    rates: tuple[float, ...]
    cpu_rates: tuple[float, ...]

    @property
    def median(self) -> float:
        """The run in the middle."""
        return statistics.median(self.rates)


def generated(cache: Path, layout: Layout, rows: int, seed: int) -> Path:
    """The input of a benchmark, made unless it is there."""
    path = cache / f"{layout}_{rows}_{seed}.hdf5"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        began = time.perf_counter()
        partial_path = path.with_suffix(".partial")
        write_sample(partial_path, rows, seed, layout)
        partial_path.rename(path)
        print(f"generated {path} in {time.perf_counter() - began:.1f} s", flush=True)
    return path


def timed(work: Callable[[], int], runs: int) -> Rates:
    """Rates of each run; `work` returns how many spectra it did."""
    clock, processors = [], []
    for _ in range(runs):
        began, began_cpu = time.perf_counter(), sum(os.times()[:4])
        done = work()
        clock.append(done / (time.perf_counter() - began))
        processors.append(done / max(sum(os.times()[:4]) - began_cpu, 0.01))
    return tuple(clock), tuple(processors)


def stages(source: Source, tasks: Sequence[Task], runs: int) -> Iterable[tuple[str, Rates]]:
    """Rates of each stage by itself, on one core."""
    columns = Columns.of(source.columns, lsh=source.lsh or "int64", preprocessing={})
    encoder = Encoder(columns, (source.name,), (source.path.name,))

    def read() -> int:
        return sum(len(source.read(task.row_start, task.row_stop)) for task in tasks)

    yield "read, inflate", timed(read, runs)
    some = [source.read(task.row_start, task.row_stop) for task in islice(tasks, 2)]
    raws = [part for block in some for part in cut(block)]
    rows = sum(len(raw) for raw in raws)
    clean(raws[0], RULES)  # compiles

    def cleaned() -> int:
        return sum(clean(raw, RULES).stats["read"] for raw in raws)  # type: ignore[misc]

    yield "clean", timed(cleaned, runs)
    groups = [clean(raw, RULES) for raw in raws]
    yield (
        "encode",
        timed(lambda: sum(bool(encoder(group)) and len(group) for group in groups), runs),
    )
    data = b"".join(bytes(encoder(group).data) for group in groups)

    def write() -> int:
        with tempfile.TemporaryFile() as sink:
            for start in range(0, len(data), 1 << 21):
                sink.write(data[start : start + (1 << 21)])
            hashlib.sha256(data).digest()
        return rows

    yield "write, hash", timed(write, runs)


WAYS: Mapping[str, Options] = {
    "local": {},
    "production": {"mode": "production"},
    "dask-local": {"use_dask": True},
    "dask-production": {"mode": "production", "use_dask": True},
}


def whole(path: Path, rows: int, workers: int, way: str) -> int:
    """A build from start to end."""
    with tempfile.TemporaryDirectory(prefix="workhorse-benchmark-") as root:
        options: Options = {"num_workers": workers, "min_memory_gb": 0, "min_disk_gb": 0}
        build_shards(input_hdf5=path, output_root=root, **(options | WAYS[way]))
    return rows


def measured(
    layout: Layout, path: Path, runs: int, workers: Sequence[int], ways: Sequence[str]
) -> list[Row]:
    """All lines of one layout."""
    with open_source(path) as source:
        found = [Row(layout, name, *rates) for name, rates in stages(source, plan([source]), runs)]
        for way, count in product(ways, workers):
            rates = timed(partial(whole, path, source.rows, count, way), runs)
            found.append(Row(layout, f"{way}, {count} workers", *rates))
    return found


def table(rows: Sequence[Row]) -> str:
    """One table; ratios are to the first layout's same stage."""
    first = {row.stage: row.median for row in rows if row.layout == rows[0].layout}
    titles = ("spectra/s", "slowest", "fastest", "per CPU s", "ratio")
    lines = [f"{'layout':<15}{'stage':<28}" + "".join(f"{title:>12}" for title in titles)]
    for row in rows:
        figures = (row.median, min(row.rates), max(row.rates), statistics.median(row.cpu_rates))
        ratio = row.median / first[row.stage]
        lines.append(
            f"{row.layout:<15}{row.stage:<28}"
            + "".join(f"{figure:>12,.0f}" for figure in figures)
            + f"{ratio:>12.2f}"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--workers", type=int, nargs="+", default=sorted({1, cores()}))
    parser.add_argument(
        "--layouts", nargs="+", choices=get_args(Layout), default=list(DEFAULT_LAYOUTS)
    )
    parser.add_argument("--modes", nargs="+", choices=WAYS, default=["local"])
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    options = parser.parse_args()
    rows: list[Row] = []
    for layout in options.layouts:
        path = generated(options.cache, layout, options.rows, options.seed)
        rows += measured(layout, path, options.runs, options.workers, options.modes)
    print(f"{options.rows:,} spectra, median of {options.runs} runs, {cores()} cores")
    print(table(rows))


if __name__ == "__main__":
    main()
