"""Effect sizes are those of their formulas, and what cannot be compared is refused."""

from __future__ import annotations

import copy
import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import ResultsUnusable
from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import HISTOGRAMS, merge
from remote.workloads.shards.quality.effects import COHEN, VARIATION, Changed, Moved, compare
from remote.workloads.shards.report import quality_report
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows


def report(spectra: list[Peaks], dataset: str = "made", **columns: Any) -> dict[str, Any]:
    cleaned = clean(raw_rows(spectra, **columns), Preprocessing())
    return quality_report(
        merge(cleaned.stats),
        duplicates=0,
        shards=[],
        lsh_neighbours=None,
        max_shard_size_bytes=1,
        preprocessing={},
        dataset=dataset,
        inputs=["a.hdf5"],
    )


BASE = report([[(100.0, 1.0), (200.0, 2.0)], [(100.0, 1.0)], []] * 5)


def with_counts(counts: list[int]) -> dict[str, Any]:
    changed = copy.deepcopy(BASE)
    edges = HISTOGRAMS["precursor_mz"]
    counts = [*counts, *[0] * (len(edges) - len(counts))]
    changed["histograms"]["precursor_mz"]["counts"] = counts
    return changed


def moved(then: list[int], now: list[int]) -> Moved:
    found = {m.name: m for m in compare(with_counts(then), with_counts(now)).moved}
    return found["precursor_mz"]


def changed(found: tuple[Changed, ...], name: str) -> Changed:
    return next(one for one in found if one.name == name)


def test_a_report_does_not_differ_from_itself() -> None:
    found = compare(BASE, BASE)
    assert found.largest == "negligible"
    assert {m.variation for m in found.moved} == {m.jensen_shannon for m in found.moved} == {0.0}
    assert {c.h for c in found.changed} == {0.0}
    assert len(found.moved) == len(BASE["histograms"])


def test_known_distances() -> None:
    apart = moved([4, 0, 0], [0, 0, 9])
    assert (apart.variation, apart.jensen_shannon, apart.bins, apart.size) == (1, 1, 2, "large")
    assert (apart.median_then, apart.median_now) == (0, 64)
    half = moved([1, 1], [1, 0])
    assert half.variation == 0.5
    # By hand: 1/2 (1/2 log2(2/3) + 1/2) + 1/2 log2(4/3) - with p = (1/2, 1/2), q = (1, 0).
    by_hand = 0.25 * math.log2(2 / 3) + 0.25 + 0.5 * math.log2(4 / 3)
    assert half.jensen_shannon == pytest.approx(math.sqrt(by_hand))


COUNTS = st.lists(st.integers(0, 50), min_size=1, max_size=12).filter(any)


@given(COUNTS, COUNTS)
def test_distances_are_distances(then: list[int], now: list[int]) -> None:
    there, back = moved(then, now), moved(now, then)
    assert there.variation == pytest.approx(back.variation)
    assert there.jensen_shannon == pytest.approx(back.jensen_shannon)
    assert 0 <= there.variation <= 1 + 1e-12
    assert 0 <= there.jensen_shannon <= 1
    # The divergence lies between the square of the variation (Pinsker) and the variation (Lin).
    assert there.jensen_shannon**2 <= there.variation + 1e-9
    assert there.jensen_shannon**2 >= there.variation**2 / (2 * math.log(2)) - 1e-9
    assert there.bins == -back.bins


def test_the_thresholds_are_what_normal_distributions_that_far_apart_have() -> None:
    for d, threshold in zip(COHEN, VARIATION, strict=True):
        values = np.linspace(-9, 9, 100_001)
        first, second = NormalDist(0, 1), NormalDist(d, 1)
        apart = [abs(first.pdf(x) - second.pdf(x)) for x in values]
        assert float(np.trapezoid(apart, values)) / 2 == pytest.approx(threshold, abs=1e-6)


def test_shares_differ_by_cohens_h() -> None:
    more = report([[(100.0, 1.0)], [], []] * 5)
    attrition = changed(compare(BASE, more).changed, "attrition")
    assert [attrition.then, attrition.now] == pytest.approx([1 / 3, 2 / 3])
    by_hand = 2 * math.asin(math.sqrt(2 / 3)) - 2 * math.asin(math.sqrt(1 / 3))
    assert attrition.h == pytest.approx(by_hand) == pytest.approx(0.6797, abs=1e-4)
    assert attrition.size == "medium"
    back = changed(compare(more, BASE).changed, "attrition")
    assert back.h == pytest.approx(-by_hand)


def test_a_reason_that_is_new_was_not_there() -> None:
    worse = report([[(-1.0, 1.0)], [(100.0, 1.0)]])
    found = changed(compare(BASE, worse).changed, "dropped: peak_mz_not_positive")
    assert (found.then, found.now, found.size) == (0.0, 0.5, "large")


def test_a_quantity_that_only_one_has_is_said() -> None:
    timed = report([[(100.0, 1.0)]], rt=np.array([7.0], np.float32))
    assert compare(BASE, timed).only_now == ("rt",)
    assert compare(timed, BASE).only_then == ("rt",)


def test_other_edges_and_other_schemas_are_refused() -> None:
    other = copy.deepcopy(BASE)
    other["histograms"]["mz"]["edges"][3] = 97
    with pytest.raises(ResultsUnusable, match="bins of mz have other edges"):
        compare(BASE, other)
    newer = {**BASE, "schema_version": 2}
    with pytest.raises(ResultsUnusable, match="schema versions 2 and 1"):
        compare(newer, BASE)
