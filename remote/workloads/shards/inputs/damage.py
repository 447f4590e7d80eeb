"""Rows that cannot be read: which, why, and how a build goes on without them.

What is damaged is a function of the file alone, never of how it is read. The unit is what is
stored together: all rows of a chunk that does not inflate; of names whose references can be
read, and of datasets in one piece, single rows; for a value that does not fit its column, its
row. A row is left out as a whole when any of its datasets is damaged there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np

from remote.workloads.shards.words import several

_SHOWN = 5


@dataclass(frozen=True, slots=True, order=True)
class Damage:
    """Rows [row_start, row_stop) of one dataset that cannot be read, and why.

    `dataset` is empty where the input has none: an entry of a text file.
    """

    row_start: int
    row_stop: int
    dataset: str
    reason: str

    def within(self, row_start: int, row_stop: int) -> Damage | None:
        """The part of it in [row_start, row_stop), None where there is none."""
        start, stop = max(self.row_start, row_start), min(self.row_stop, row_stop)
        return replace(self, row_start=start, row_stop=stop) if start < stop else None


def within(damages: Iterable[Damage], row_start: int, row_stop: int) -> tuple[Damage, ...]:
    """What of the damage lies in [row_start, row_stop)."""
    parts = (damage.within(row_start, row_stop) for damage in damages)
    return tuple(part for part in parts if part is not None)


def runs(damages: Sequence[Damage], row_start: int, row_stop: int) -> Iterator[tuple[int, int]]:
    """[row_start, row_stop) cut where it changes between sound and damaged, in order."""
    lost = np.zeros(row_stop - row_start, bool)
    for damage in damages:
        lost[damage.row_start - row_start : damage.row_stop - row_start] = True
    changes = (np.flatnonzero(np.diff(lost)) + 1 + row_start).tolist()
    return pairwise([row_start, *changes, row_stop])


def described(damage: Mapping[str, Any]) -> str:
    """A range of a manifest in words."""
    last = damage["row_stop"] - 1
    rows = f"row {last}" if last == damage["row_start"] else f"rows {damage['row_start']} to {last}"
    about = f"dataset `{damage['dataset']}`, " if damage["dataset"] else ""
    return f"{damage['input']}, {about}{rows}: {damage['reason']}"


def records(ranges: Iterable[Sequence[Any]], inputs: Sequence[str]) -> list[dict[str, Any]]:
    """Counted `damaged_ranges` as manifests list them, inputs by their names."""
    return [
        {
            "input": inputs[index],
            "dataset": dataset,
            "row_start": row_start,
            "row_stop": row_stop,
            "reason": reason,
        }
        for index, row_start, row_stop, dataset, reason in ranges
    ]


def rows_in(ranges: Iterable[Mapping[str, Any]]) -> int:
    """Rows in ranges of a manifest; those in several count once."""
    rows, name, reached = 0, None, 0
    for x in sorted(ranges, key=lambda x: (x["input"], x["row_start"])):
        if x["input"] != name:
            name, reached = x["input"], 0
        rows += max(0, x["row_stop"] - max(x["row_start"], reached))
        reached = max(reached, x["row_stop"])
    return rows


def summary(spectra: int, ranges: Sequence[Mapping[str, Any]]) -> str:
    """How much was left out, and where, in one line for each range; the first few of them."""
    number = several(len(ranges), "damaged range")
    lines = [f"left out {spectra:,} spectra in {number}"]
    lines += [f"  {described(damage)}" for damage in ranges[:_SHOWN]]
    if len(ranges) > _SHOWN:
        lines.append(f"  and {len(ranges) - _SHOWN:,} more, in the dataset manifest")
    return "\n".join(lines)
