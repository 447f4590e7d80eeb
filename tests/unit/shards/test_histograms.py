"""Histograms are those that numpy counts, whatever the values, and merge by addition."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import HISTOGRAMS, merge
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import raw_rows

Array = npt.NDArray[Any]
# Values on edges and beside them count as much as any.
MZ = st.sampled_from(
    [1e-300, 31.999999999999996, 32.0, 100.5, 2047.9999, 2048.0, 1e30]
) | st.floats(1e-3, 5_000)
INTENSITY = st.sampled_from([2.0**-30, 0.5, 1.0, 1024.0, 2.0**41]) | st.floats(1e-12, 1e30)
SPECTRA = st.lists(
    st.lists(st.tuples(MZ, INTENSITY), min_size=1, max_size=8), min_size=1, max_size=9
)
PRECURSOR = st.sampled_from([64.0, 63.99999999999999, 500.984375, 2048.0]) | st.floats(1, 5_000)


def histograms(rows: CleanRows) -> Any:
    return rows.stats["histograms"]


def counted(values: Array, name: str) -> list[int]:
    """What the report's words say: lower edges; below the first and above the last are theirs."""
    edges = np.array(HISTOGRAMS[name], float)
    values = values[np.isfinite(values)]
    places = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 1)
    found: list[int] = np.bincount(places, minlength=len(edges)).tolist()
    return found


@pytest.mark.parametrize("normalize", [True, False])
@given(data=st.data(), peaks=SPECTRA)
def test_every_histogram_is_what_numpy_counts(
    normalize: bool, data: st.DataObject, peaks: list[list[tuple[float, float]]]
) -> None:
    rules = Preprocessing(
        normalize_intensities=normalize, sort_mz=False, min_peaks=1, max_precursor_mz=1e6
    )
    number = len(peaks)
    precursor = data.draw(st.lists(PRECURSOR, min_size=number, max_size=number))
    rt = np.array(
        data.draw(st.lists(st.floats(0, 9_000, width=32), min_size=number, max_size=number))
    )
    charge = np.array(data.draw(st.lists(st.integers(-9, 20), min_size=number, max_size=number)))
    raw = raw_rows(peaks, precursor, rt=rt.astype(np.float32), charge=charge.astype(np.int8))
    rows = clean(raw, rules)
    found = histograms(rows)
    columns = rows.columns
    expected = {
        "num_peaks": np.diff(rows.offsets),
        "precursor_mz": columns["precursor_mz"],
        "precursor_defect": np.mod(columns["precursor_mz"], 1),
        "charge": columns["charge"].astype(float),
        "rt": columns["rt"].astype(float),
        "mz": rows.mzs,
        "mz_defect": np.mod(rows.mzs, 1),
        "base_peak_log2": exact_log2(raw.intensity[rows.source_row].max(axis=1)),
        "tic_log2": exact_log2(columns["tic"]),
    }
    for name, values in expected.items():
        assert found[name] == counted(np.asarray(values, float), name), name
    assert sum(found["intensity_log2"]) == len(rows.mzs)


def exact_log2(values: Array) -> Array:
    """By doubling, without logarithms."""
    found = []
    for value in values.tolist():
        exponent = -10
        while exponent < 40 and 2.0 ** (exponent + 1) <= value:
            exponent += 1
        found.append(float(exponent))
    return np.array(found)


def test_intensities_are_counted_by_halvings_of_the_base_peak() -> None:
    spectrum = [(100.0, 8.0), (200.0, 4.0), (300.0, 3.9), (400.0, 8 * 2.0**-20), (500.0, 1e-9)]
    for normalize in (True, False):
        rows = clean(raw_rows([spectrum]), Preprocessing(normalize_intensities=normalize))
        found = histograms(rows)["intensity_log2"]
        by_edge = {
            edge: n for edge, n in zip(HISTOGRAMS["intensity_log2"], found, strict=True) if n
        }
        assert by_edge == {0: 1, -1: 1, -2: 1, -20: 2}


def test_a_full_spectrum_has_a_bin_of_its_own() -> None:
    peaks = [(100.0 + place, 1.0) for place in range(128)]
    rows = clean(raw_rows([peaks, peaks[:-1]], width=128), Preprocessing())
    found = dict(zip(HISTOGRAMS["num_peaks"], histograms(rows)["num_peaks"], strict=True))
    assert (found[128], found[124], found[129]) == (1, 1, 0)


def test_values_that_are_not_known_are_not_counted() -> None:
    rt = np.array([np.nan, 60.0], np.float32)
    rows = clean(raw_rows([[(100.0, 1.0)]] * 2, rt=rt), Preprocessing())
    assert sum(histograms(rows)["rt"]) == 1
    assert merge(rows.stats, rows.stats)["histograms"]["rt"][0] == 2


def test_peaks_beyond_the_most_are_not_counted() -> None:
    spectrum = [(100.0, 2.0**-9), (200.0, 8.0), (300.0, 4.0)]
    rows = clean(raw_rows([spectrum]), Preprocessing(min_peaks=1, max_peaks=2))
    found = histograms(rows)["intensity_log2"]
    assert (found[-1], found[-2], sum(found)) == (1, 1, 2)
