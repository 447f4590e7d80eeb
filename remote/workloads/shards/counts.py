"""What cleaning counts: plain dictionaries that merge, whatever the order of merging.

A row group's counts are JSON in the journal, so that a resumed build reports what an unbroken
one does. Every count merges by addition, extremes by their extreme, example rows by taking the
first in source order.

    {"read", "written": spectra
     "dropped": {reason: spectra}, "examples": {reason: [[input, row], ...]}
     "peaks": {"read", "written", "in_dropped", "above_precursor"}, "removed": {reason: peaks}
     "flags": {"saturated", "charge_unknown", "sorted", "peaks_above_precursor"}: spectra
     "extremes": {"mz_rounding_ppm"}: greatest
     "histograms": {name: [counts]}: bins of HISTOGRAMS, then one for everything above
     "files": {name: [read, written, integrity]}: by the source file that the input names
     "damaged_ranges": [[input, row_start, row_stop, dataset, reason], ...]}: rows left out because
         a dataset cannot be read there; ranges of different datasets may overlap
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from operator import add
from typing import Any

MAX_EXAMPLES = 20

INTEGRITY = (
    "precursor_invalid",
    "peak_non_finite",
    "peak_mz_not_positive",
    "peak_intensity_negative",
)
ATTRITION = ("precursor_above_limit", "too_few_peaks", "other_ms_level")
REASONS = INTEGRITY + ATTRITION
DAMAGED = "damaged"

REMOVED = (
    "non_finite",
    "mz_not_positive",
    "intensity_negative",
    "intensity_zero",
    "beyond_max_peaks",
)

FLAGS = ("saturated", "charge_unknown", "sorted", "peaks_above_precursor")

# Lower edges; the first bin also holds what lies below, the last has no upper edge. Names that
# end in _log2 are of the binary logarithm: `intensity_log2` of intensities over the base peak of
# their spectrum, the others of source units. A defect is the fractional part of m/z.
HISTOGRAMS: Mapping[str, tuple[float, ...]] = {
    "num_peaks": (*range(0, 128, 4), 128, 129, 160, 192, 256, 384, 512, 1024, 2048, 4096),
    "precursor_mz": tuple(range(0, 2049, 32)),
    "precursor_defect": tuple(place / 64 for place in range(64)),
    "charge": tuple(range(-4, 9)),
    "rt": tuple(range(0, 7201, 120)),
    "base_peak_log2": tuple(range(-10, 41)),
    "tic_log2": tuple(range(-10, 41)),
    "mz": tuple(range(0, 2049, 32)),
    "mz_defect": tuple(place / 64 for place in range(64)),
    "intensity_log2": tuple(range(-20, 1)),
}

Counts = Mapping[str, Any]


def empty() -> dict[str, Any]:
    """The counts of no rows: what merging begins with."""
    return {
        "read": 0,
        "written": 0,
        "dropped": {},
        "examples": {},
        "peaks": dict.fromkeys(("read", "written", "in_dropped", "above_precursor"), 0),
        "removed": dict.fromkeys(REMOVED, 0),
        "flags": dict.fromkeys(FLAGS, 0),
        "extremes": {"mz_rounding_ppm": 0.0},
        "histograms": {},
        "files": {},
        "damaged_ranges": [],
    }


def merge(*parts: Counts) -> dict[str, Any]:
    """The counts of all the parts' rows together; the order of the parts does not matter."""
    total = empty()
    for part in parts:
        _add(total, part)
    return {
        **total,
        "files": dict(sorted(total["files"].items())),
        "damaged_ranges": _joined(total["damaged_ranges"]),
    }


def _add(total: dict[str, Any], part: Counts) -> None:
    for name in ("read", "written"):
        total[name] += part[name]
    for name in ("dropped", "peaks", "removed", "flags"):
        for key, count in part[name].items():
            total[name][key] = total[name].get(key, 0) + count
    for name in ("histograms", "files"):
        for key, numbers in part[name].items():
            known = total[name].get(key, [0] * len(numbers))
            assert len(known) == len(numbers)
            total[name][key] = [*map(add, known, numbers)]
    for key, value in part["extremes"].items():
        total["extremes"][key] = max(total["extremes"].get(key, value), value)
    for reason, rows in part["examples"].items():
        together = [*total["examples"].get(reason, ()), *(list(row) for row in rows)]
        total["examples"][reason] = sorted(together)[:MAX_EXAMPLES]
    total["damaged_ranges"] += part["damaged_ranges"]


def _joined(ranges: list[list[Any]]) -> list[list[Any]]:
    """The same rows in as few ranges as can be, whatever the order; in order of the rows."""
    joined: list[list[Any]] = []
    for index, start, stop, *about in sorted(ranges, key=lambda x: (x[0], x[3:], x[1], x[2])):
        last = joined[-1] if joined else None
        if last and last[0] == index and last[3:] == about and start <= last[2]:
            last[2] = max(last[2], stop)
        else:
            joined.append([index, start, stop, *about])
    return sorted(joined)


def added(parts: Iterable[Mapping[str, int]]) -> Counter[str]:
    """Counts by name, those of all parts together."""
    total: Counter[str] = Counter()
    for part in parts:
        total.update(part)
    return total


def attrition(counts: Counts) -> int:
    """Spectra left out because the rules say so, though nothing is wrong with them."""
    return sum(counts["dropped"].get(reason, 0) for reason in ATTRITION)


def integrity(counts: Counts) -> int:
    """Spectra left out because their values cannot be right."""
    return sum(counts["dropped"].get(reason, 0) for reason in INTEGRITY)


def damaged(counts: Counts) -> int:
    """Spectra left out because they cannot be read."""
    return int(counts["dropped"].get(DAMAGED, 0))
