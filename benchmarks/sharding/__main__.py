"""How fast sharding is: the stages, the floor and the whole for each storage layout; and others.

  python -m benchmarks.sharding                                all but the long run, 30 minutes
  python -m benchmarks.sharding --only stages whole --layouts column-chunks --rows 200000 --runs 3
  python -m benchmarks.sharding --only long --long-rows 20000000    memory over time
  python -m benchmarks.sharding --markdown docs/performance.md      and put the tables there

Parts (--only):
  stages    each stage by itself, on one core, and its share of their sum
  floor     inflating, hashing and writing, nothing else
  whole     builds: threads (local) and processes (production)
  ways      threads, processes and Dask, on a larger file (--ways-rows)
  start-up  a new process that shards one spectrum
  others    other libraries and the plain way, in an environment made at first use
  memory    anonymous memory of all processes of a build
  long      the same over a long build (it needs 1 kB of disk a spectrum while it runs)

Everything that is compared takes turns, round after round; figures are medians over the rounds.
Ctrl-C after the first round ends the timing with what there is.
Generated files are kept (--cache), but for that of the long run. Tables go to stdout.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from benchmarks.sharding import table
from benchmarks.sharding.cases import OTHER_GROUP, PARTS, START_UP, WAYS_GROUP, Bench
from benchmarks.sharding.document import conditions, insert
from benchmarks.sharding.inputs import LAYOUTS, Inputs
from benchmarks.sharding.memory import Taken, build
from benchmarks.sharding.timing import Result, in_turns, of_group
from remote.workloads.hostfacts import cores
from remote.workloads.shards.settings import Mode

DEFAULT_CACHE = Path(tempfile.gettempdir()) / "workhorse-benchmarks"


def main() -> None:
    """Measure and print."""
    options = parsed()
    options.cache.mkdir(parents=True, exist_ok=True)
    began = conditions()
    with tempfile.TemporaryDirectory(prefix="scratch-", dir=options.cache) as scratch:
        bench = Bench(
            Inputs(options.cache, options.seed),
            Path(scratch),
            options.rows,
            options.others_rows,
            options.ways_rows,
            sorted(options.workers),
            frozenset(options.only),
        )
        sections = {**times(bench, options), **sizes(bench, options)}
    for name, content in sections.items():
        sections[name] = f"{began}\n\n{content}"
        print(f"\n## {name}\n\n{sections[name]}")
    if options.markdown:
        insert(options.markdown, sections)


def times(bench: Bench, options: argparse.Namespace) -> dict[str, str]:
    """What is timed, by section."""
    with ExitStack() as stack:
        cases = []
        if bench.parts & {"stages", "floor", "whole"}:
            cases += [x for layout in options.layouts for x in bench.layout(layout, stack)]
        if "ways" in bench.parts:
            cases += bench.ways()
        if "start-up" in bench.parts:
            cases += bench.start_up()
        if "others" in bench.parts:
            cases += bench.others()
        results = in_turns(cases, options.runs)
    found = {}
    median = f"medians of {len(results[0].rounds)}" if results else ""
    if any(x.group in options.layouts for x in results):
        found["layouts"] = (
            f"{bench.rows:,} spectra, {median}.\n\n{table.layouts(bench, options.layouts, results)}"
        )
    if "ways" in bench.parts:
        heading = f"{bench.ways_rows:,} spectra of column chunks, {median}."
        found[WAYS_GROUP] = f"{heading}\n\n{table.ways(bench, results)}"
    if "others" in bench.parts:
        heading = f"{bench.other_rows:,} spectra of column chunks, {median}."
        found[OTHER_GROUP] = f"{heading}\n\n{table.others(bench, results)}"
    if "start-up" in bench.parts:
        found[START_UP] = start_up_line(of_group(results, START_UP)[START_UP])
    return found


def start_up_line(result: Result) -> str:
    """One sentence."""
    seconds = [x.seconds for x in result.rounds]
    return (
        "`msms build-shards` on one spectrum, start to end of a new process: "
        f"{statistics.median(seconds):.2f} s ({min(seconds):.2f} to {max(seconds):.2f}), "
        f"{statistics.median(x.cpu for x in result.rounds):.2f} s of processors."
    )


def sizes(bench: Bench, options: argparse.Namespace) -> dict[str, str]:
    """What is looked at for its memory, by section."""
    found: dict[str, str] = {}
    if "memory" in bench.parts:
        path = bench.inputs.file("column-chunks", bench.rows)
        builds: tuple[tuple[Mode, int], ...] = (("local", 4), ("production", 2))
        found["memory"] = table.memory(look(bench, *x, path, bench.rows) for x in builds)
    if "long" in bench.parts:
        path = bench.inputs.repeated(options.long_rows)
        try:
            found["long"] = table.series(look(bench, "local", 4, path, options.long_rows))
        finally:
            path.unlink()
    return found


def look(bench: Bench, mode: Mode, workers: int, path: Path, rows: int) -> Taken:
    """Memory of one build."""
    print(f"memory: {mode}, {workers} workers, {rows:,} spectra", file=sys.stderr)
    return build(path, rows, bench.scratch, mode, workers)


def parsed() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sharding",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    usual = [part for part in PARTS if part != "long"]
    parser.add_argument("--only", nargs="+", choices=PARTS, default=usual, metavar="PART")
    parser.add_argument(
        "--layouts",
        nargs="+",
        choices=LAYOUTS,
        default=list(LAYOUTS),
        metavar="LAYOUT",
        help=f"of {', '.join(LAYOUTS)}",
    )
    parser.add_argument("--rows", type=int, default=1_000_000, help="spectra of the tables")
    parser.add_argument("--others-rows", type=int, default=78_604, help="spectra for the others")
    parser.add_argument("--ways-rows", type=int, default=3_000_000, help="spectra for the ways")
    parser.add_argument("--long-rows", type=int, default=20_000_000, help="of the long run")
    parser.add_argument("--runs", type=int, default=5, help="rounds")
    parser.add_argument("--workers", type=int, nargs="+", default=sorted({1, cores()}))
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--markdown", type=Path, help="a document with marked places for tables")
    return parser.parse_args()


if __name__ == "__main__":
    main()
