"""Cleaning equals the plain reference on anything, and does not depend on how rows are cut."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards import blocks
from remote.workloads.shards.blocks import CleanRows, Ragged, RawRows, cut, join
from remote.workloads.shards.clean import clean
from remote.workloads.shards.counts import REMOVED, attrition, integrity
from remote.workloads.shards.inputs import ragged
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import raw_rows
from tests.unit.shards.reference import Kept, Rules, clean_spectrum

AWKWARD = st.sampled_from(
    [0.0, -0.0, 1.0, 100.0, 250.5, 1999.0, -1.0, 1e-50, 1e39, 3.4e38, math.nan, math.inf, -math.inf]
)
ORDINARY = st.floats(0.001, 3000, allow_nan=False)
VALUES = st.one_of(ORDINARY, ORDINARY, ORDINARY, AWKWARD)
PEAKS = st.lists(st.tuples(VALUES, VALUES | st.sampled_from([1.0, 7.0])), max_size=8)
RULES = st.builds(
    Rules,
    normalize_intensities=st.booleans(),
    sort_mz=st.booleans(),
    min_peaks=st.integers(1, 4),
    max_precursor_mz=st.sampled_from([300.0, 2000.0]),
    filter_nonfinite=st.booleans(),
    max_peaks=st.one_of(st.none(), st.integers(1, 5)),
)


@st.composite
def inputs(draw: st.DrawFn) -> RawRows:
    spectra = draw(st.lists(PEAKS, min_size=1, max_size=12))
    precursors = draw(
        st.lists(
            st.one_of(st.floats(1, 2500), AWKWARD), min_size=len(spectra), max_size=len(spectra)
        )
    )
    dtype = draw(st.sampled_from(["float64", "float32"]))
    names = draw(st.lists(st.sampled_from("abc"), min_size=len(spectra), max_size=len(spectra)))
    with np.errstate(over="ignore", under="ignore"):
        return raw_rows(
            spectra,
            precursors,
            dtype=dtype,
            charge=np.arange(len(spectra), dtype=np.int8),
            source_file=pa.array(names).dictionary_encode(),
        )


@settings(max_examples=120)
@given(raw=inputs(), rules=RULES)
def test_equals_the_reference(raw: RawRows, rules: Rules) -> None:
    cleaned = clean(raw, Preprocessing(**asdict(rules)))
    expected = [
        clean_spectrum(mz.tolist(), x.tolist(), float(precursor), rules)
        for mz, x, precursor in zip(raw.mz, raw.intensity, raw.columns["precursor_mz"], strict=True)
    ]
    kept = {row: found for row, found in enumerate(expected) if isinstance(found, Kept)}
    assert cleaned.source_row.tolist() == list(kept)
    for place, found in enumerate(kept.values()):
        a, b = cleaned.offsets[place : place + 2]
        assert cleaned.mzs[a:b].tolist() == found.mzs
        assert cleaned.ints[a:b].tolist() == found.ints
        assert cleaned.columns["base_peak_intensity"][place] == np.float32(found.base_peak)
        assert cleaned.columns["tic"][place] == found.tic
    dropped: dict[str, int] = {}
    for reason in expected:
        if isinstance(reason, str):
            dropped[reason] = dropped.get(reason, 0) + 1
    assert cleaned.stats["dropped"] == dropped
    removed = {reason: sum(found.removed[reason] for found in kept.values()) for reason in REMOVED}
    assert cleaned.stats["removed"] == removed


@settings(max_examples=50)
@given(raw=inputs(), rules=RULES)
def test_everything_is_accounted_for(raw: RawRows, rules: Rules) -> None:
    stats: Any = clean(raw, Preprocessing(**asdict(rules))).stats
    assert stats["read"] == stats["written"] + attrition(stats) + integrity(stats)
    peaks = stats["peaks"]
    assert peaks["read"] == (
        peaks["written"] + peaks["in_dropped"] + sum(stats["removed"].values())
    )
    files = [sum(numbers) for numbers in zip(*stats["files"].values(), strict=True)]
    assert files == [stats["read"], stats["written"], integrity(stats)]
    assert sum(stats["histograms"]["mz"]) == peaks["written"]
    assert sum(stats["histograms"]["num_peaks"]) == stats["written"]


def same(left: CleanRows, right: CleanRows) -> None:
    """Equal in every field."""
    for name in ("input_index", "row_start", "row_stop", "stats"):
        assert getattr(left, name) == getattr(right, name), name
    for name in ("source_row", "offsets", "mzs", "ints", "fingerprints"):
        np.testing.assert_array_equal(getattr(left, name), getattr(right, name))
        assert getattr(left, name).dtype == getattr(right, name).dtype
    assert list(left.columns) == list(right.columns)
    for name, values in left.columns.items():
        assert values.tolist() == right.columns[name].tolist(), name


@settings(max_examples=50)
@given(raw=inputs(), rules=RULES, data=st.data())
def test_joined_parts_equal_the_whole(raw: RawRows, rules: Rules, data: st.DataObject) -> None:
    preprocessing = Preprocessing(**asdict(rules))
    bound = data.draw(st.integers(0, len(raw)))
    # `cut` cuts at multiples of 5,000: put one where this test wants it.
    raw = replace(raw, row_start=blocks.ROW_GROUP_ROWS - bound)
    parts = cut(raw)
    assert [len(part) for part in parts] == [n for n in (bound, len(raw) - bound) if n]
    moved = [replace(part, row_start=part.row_start + bound) for part in parts]
    whole = replace(raw, row_start=blocks.ROW_GROUP_ROWS)
    same(join([clean(part, preprocessing) for part in moved]), clean(whole, preprocessing))


@settings(max_examples=50)
@given(raw=inputs(), rules=RULES, most=st.sampled_from([1, 10, 30, 10_000]))
def test_ragged_rows_equal_padded_ones(raw: RawRows, rules: Rules, most: int) -> None:
    """Whatever the blocks in which they are padded; only the storage's width means nothing."""
    stored = (raw.mz != 0) | (raw.intensity != 0)
    lengths = [int(row.nonzero()[0].max(initial=-1)) + 1 for row in stored]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    flat = np.arange(raw.mz.shape[1]) < np.array(lengths)[:, None]
    mz, intensity = (Ragged(values[flat], offsets) for values in (raw.mz, raw.intensity))
    preprocessing = Preprocessing(**asdict(rules))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ragged, "MOST_PLACES", most)
        found = clean(replace(raw, mz=mz, intensity=intensity), preprocessing)
    expected = clean(raw, preprocessing)
    stats: Any = expected.stats
    stats["flags"]["saturated"] = 0
    same(found, expected)


@settings(max_examples=30)
@given(raw=inputs(), rules=RULES, data=st.data())
def test_rows_of_another_level_are_counted_and_not_looked_at(
    raw: RawRows, rules: Rules, data: st.DataObject
) -> None:
    unwanted = np.array(data.draw(st.lists(st.booleans(), min_size=len(raw), max_size=len(raw))))
    marked = clean(replace(raw, unwanted=unwanted), Preprocessing(**asdict(rules)))
    alone = clean(raw, Preprocessing(**asdict(rules)))
    stats: Any = marked.stats
    assert stats["dropped"].get("other_ms_level", 0) == unwanted.sum()
    assert stats["read"] == stats["written"] + attrition(stats) + integrity(stats)
    wanted = [row for row in alone.source_row.tolist() if not unwanted[row]]
    assert marked.source_row.tolist() == wanted


def test_wide_spectra_are_sorted_as_narrow_ones() -> None:
    """From some width on by another algorithm; equal m/z keep their order."""
    random = np.random.default_rng(5)
    mz = random.integers(50, 900, (3, 400)).astype(np.float64)
    intensity = random.uniform(1, 9, (3, 400))
    raw = RawRows(0, 0, mz, intensity, {"precursor_mz": np.full(3, 500.0)})
    cleaned = clean(raw, Preprocessing(normalize_intensities=False))
    for row in range(3):
        order = np.argsort(mz[row], kind="stable")
        part = slice(*cleaned.offsets[row : row + 2])
        np.testing.assert_array_equal(cleaned.mzs[part], mz[row][order])
        np.testing.assert_array_equal(cleaned.ints[part], intensity[row][order].astype(np.float32))


@settings(max_examples=40)
@given(raw=inputs(), rules=RULES, first=st.integers(0, 40), rows=st.integers(1, 100))
def test_strides_do_not_matter(raw: RawRows, rules: Rules, first: int, rows: int) -> None:
    """Rows of a block that is stored column by column are looked at in another way."""
    chosen = np.arange(first, first + rows) % len(raw)
    columns = {
        name: values[chosen] if isinstance(values, np.ndarray) else values.take(pa.array(chosen))
        for name, values in raw.columns.items()
    }
    plain = replace(raw, mz=raw.mz[chosen], intensity=raw.intensity[chosen], columns=columns)
    block = np.arange(first + rows + 7) % len(raw)
    mz, intensity = (np.asfortranarray(values[block]) for values in (raw.mz, raw.intensity))
    part = slice(first, first + rows)
    by_column = replace(plain, mz=mz[part], intensity=intensity[part])
    preprocessing = Preprocessing(**asdict(rules))
    same(clean(plain, preprocessing), clean(by_column, preprocessing))
