"""How two quality reports differ, by effect size: with millions of spectra all is significant.

For histograms the total variation distance, half the sum of |p - q| over the bins: the share of
spectra that would have to move for one to become the other (1 - it is the overlapping coefficient
of Inman and Bradley, Commun. Stat. Theory Methods 18, 1989). Beside it the Jensen-Shannon
distance, the root of the divergence in bits (Lin, IEEE Trans. Inf. Theory 37, 1991; Endres and
Schindelin, ibid. 49, 2003), and how far the median moved.

For shares Cohen's h, 2 asin(sqrt(p)) - 2 asin(sqrt(q)) (Cohen, Statistical Power Analysis for the
Behavioral Sciences, 2nd ed. 1988, chapter 6).

Small, medium and large are Cohen's 0.2, 0.5 and 0.8. A total variation counts as what two normal
distributions that many standard deviations apart have: 2 Phi(d / 2) - 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Literal

from remote.errors import ResultsUnusable
from remote.workloads.shards.quality.axes import AXES

Size = Literal["negligible", "small", "medium", "large"]
SIZES: tuple[Size, ...] = ("negligible", "small", "medium", "large")
COHEN = (0.2, 0.5, 0.8)
VARIATION = tuple(math.erf(d / 2 / math.sqrt(2)) for d in COHEN)


@dataclass(frozen=True, slots=True)
class Moved:
    """How a distribution differs from the earlier one.

    Attributes:
        variation, jensen_shannon: distances, 0 to 1.
        median_then, median_now: the bins that hold them, by their lower edges.
        bins: how many bins the median moved.
    """

    name: str
    variation: float
    jensen_shannon: float
    median_then: float
    median_now: float
    bins: int
    size: Size


@dataclass(frozen=True, slots=True)
class Changed:
    """How a share differs from the earlier one; `h` is Cohen's, above 0 where it grew."""

    name: str
    then: float
    now: float
    h: float
    size: Size


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two reports.

    Attributes:
        only_then, only_now: histograms that only one of them has values of.
    """

    then: str
    now: str
    moved: tuple[Moved, ...]
    changed: tuple[Changed, ...]
    only_then: tuple[str, ...]
    only_now: tuple[str, ...]

    @property
    def largest(self) -> Size:
        """The largest effect."""
        sizes = [one.size for one in self.moved] + [one.size for one in self.changed]
        return max(sizes, key=SIZES.index, default="negligible")


def compare(then: Mapping[str, Any], now: Mapping[str, Any]) -> Comparison:
    """Compare a report with an earlier one.

    Raises:
        ResultsUnusable: their columns mean other things, or their bins have other edges.
    """
    _check_schema(then, now)
    before, after = _filled(then), _filled(now)
    both = [name for name in (*AXES, *sorted(before.keys() - AXES.keys())) if name in before]
    shares = (_shares(then), _shares(now))
    return Comparison(
        then["dataset"]["name"],
        now["dataset"]["name"],
        tuple(_moved(name, before[name], after[name]) for name in both if name in after),
        tuple(
            _changed(name, shares[0].get(name, 0.0), shares[1].get(name, 0.0))
            for name in {**shares[0], **shares[1]}
        ),
        tuple(sorted(before.keys() - after.keys())),
        tuple(sorted(after.keys() - before.keys())),
    )


def _check_schema(then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if then["schema_version"] != now["schema_version"]:
        raise ResultsUnusable(
            f"The reports are of shards of schema versions {then['schema_version']} and "
            f"{now['schema_version']}: their columns cannot be compared.",
            hint="Build both with the same version of Workhorse.",
        )


def _filled(report: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {name: found for name, found in report["histograms"].items() if sum(found["counts"])}


def _moved(name: str, then: Mapping[str, Any], now: Mapping[str, Any]) -> Moved:
    edges: Sequence[float] = now["edges"]
    if list(then["edges"]) != list(edges):
        raise ResultsUnusable(
            f"The bins of {name} have other edges in the two reports: they cannot be compared.",
            hint="Build both with the same version of Workhorse.",
        )
    p, q = _normal(then["counts"]), _normal(now["counts"])
    variation = sum(abs(a - b) for a, b in zip(p, q, strict=True)) / 2
    medians = _median(then["counts"]), _median(now["counts"])
    return Moved(
        name,
        variation,
        _jensen_shannon(p, q),
        edges[medians[0]],
        edges[medians[1]],
        medians[1] - medians[0],
        _size(variation, VARIATION),
    )


def _normal(counts: Sequence[int]) -> list[float]:
    total = sum(counts)
    return [count / total for count in counts]


def _jensen_shannon(p: Sequence[float], q: Sequence[float]) -> float:
    divergence = 0.0
    for a, b in zip(p, q, strict=True):
        middle = (a + b) / 2
        divergence += sum(x * math.log2(x / middle) / 2 for x in (a, b) if x)
    return math.sqrt(min(max(divergence, 0.0), 1.0))


def _median(counts: Sequence[int]) -> int:
    """The bin in which half of all is reached."""
    half = sum(counts) / 2
    return next(at for at, reached in enumerate(accumulate(counts)) if reached >= half)


def _changed(name: str, then: float, now: float) -> Changed:
    h = 2 * math.asin(math.sqrt(now)) - 2 * math.asin(math.sqrt(then))
    return Changed(name, then, now, h, _size(abs(h), COHEN))


def _size(effect: float, thresholds: Sequence[float]) -> Size:
    return SIZES[sum(effect >= threshold for threshold in thresholds)]


def _shares(report: Mapping[str, Any]) -> dict[str, float]:
    """Every share that the report has, by name."""
    return {name: count / total for name, count, total in _parts(report) if total}


def _parts(report: Mapping[str, Any]) -> Iterator[tuple[str, int, int]]:
    spectra, peaks, flags = report["spectra"], report["peaks"], report["flags"]
    read, written = spectra["read"], spectra["written"]
    for name in ("attrition", "integrity", "damaged"):
        yield name, spectra[name], read
    for reason, count in spectra["dropped"].items():
        yield f"dropped: {reason}", count, read
    for reason, count in peaks["removed"].items():
        yield f"peaks removed: {reason}", count, peaks["read"] - peaks["in_dropped"]
    yield "duplicates", report["duplicates"]["exact"], written
    if report["duplicates"]["lsh_neighbours"] is not None:
        yield "lsh neighbours", report["duplicates"]["lsh_neighbours"], written
    yield "saturated", flags["saturated"], read
    for name in ("charge_unknown", "sorted", "peaks_above_precursor"):
        yield name.replace("_", " "), flags[name], written
    yield "peaks above precursor, of all peaks", peaks["above_precursor"], peaks["written"]
