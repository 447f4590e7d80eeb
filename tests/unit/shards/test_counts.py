"""Counts merge to the same whatever the order and the grouping, also after a trip through JSON."""

from __future__ import annotations

import json
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import MAX_EXAMPLES, Counts, empty, merge
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows


def parts() -> list[Counts]:
    """Counts of row groups with something of everything."""
    made = []
    for seed in range(6):
        spectra: list[Peaks] = [
            [(100.0 + seed, 1.0)],
            [],
            [(-1.0, 1.0)],
            [(200, 1), (100, 2), (300, 0)],
        ] * 3
        raw = raw_rows(
            spectra,
            row_start=seed * 12,
            rt=np.full(12, seed * 700, np.float32),
            source_file=pa.array([f"f{(seed + i) // 5}" for i in range(12)]),
        )
        made.append(clean(raw, Preprocessing()).stats)
    return made


PARTS = parts()
WHOLE = merge(*PARTS)


@given(st.permutations(PARTS), st.lists(st.integers(0, len(PARTS)), max_size=3))
def test_order_and_grouping_do_not_matter(order: list[Counts], bounds: list[int]) -> None:
    cuts = [0, *sorted(bounds), len(order)]
    groups = [merge(*order[a:b]) for a, b in pairwise(cuts)]
    assert merge(*(json.loads(json.dumps(group)) for group in groups)) == WHOLE


def test_totals() -> None:
    assert WHOLE["read"] == 72
    assert WHOLE["written"] == 36
    assert WHOLE["dropped"] == {"too_few_peaks": 18, "peak_mz_not_positive": 18}
    assert WHOLE["removed"]["intensity_zero"] == 18
    assert sum(read for read, _, _ in WHOLE["files"].values()) == 72
    assert sum(WHOLE["histograms"]["rt"]) == 36


def test_examples_are_the_first_rows() -> None:
    many = [
        clean(raw_rows([[]] * 15, row_start=start), Preprocessing()).stats for start in (15, 0, 30)
    ]
    assert merge(*many)["examples"]["too_few_peaks"] == [[0, row] for row in range(MAX_EXAMPLES)]


def test_nothing_merges_to_nothing() -> None:
    assert merge() == empty()
    assert merge(empty(), WHOLE) == WHOLE


RANGES = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 60), st.integers(1, 9), st.sampled_from("ab")).map(
        lambda x: [x[0], x[1], x[1] + x[2], x[3], "a reason"]
    ),
    max_size=20,
)


@given(ranges=RANGES, seed=st.randoms())
def test_damaged_ranges_come_out_sorted_and_joined_whatever_the_order(
    ranges: list[list[Any]], seed: random.Random
) -> None:
    def merged(ranges: list[list[Any]]) -> list[list[Any]]:
        groups = [empty() | {"damaged_ranges": [x]} for x in ranges]
        half = len(groups) // 2
        found = merge(merge(*groups[:half]), merge(*groups[half:]))["damaged_ranges"]
        assert isinstance(found, list)
        return found

    def rows(ranges: list[list[Any]]) -> set[Any]:
        return {(i, *about, row) for i, a, b, *about in ranges for row in range(a, b)}

    before = json.dumps(ranges)
    found = merged(ranges)
    assert json.dumps(ranges) == before
    shuffled = [*ranges]
    seed.shuffle(shuffled)
    assert merged(shuffled) == found == sorted(found)
    assert rows(found) == rows(ranges)
    for one in found:
        touching = [x for x in found if x[0] == one[0] and x[3:] == one[3:] and x[1] == one[2]]
        assert not touching
