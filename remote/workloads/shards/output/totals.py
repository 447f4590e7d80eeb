"""The sums that must be right before a dataset gets its manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from remote.errors import InputUnusable, InternalError
from remote.workloads.shards import counts as counting
from remote.workloads.shards.inputs.damage import described, records


class Totals:
    """Counts of many row groups, without keeping them all."""

    _AT_ONCE = 256

    def __init__(self, parts: Iterable[Mapping[str, Any]] = ()) -> None:
        self.groups = 0
        self._parts: list[Mapping[str, Any]] = []
        for part in parts:
            self.add(part)

    def add(self, part: Mapping[str, Any]) -> None:
        """Count one more row group."""
        self.groups += 1
        self._parts.append(part)
        if len(self._parts) >= self._AT_ONCE:
            self._parts = [counting.merge(*self._parts)]

    def merged(self) -> dict[str, Any]:
        """The counts of all of them."""
        return counting.merge(*self._parts)


def tally(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Spectra read, and where each of them went."""
    return {
        "read": counts["read"],
        "written": counts["written"],
        "attrition": counting.attrition(counts),
        "integrity": counting.integrity(counts),
        "damaged": counting.damaged(counts),
        "dropped": dict(sorted(counts["dropped"].items())),
    }


def checked(counts: Mapping[str, Any], inputs: Sequence[Path]) -> Mapping[str, Any]:
    """The counts of these inputs, if they add up and a spectrum is left.

    Raises:
        InternalError: a spectrum is in none of the sums, or in two.
        InputUnusable: every spectrum was dropped.
    """
    sums = tally(counts)
    parts = sums["written"] + sums["attrition"] + sums["integrity"] + sums["damaged"]
    if sums["read"] != parts:
        raise InternalError(
            f"{sums['read']} spectra were read and {parts} accounted for: {sums}.",
            hint="This is a defect in Workhorse; please report it.",
        )
    if not sums["written"]:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in sums["dropped"].items())
        raise InputUnusable(
            f"No spectrum is left of {', '.join(map(str, inputs))}: all {sums['read']} "
            f"were dropped ({reasons}){_first_damage(counts, inputs)}.",
            hint="Check the input and the limits (min_peaks, max_precursor_mz).",
        )
    return counts


def _first_damage(counts: Mapping[str, Any], inputs: Sequence[Path]) -> str:
    found = records(counts["damaged_ranges"], [path.name for path in inputs])
    return f"; damaged first: {described(found[0])}" if found else ""
