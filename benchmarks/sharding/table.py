"""Markdown of what was measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from benchmarks.sharding.cases import OTHER_GROUP, WAYS_GROUP, Bench, floor_name
from benchmarks.sharding.cases import ways as all_ways
from benchmarks.sharding.inputs import SAID, Layout
from benchmarks.sharding.memory import Taken
from benchmarks.sharding.others.cases import OTHERS
from benchmarks.sharding.stages import STAGES
from benchmarks.sharding.timing import Result, of_group
from remote.workloads.hostfacts import cores

SUM = "sum of the stages, one core"
_SERIES = 20


def layouts(bench: Bench, chosen: Sequence[Layout], results: Iterable[Result]) -> str:
    """One row for each figure, one column for each layout."""
    columns = [_column(bench, of_group(results, layout)) for layout in chosen]
    rows = [[name, *(column[name] for column in columns)] for name in columns[0]]
    return markdown(["spectra/s (thousands)", *(SAID[layout] for layout in chosen)], rows)


def _column(bench: Bench, results: Mapping[str, Result]) -> dict[str, str]:
    """The figures of one layout, by row."""
    found: dict[str, str] = {}
    stages = [results[name] for name in STAGES if name in results]
    turns = zip(*(stage.rounds for stage in stages), strict=True)
    sums = [1 / sum(1 / x.rate for x in turn) for turn in turns]
    for stage in stages:
        shares = [total / x.rate for total, x in zip(sums, stage.rounds, strict=True)]
        found[stage.name] = f"{_k(stage.rate)} ({statistics.median(shares):.0%})"
    if stages:
        found[SUM] = _k(statistics.median(sums))
        found["what the stages allow, all cores"] = _k(statistics.median(sums) * cores())
    for name, _, workers in bench.builds():
        if name not in results:
            continue
        whole = results[name]
        rates = [x.rate for x in whole.rounds]
        found[name] = f"{_k(whole.rate)} ({_k(min(rates))} to {_k(max(rates))})"
        used = min(workers, cores())
        if stages:
            found[f"{name}: of what the stages allow"] = _share(rates, sums, used)
        floor = results.get(floor_name(workers))
        if floor is not None:
            found[f"{name}: of the floor"] = _share(rates, [x.rate for x in floor.rounds], 1)
    for name, result in results.items():
        if name.startswith("floor"):
            found[name] = _k(result.rate)
    return {**found, **_per_cpu(bench, stages, results)}


def _per_cpu(
    bench: Bench, stages: Sequence[Result], results: Mapping[str, Result]
) -> dict[str, str]:
    """The same for a second of one processor, which a busy machine changes less."""
    found = {}
    if stages:
        found["per CPU second: sum of the stages"] = _k(1 / sum(1 / x.cpu_rate for x in stages))
    for name, _, _ in bench.builds():
        if name in results:
            found[f"per CPU second: {name}"] = _k(results[name].cpu_rate)
    return found


def ways(bench: Bench, results: Iterable[Result]) -> str:
    """One row for each way, with its ratio to the one that it is compared with."""
    found = of_group(results, WAYS_GROUP)
    rows = []
    for way in all_ways(bench.workers[-1]):
        result = found[way.name]
        rates = [x.rate for x in result.rounds]
        others = {name: [x.rate for x in found[name].rounds] for name in way.beside}
        ratio = "; ".join(f"{_share(rates, other, 1)} of {name}" for name, other in others.items())
        own = statistics.median(x.own_cpu * 1e6 / x.rows for x in result.rounds)
        rows.append([way.name, _k(result.rate), _k(result.cpu_rate), f"{own:.2f}", ratio])
    titles = ["way, workers", "spectra/s (thousands)", "per CPU second", "parent, µs", "ratio"]
    return markdown(titles, rows)


def others(bench: Bench, results: Iterable[Result]) -> str:
    """One row for each pipeline, with what its time includes."""
    found = of_group(results, OTHER_GROUP)
    includes = {x.name: [str(x.workers), x.cleans, x.packs, x.hashes, x.durable] for x in OTHERS}
    for name, _, workers in bench.builds():
        includes[name] = [str(workers), "yes, counted", "zstd 1", "input and output", "yes"]
    slowest_first = sorted(found.values(), key=lambda x: x.rate)
    rows = [
        [
            x.name.replace("whole,", "this project,"),
            f"{x.rate:,.0f}",
            f"{x.cpu_rate:,.0f}",
            f"{x.rounds[0].size / x.rounds[0].rows:.0f}",
            *includes[x.name],
        ]
        for x in slowest_first
    ]
    titles = ["pipeline", "spectra/s", "per CPU second", "bytes each", "workers"]
    return markdown([*titles, "cleans", "packs", "SHA-256", "fsync"], rows)


def memory(taken: Iterable[Taken]) -> str:
    """One row for each build."""
    rows = [
        [
            x.name,
            f"{x.rows:,}",
            _mb(x.peak),
            _mb(x.peak / x.workers),
            _mb(x.expected_peak),
            f"{x.seconds:.0f}",
            f"{x.expected_seconds:.0f}",
        ]
        for x in taken
    ]
    titles = ["build", "spectra", "peak, MB", "per worker, MB", "expected, MB"]
    return markdown([*titles, "seconds", "expected, s"], rows)


def series(taken: Taken) -> str:
    """Memory over time."""
    rows = [[f"{stop:.0f}", _mb(median), _mb(most)] for stop, median, most in taken.series(_SERIES)]
    rate = f"{taken.rows:,} spectra, {taken.rows / taken.seconds:,.0f} spectra/s"
    return f"{taken.name}, {rate}\n\n{markdown(['until, s', 'median, MB', 'peak, MB'], rows)}"


def markdown(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [titles, ["---", *("---:" for _ in titles[1:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _k(rate: float) -> str:
    return f"{rate / 1000:,.0f}"


def _mb(size: float) -> str:
    return f"{size / 1e6:,.0f}"


def _share(rates: Sequence[float], of: Sequence[float], times: int) -> str:
    """The median over the rounds of one rate's share of another."""
    return f"{statistics.median(a / (b * times) for a, b in zip(rates, of, strict=True)):.2f}"
