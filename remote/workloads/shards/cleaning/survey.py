"""What the rules of cleaning do to some spectra of an input, and what other rules would do.

The spectra are cleaned by the builder's own `clean`, once by the rules that are asked for and
once for each other value of a rule: so what is shown is what a build does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from remote.workloads.progress import progress
from remote.workloads.shards.blocks import CleanRows, RawRows, cut
from remote.workloads.shards.clean import clean
from remote.workloads.shards.cleaning.examples import Examples, Pair
from remote.workloads.shards.counts import Counts, merge
from remote.workloads.shards.inputs.opening import open_inputs
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.plan import TASK_ROWS, Task
from remote.workloads.shards.sampling import chosen
from remote.workloads.shards.settings import BuildSettings, Preprocessing
from remote.workloads.shards.skipping import without_damaged

# Other values of each rule that are tried, beside the one that is asked for.
TRIED: Mapping[str, tuple[float, ...]] = {
    "min_peaks": (1, 2, 3, 5, 8, 10, 15, 20, 30, 50),
    "max_precursor_mz": (250, 500, 750, 1000, 1250, 1500, 1750, 2000),
    "max_peaks": (5, 10, 20, 30, 50, 75, 100, 128, 256),
}
# What is counted for each: spectra, or the ion current of their peaks.
OF_CURRENT = ("max_peaks",)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found.

    Attributes:
        inputs: file name and rows of each.
        rows: how many were looked at.
        rules: those that were asked for.
        counts: what cleaning by them counts (see `counts`).
        tried: for each rule of TRIED, (value, share that is left): of spectra; for those of
            OF_CURRENT the mean over spectra of the ion current.
        examples: spectra before and after.
    """

    inputs: Mapping[str, int]
    rows: int
    rules: Preprocessing
    counts: Counts
    tried: Mapping[str, tuple[tuple[float, float], ...]]
    examples: tuple[Pair, ...]

    def record(self) -> dict[str, Any]:
        """As JSON values."""
        names = list(self.inputs)
        kept = {name: self.counts[name] for name in ("read", "written", "dropped", "removed")}
        return {
            "inputs": dict(self.inputs),
            "rows_looked_at": self.rows,
            "rules": asdict(self.rules),
            "counts": {**kept, "peaks": self.counts["peaks"], "flags": self.counts["flags"]},
            "examples": {
                reason: [f"{Path(names[index]).stem}:{row}" for index, row in rows]
                for reason, rows in self.counts["examples"].items()
            },
            "tried": {name: [list(point) for point in found] for name, found in self.tried.items()},
        }


@dataclass(slots=True)
class _Found:
    """What adds up while pieces are looked at."""

    parts: list[Counts] = field(default_factory=list)
    left: dict[tuple[str, float], float] = field(default_factory=dict)
    examples: Examples = field(default_factory=Examples)

    def add(self, name: str, value: float, amount: float) -> None:
        self.left[name, value] = self.left.get((name, value), 0.0) + amount


def survey(
    inputs: Sequence[Path],
    settings: BuildSettings,
    *,
    rows: int = 20_000,
    skip_damaged: bool = False,
) -> Survey:
    """Clean `rows` source rows, in row groups that the settings' seed draws, and count.

    Where the input stores many rows together (column chunks), a drawn row group costs the
    reading of all that are stored with it.

    Raises:
        InputUnusable: an input cannot be read, or two have the same stem.
    """
    asked = replace(settings, max_spectra=rows, sample="random")
    sources = open_inputs(inputs, skip_damaged=skip_damaged, rules=settings.input)
    try:
        found = _looked_through(sources, chosen(sources, asked, TASK_ROWS), settings.preprocessing)
    finally:
        for source in sources:
            source.close()
    counts = merge(*found.parts)
    return Survey(
        {source.path.name: source.rows for source in sources},
        counts["read"],
        settings.preprocessing,
        counts,
        {name: _shares(found, name, counts) for name in TRIED},
        found.examples.pairs(),
    )


def _looked_through(
    sources: Sequence[Source], tasks: Sequence[Task], rules: Preprocessing
) -> _Found:
    found, done, total = _Found(), 0, sum(map(len, tasks))
    for task in tasks:
        raw = sources[task.input_index].read(task.row_start, task.row_stop)
        for piece in cut(raw):
            kept = without_damaged(piece, partial(clean, rules=rules))
            found.parts.append(kept.stats)
            found.examples.look(piece, kept, sources[task.input_index].name)
            _try_others(piece, rules, found)
            done += len(piece)
            progress("cleaning", done, total, unit="spectra")
    return found


def _try_others(piece: RawRows, rules: Preprocessing, found: _Found) -> None:
    for name, value in _variants(rules):
        kept = without_damaged(piece, partial(clean, rules=_with(rules, name, value)))
        amount = _current(kept, rules) if name in OF_CURRENT else float(len(kept))
        found.add(name, value, amount)


def _variants(rules: Preprocessing) -> Iterator[tuple[str, float]]:
    for name, values in TRIED.items():
        own = getattr(rules, name)
        yield from ((name, value) for value in sorted({*values, *([own] if own else [])}))


def _with(rules: Preprocessing, name: str, value: float) -> Preprocessing:
    """The rules with another value of one, and none that contradicts it."""
    if name == "max_peaks":
        return replace(rules, max_peaks=int(value), min_peaks=1)
    if name == "min_peaks":
        return replace(rules, min_peaks=int(value), max_peaks=None)
    return replace(rules, max_precursor_mz=value)


def _current(kept: CleanRows, rules: Preprocessing) -> float:
    """The shares of the ion current that the kept peaks carry, over all spectra together."""
    if not len(kept):
        return 0.0
    sums = np.add.reduceat(kept.ints.astype(np.float64), kept.offsets[:-1])
    tic, base_peak = (np.asarray(kept.columns[x]) for x in ("tic", "base_peak_intensity"))
    return float(np.sum(sums * (base_peak if rules.normalize_intensities else 1) / tic))


def _shares(found: _Found, name: str, counts: Counts) -> tuple[tuple[float, float], ...]:
    points = sorted((value, left) for (of, value), left in found.left.items() if of == name)
    # All spectra that have a peak are what a cap on peaks leaves something of.
    whole = found.left.get(("min_peaks", 1), 0.0) if name in OF_CURRENT else counts["read"]
    return tuple((value, left / whole if whole else 0.0) for value, left in points)
