"""One frozen input per cleaning rule, with the exact rows that come out."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.clean import clean
from remote.workloads.shards.settings import Preprocessing
from tests.unit.shards.raws import Peaks, raw_rows

NAN, INF = math.nan, math.inf
GOOD: Peaks = [(100.0, 5.0), (200.0, 10.0)]


@dataclass(frozen=True)
class Case:
    """`spectra` in; `rows` out: source row, m/z, intensities."""

    name: str
    spectra: list[Peaks]
    rows: list[tuple[int, list[float], list[float]]]
    rules: Preprocessing = field(default_factory=Preprocessing)
    precursors: list[float] | None = None
    dropped: dict[str, int] = field(default_factory=dict)
    removed: dict[str, int] = field(default_factory=dict)


GOOD_ROW = [100.0, 200.0], [0.5, 1.0]
LENIENT = Preprocessing(filter_nonfinite=False)
CASES = [
    Case("padding goes", [GOOD], [(0, *GOOD_ROW)]),
    Case(
        "an inner pair of zeros is no padding",
        [[(100, 5), (0, 0), (200, 10)], GOOD],
        [(1, *GOOD_ROW)],
        dropped={"peak_mz_not_positive": 1},
    ),
    Case(
        "half a pair of zeros ends no padding",
        [[*GOOD, (300, 0)], [*GOOD, (0, 3)]],
        [(0, *GOOD_ROW)],
        dropped={"peak_mz_not_positive": 1},
        removed={"intensity_zero": 1},
    ),
    Case(
        "a non-finite value condemns the spectrum",
        [[(NAN, 5), (200, 10)], [(100, INF), (200, 10)], [(100, 5), (200, NAN)], GOOD],
        [(3, *GOOD_ROW)],
        dropped={"peak_non_finite": 3},
    ),
    Case(
        "with filter_nonfinite off only the peak",
        [[(NAN, 5), *GOOD], [*GOOD, (300, -INF)], [(100, 5), (150, NAN), (200, 10)]],
        [(0, *GOOD_ROW), (1, *GOOD_ROW), (2, *GOOD_ROW)],
        LENIENT,
        removed={"non_finite": 3},
    ),
    Case(
        "m/z at or below zero",
        [[(0, 5), *GOOD], [(-1, 5), *GOOD]],
        [],
        dropped={"peak_mz_not_positive": 2},
    ),
    Case(
        "m/z at or below zero, peak only",
        [[(0, 5), *GOOD], [(-1, 5), *GOOD]],
        [(0, *GOOD_ROW), (1, *GOOD_ROW)],
        LENIENT,
        removed={"mz_not_positive": 2},
    ),
    Case(
        "negative intensity",
        [[*GOOD, (300, -0.1)]],
        [],
        dropped={"peak_intensity_negative": 1},
    ),
    Case(
        "negative intensity, peak only",
        [[*GOOD, (300, -0.1)]],
        [(0, *GOOD_ROW)],
        LENIENT,
        removed={"intensity_negative": 1},
    ),
    Case(
        "zero intensity at a valid m/z is left out",
        [[(100, 5), (150, 0), (200, 10)]],
        [(0, *GOOD_ROW)],
        removed={"intensity_zero": 1},
    ),
    Case(
        "an intensity that float32 cannot tell from zero is left out",
        [[(100, 5), (150, 1e-60), (200, 10)]],
        [(0, *GOOD_ROW)],
        removed={"intensity_zero": 1},
    ),
    Case(
        "a precursor must be finite and positive",
        [GOOD] * 5,
        [(4, *GOOD_ROW)],
        precursors=[NAN, INF, 0.0, -3.0, 0.5],
        dropped={"precursor_invalid": 4},
    ),
    Case(
        "max_precursor_mz is inclusive",
        [GOOD] * 2,
        [(0, *GOOD_ROW)],
        Preprocessing(max_precursor_mz=1000.0),
        precursors=[1000.0, math.nextafter(1000.0, 2000.0)],
        dropped={"precursor_above_limit": 1},
    ),
    Case(
        "min_peaks counts what is left",
        [GOOD, [*GOOD, (300, 0)], [*GOOD, (300, 2.5)]],
        [(2, [100.0, 200.0, 300.0], [0.5, 1.0, 0.25])],
        Preprocessing(min_peaks=3),
        dropped={"too_few_peaks": 2},
    ),
    Case("an empty spectrum has too few peaks", [[]], [], dropped={"too_few_peaks": 1}),
    Case(
        "integrity comes before attrition",
        [[(NAN, 1)], GOOD],
        [],
        precursors=[3000.0, 3000.0],
        dropped={"peak_non_finite": 1, "precursor_above_limit": 1},
    ),
    Case(
        "sort_mz is stable",
        [[(200, 10), (100, 1), (200, 5), (100, 2)]],
        [(0, [100.0, 100.0, 200.0, 200.0], [0.1, 0.2, 1.0, 0.5])],
    ),
    Case(
        "without sort_mz the order stays",
        [[(200, 10), (100, 5)]],
        [(0, [200.0, 100.0], [1.0, 0.5])],
        Preprocessing(sort_mz=False),
    ),
    Case(
        "without normalize_intensities the units stay",
        [GOOD],
        [(0, [100.0, 200.0], [5.0, 10.0])],
        Preprocessing(normalize_intensities=False),
    ),
    Case(
        "peaks above the precursor stay",
        [[(100, 5), (200, 10), (900, 5)]],
        [(0, [100.0, 200.0, 900.0], [0.5, 1.0, 0.5])],
    ),
    Case(
        "a full row has no padding",
        [[(100.0 + i, 1.0) for i in range(8)]],
        [(0, [100.0 + i for i in range(8)], [1.0] * 8)],
    ),
]


def rows_of(cleaned: CleanRows) -> list[tuple[int, list[float], list[float]]]:
    """Source row, m/z and intensities of each kept spectrum."""
    return [
        (int(row), cleaned.mzs[a:b].tolist(), cleaned.ints[a:b].tolist())
        for row, a, b in zip(
            cleaned.source_row, cleaned.offsets[:-1], cleaned.offsets[1:], strict=True
        )
    ]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_rule(case: Case, dtype: str) -> None:
    cleaned = clean(raw_rows(case.spectra, case.precursors, dtype=dtype), case.rules)
    expected = [(row, mzs, np.array(ints, np.float32).tolist()) for row, mzs, ints in case.rows]
    assert rows_of(cleaned) == expected
    assert cleaned.stats["dropped"] == case.dropped
    removed = cleaned.stats["removed"]
    assert isinstance(removed, dict)
    assert {reason: n for reason, n in removed.items() if n} == case.removed


def test_base_peak_and_total_are_kept_in_source_units() -> None:
    cleaned = clean(raw_rows([[(100, 5), (200, 10), (300, 0.25)]]), Preprocessing())
    assert cleaned.columns["base_peak_intensity"].tolist() == [10.0]
    assert cleaned.columns["base_peak_intensity"].dtype == np.float32
    assert cleaned.columns["tic"].tolist() == [15.25]


def test_intensity_beyond_float32_is_not_finite() -> None:
    cleaned = clean(raw_rows([[(100, 1e39), (200, 1)]]), Preprocessing())
    assert cleaned.stats["dropped"] == {"peak_non_finite": 1}


def test_columns_follow_the_kept_rows() -> None:
    raw = raw_rows([GOOD, [], GOOD], row_start=7, charge=np.array([2, 1, 0], np.int8))
    cleaned = clean(raw, Preprocessing())
    assert cleaned.columns["charge"].tolist() == [2, 0]
    assert cleaned.source_row.tolist() == [7, 9]
    assert cleaned.stats["examples"] == {"too_few_peaks": [[0, 8]]}


def test_flags() -> None:
    full = [(100.0 + i, 1.0) for i in range(8)]
    raw = raw_rows(
        [full, [(200, 1), (100, 1)], [(100, 1), (600, 1)]],
        charge=np.array([0, 1, 0], np.int8),
    )
    assert clean(raw, Preprocessing()).stats["flags"] == {
        "saturated": 1,
        "charge_unknown": 2,
        "sorted": 1,
        "peaks_above_precursor": 1,
    }


def test_fingerprints_tell_peaks_and_precursor_apart() -> None:
    changed = [(100.0, 5.0), (200.0, 11.0)]
    raw = raw_rows([GOOD, GOOD, changed, GOOD], [500.0, 500.0, 500.0, 501.0])
    a, b, c, d = clean(raw, Preprocessing()).fingerprints.tolist()
    assert a == b
    assert len({a, c, d}) == 3


def test_fingerprints_ignore_the_width_of_floats_and_the_rules() -> None:
    wide = clean(raw_rows([GOOD], width=16), Preprocessing()).fingerprints
    narrow = clean(
        raw_rows([GOOD], dtype="float32"), Preprocessing(normalize_intensities=False)
    ).fingerprints
    assert wide.tolist() == narrow.tolist()
    assert wide.tolist() == FROZEN_FINGERPRINT


FROZEN_FINGERPRINT = [1319142960466532391]
