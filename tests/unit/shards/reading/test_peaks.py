"""Peak lists as arrays, against lists of lists."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import IntegrityFailure
from remote.workloads.shards.reading.peaks import Peaks, bounds, peaks_of

# Few different intensities, so that there are ties.
PEAK = st.tuples(st.floats(1, 2_000), st.sampled_from([0.1, 0.25, 0.5, 1.0]))
SPECTRA = st.lists(st.lists(PEAK, max_size=9), max_size=12)


def ragged(spectra: list[list[tuple[float, float]]]) -> Peaks:
    flat = [peak for spectrum in spectra for peak in spectrum]
    lengths = np.array([len(spectrum) for spectrum in spectra], np.int64)
    values = np.array(flat, np.float64).reshape(-1, 2)
    return Peaks(bounds(lengths), values[:, 0], values[:, 1].astype(np.float32))


def lists(peaks: Peaks) -> list[list[tuple[float, float]]]:
    pairs = list(zip(peaks.mz.tolist(), peaks.intensity.tolist(), strict=True))
    ends = peaks.offsets.tolist()
    return [pairs[a:b] for a, b in pairwise(ends)]


def as_float32(spectrum: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(mz, float(np.float32(x))) for mz, x in spectrum]


def strongest(spectrum: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    order = sorted(range(len(spectrum)), key=lambda place: (-spectrum[place][1], place))
    return [spectrum[place] for place in sorted(order[:most])]


@given(SPECTRA, st.integers(1, 10))
def test_strongest(spectra: list[list[tuple[float, float]]], most: int) -> None:
    expected = [as_float32(strongest(spectrum, most)) for spectrum in spectra]
    assert lists(ragged(spectra).strongest(most)) == expected


@given(SPECTRA)
def test_take(spectra: list[list[tuple[float, float]]]) -> None:
    rows = np.array([x for x in range(len(spectra)) if x % 3 != 1][::-1], np.int64)
    expected = [as_float32(spectra[row]) for row in rows]
    assert lists(ragged(spectra).take(rows)) == expected


@given(SPECTRA, st.one_of(st.none(), st.integers(1, 12)))
def test_padded(spectra: list[list[tuple[float, float]]], width: int | None) -> None:
    mz, intensity, mask = ragged(spectra).padded(width)
    wide = max((len(x) for x in spectra), default=0) if width is None else width
    assert mz.shape == intensity.shape == mask.shape == (len(spectra), wide)
    assert [str(mz.dtype), str(intensity.dtype)] == ["float64", "float32"]
    for row, spectrum in enumerate(spectra):
        kept = as_float32(strongest(spectrum, wide))
        assert mask[row].tolist() == [place < len(kept) for place in range(wide)]
        assert mz[row, : len(kept)].tolist() == [x for x, _ in kept]
        assert intensity[row, : len(kept)].tolist() == [x for _, x in kept]
    assert not mz[~mask].any()
    assert not intensity[~mask].any()


def test_arrow_lists_are_taken_as_they_lie() -> None:
    table = pa.table({"mzs": [[1.0, 2.0], [3.0]], "ints": [[0.5, 1.0], [1.0]]})
    peaks = peaks_of(table)
    assert lists(peaks) == [[(1.0, 0.5), (2.0, 1.0)], [(3.0, 1.0)]]
    assert peaks.mz.ctypes.data == table["mzs"].chunk(0).values.buffers()[1].address
    assert lists(peaks_of(table.slice(1))) == [[(3.0, 1.0)]]
    both = pa.concat_tables([table, table.slice(1)])
    assert lists(peaks_of(both)) == [*lists(peaks), [(3.0, 1.0)]]
    assert lists(peaks_of(table.slice(0, 0))) == []
    assert lists(peaks_of(table.to_batches()[0])) == lists(peaks)


def test_lists_of_other_lengths_are_refused() -> None:
    table = pa.table({"mzs": [[1.0, 2.0], [3.0]], "ints": [[0.5], [1.0, 1.0]]})
    with pytest.raises(IntegrityFailure, match="differ in length"):
        peaks_of(table)
