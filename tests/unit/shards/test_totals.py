"""Sums that must add up."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.errors import InputUnusable, InternalError
from remote.workloads.shards.counts import empty, merge
from remote.workloads.shards.output.totals import Totals, checked, tally

INPUTS = (Path("a.hdf5"),)


def part(read: int, written: int, **dropped: int) -> dict[str, object]:
    files = {f"{read % 7}.mzML": [read, written]}
    return empty() | {"read": read, "written": written, "dropped": dropped, "files": files}


def test_many_parts_are_counted_as_if_merged_at_once() -> None:
    parts = [part(n + 2, n, too_few_peaks=1, precursor_invalid=1) for n in range(700)]
    totals = Totals(parts)
    assert totals.merged() == merge(*parts)
    assert totals.groups == 700
    sums = tally(totals.merged())
    assert (sums["attrition"], sums["integrity"]) == (700, 700)
    assert checked(totals.merged(), INPUTS)["read"] == sum(n + 2 for n in range(700))


def test_a_spectrum_unaccounted_for_is_a_defect() -> None:
    with pytest.raises(InternalError, match="10 spectra were read and 9 accounted for"):
        checked(merge(part(10, 8, too_few_peaks=1)), INPUTS)


def test_nothing_left_is_a_failure_that_names_the_reasons() -> None:
    with pytest.raises(
        InputUnusable, match=r"left of a.hdf5: all 3 were dropped \(too_few_peaks: 3\)"
    ):
        checked(merge(part(3, 0, too_few_peaks=3)), INPUTS)


def test_damaged_spectra_are_accounted_for_and_the_first_are_named() -> None:
    whole = part(5, 3, damaged=2) | {"damaged_ranges": [[0, 1, 3, "RT", "does not fit"]]}
    assert tally(checked(merge(whole), INPUTS))["damaged"] == 2
    none = part(2, 0, damaged=2) | {"damaged_ranges": [[0, 0, 2, "RT", "does not fit"]]}
    with pytest.raises(InputUnusable, match=r"damaged first: a\.hdf5, dataset `RT`, rows 0 to 1: "):
        checked(merge(none), INPUTS)
