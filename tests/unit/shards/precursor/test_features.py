"""What the model sees, against the same said a second time, one spectrum after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import UsageError
from remote.workloads.shards.precursor.features import (
    Task,
    features,
    largest,
    without_precursor,
)
from tests.unit.shards.precursor.made import PeakLists, peaks_from

TASK = Task()
PEAK = st.tuples(
    st.floats(20, 1990, allow_nan=False).map(lambda mz: round(mz, 3)),
    st.floats(2**-10, 1, width=32),
)
SPECTRA = st.lists(st.lists(PEAK, max_size=12).map(sorted), min_size=1, max_size=6)


@given(SPECTRA, st.data())
def test_no_peak_near_the_precursor_is_left_and_all_others_are(
    spectra: PeakLists, data: st.DataObject
) -> None:
    near = [[mz for mz, _ in x] + [500.0] for x in spectra]
    precursors = np.array([data.draw(st.sampled_from(x)) for x in near])
    left = without_precursor(peaks_from(spectra), precursors, 1.5)
    expected = [
        [peak for peak in x if abs(peak[0] - precursor) > 1.5]
        for x, precursor in zip(spectra, precursors, strict=True)
    ]
    again = peaks_from(expected)
    assert np.array_equal(left.offsets, again.offsets)
    assert np.array_equal(left.mz, again.mz)
    assert np.array_equal(left.intensity, again.intensity)


@given(SPECTRA)
def test_the_precursor_itself_is_never_seen(spectra: PeakLists) -> None:
    """Whatever lies within 1.5 Da of it, the features are those of the other peaks alone."""
    precursors = np.full(len(spectra), 800.0)
    bare = [[peak for peak in x if abs(peak[0] - 800) > 1.5] for x in spectra]
    full = [sorted([*x, (798.9, 1.0), (800.0, 0.7), (801.4, 0.2)]) for x in bare]
    one, other = (
        features(without_precursor(peaks_from(x), precursors, TASK.window), TASK)
        for x in (bare, full)
    )
    assert np.array_equal(one, other)


@given(SPECTRA)
def test_features_are_shares_whatever_the_order_of_peaks(spectra: PeakLists) -> None:
    rows = features(peaks_from(spectra), TASK)
    assert rows.dtype == np.float32
    assert np.isfinite(rows).all()
    assert rows.min() >= 0
    assert rows.max() <= 1
    assert np.array_equal(rows, features(peaks_from([x[::-1] for x in spectra]), TASK))


@given(SPECTRA)
def test_all_but_the_place_of_the_highest_peak_is_measured_from_it(spectra: PeakLists) -> None:
    """In eighths, so that a shift by whole bins changes no digit."""
    exact = [[(round(mz * 8) / 8, value) for mz, value in x] for x in spectra]
    moved = [[(mz + 4 * TASK.bin_width, value) for mz, value in x] for x in exact]
    rows, others = (features(peaks_from(x), TASK)[:, TASK.bins - 1 :] for x in (exact, moved))
    filled = [bool(x) for x in spectra]
    assert np.array_equal(rows[filled], others[filled])


def test_bins() -> None:
    mz = np.array([0.0, 49.9, 50.0, 1_949.9, 1_950.0, 5_000.0])
    assert TASK.bin_of(mz).tolist() == [0, 0, 1, 38, 39, 39]


@pytest.mark.parametrize(
    "figures", [{"bin_width": 0.5}, {"bin_width": 3_000.0}, {"window": -1.0}, {"limit": 20.0}]
)
def test_a_task_that_is_none_is_refused(figures: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="that is no task"):
        Task(**figures)


def test_narrow_bins_reach_as_far() -> None:
    assert Task(bin_width=10.0).bins == 200
    assert Task(bin_width=30.0).bin_of(np.array([1_999.0])).tolist() == [66]


@pytest.mark.parametrize(
    ("offsets", "found"), [([0, 0, 2, 2], [0, 7, 0]), ([0, 2], [7]), ([0, 0], [0]), ([0], [])]
)
def test_the_largest_of_each_also_where_there_is_none(
    offsets: list[int], found: list[float]
) -> None:
    values = np.array([7.0, 3.0])[: offsets[-1]]
    assert largest(values, np.array(offsets)).tolist() == found
