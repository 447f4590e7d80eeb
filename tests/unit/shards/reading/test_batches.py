"""Batches for training: every spectrum once, in an order that a seed fixes, whoever reads."""

from __future__ import annotations

import pickle
import re
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.errors import IntegrityFailure, PackageMissing, UsageError
from remote.workloads.shards import numpy_batches, read_shards, to_torch
from remote.workloads.shards.reading.batches import Batch
from tests.unit.shards.reading.breaking import break_page

ALL = 12_995


def rows_of(batches: Iterable[Batch]) -> list[int]:
    return [row for batch in batches for row in batch["source_row"].tolist()]


def with_rows(dataset: Path, **given: Any) -> Any:
    columns = ["mzs", "ints", "precursor_mz", "source_row"]
    return read_shards(dataset, columns=columns, **given)


def test_a_path_gives_peaks_precursor_and_charge(dataset: Path) -> None:
    batches = numpy_batches(dataset, batch_size=500)
    batch = next(iter(batches))
    assert list(batch) == ["mzs", "ints", "mask", "precursor_mz", "charge"]
    assert (batch["mzs"].dtype, batch["ints"].dtype) == (np.float64, np.float32)
    assert batch["mzs"].shape == batch["mask"].shape == (500, 12)
    assert batch["charge"].shape == (500,)
    assert len(batches) == len(list(batches))


def test_padded_and_ragged_hold_the_same_peaks(dataset: Path) -> None:
    table = read_shards(dataset).table()
    both = [numpy_batches(dataset, batch_size=1_000, layout=x) for x in ("padded", "ragged")]
    for padded, ragged in zip(*both, strict=True):
        mask = padded["mask"]
        assert np.array_equal(np.diff(ragged["offsets"]), mask.sum(axis=1))
        assert np.array_equal(padded["mzs"][mask], ragged["mzs"])
        assert np.array_equal(padded["ints"][mask], ragged["ints"])
    first = next(iter(both[1]))
    assert first["mzs"].tolist() == [mz for mzs in table["mzs"][:1_000].to_pylist() for mz in mzs]


@pytest.mark.parametrize("layout", ["padded", "ragged"])
def test_a_width_takes_the_most_intense_peaks(dataset: Path, layout: Any) -> None:
    batch = next(iter(numpy_batches(dataset, batch_size=50, layout=layout, width=3)))
    expected = []
    for row in read_shards(dataset, columns=["mzs", "ints"]).table().slice(0, 50).to_pylist():
        strongest = sorted(zip(row["mzs"], row["ints"], strict=True), key=lambda x: -x[1])[:3]
        expected += [mz for mz, _ in sorted(strongest)]
    found = batch["mzs"][batch["mask"]] if layout == "padded" else batch["mzs"]
    assert found.tolist() == expected
    if layout == "padded":
        assert batch["mzs"].shape == (50, 3)


@settings(max_examples=30)
@given(
    size=st.integers(1, 6_000),
    unit=st.integers(1, 4),
    workers=st.integers(1, 4),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    seed=st.integers(0, 99),
)
def test_workers_share_the_batches_and_none_is_read_twice(
    dataset: Path, size: int, unit: int, workers: int, shuffle: bool, drop_last: bool, seed: int
) -> None:
    size = max(size, 60)  # one by one takes long
    alone = numpy_batches(
        with_rows(dataset),
        batch_size=size,
        unit=unit,
        shuffle=shuffle,
        seed=seed,
        drop_last=drop_last,
    )
    whole = list(alone)
    assert len(alone) == len(whole)
    assert all(len(batch["source_row"]) == size for batch in whole) or not drop_last
    parts = [list(replace(alone, part=(x, workers))) for x in range(workers)]
    shared = [tuple(rows_of([batch])) for part in parts for batch in part]
    assert sorted(shared) == sorted(tuple(rows_of([batch])) for batch in whole)
    rows = rows_of(whole)
    assert len(set(rows)) == len(rows)
    if not drop_last:
        assert len(rows) == ALL
        assert shuffle or rows == sorted(rows)


def test_the_order_is_that_of_seed_and_epoch(dataset: Path) -> None:
    def order(**given: Any) -> list[int]:
        return rows_of(numpy_batches(with_rows(dataset), shuffle=True, unit=2, **given))

    first = order(seed=1)
    assert first == order(seed=1)
    others = [order(seed=2), order(seed=1, epoch=1), order(seed=1, epoch=2)]
    assert all(other != first for other in others)
    assert len({tuple(other) for other in others}) == 3
    assert all(sorted(other) == sorted(first) for other in others)
    # Row groups come in another order, and spectra of several are mixed.
    assert len({row // 5_000 for row in order(seed=3)[:500]}) == 2


def test_a_pickled_copy_goes_on_with_the_same(dataset: Path) -> None:
    batches = numpy_batches(
        with_rows(dataset, filters=[("precursor_mz", "<", 900)]), shuffle=True, seed=5
    )
    assert rows_of(pickle.loads(pickle.dumps(batches))) == rows_of(batches)


def test_filters_and_names_of_a_view_are_kept(dataset: Path) -> None:
    view = read_shards(
        dataset,
        columns=["mzs", "ints", "charge", "source_file", "rt"],
        filters=[("charge", "==", 2)],
        names="depthcharge",
    )
    batches = numpy_batches(view, batch_size=400)
    found = list(batches)
    assert len(batches) == len(found)
    assert sum(len(batch["rt"]) for batch in found) == len(view)
    first = found[0]
    expected = ["mz_array", "intensity_array", "mask", "precursor_charge", "source_file", "rt"]
    assert list(first) == expected
    assert set(first["precursor_charge"].tolist()) == {2}
    assert all(isinstance(name, str) for name in first["source_file"])


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"width": 0}, "width is 0"),
        ({"unit": 0}, "unit is 0"),
        ({"layout": "flat"}, "no layout 'flat'"),
        ({"seed": -1}, "seed is -1"),
    ],
)
def test_options_that_make_no_sense(dataset: Path, given: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        numpy_batches(dataset, **given)


def test_a_view_without_peaks_is_refused(dataset: Path) -> None:
    with pytest.raises(UsageError, match="ints"):
        numpy_batches(read_shards(dataset, columns=["mzs"]))


def test_damage_is_an_error_that_names_the_file(copy: Path) -> None:
    path = sorted(copy.glob("train/*.parquet"))[1]
    break_page(path)
    with pytest.raises(IntegrityFailure, match=re.escape(str(path))):
        list(numpy_batches(copy))


def test_without_torch_the_error_says_what_to_install(
    dataset: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(PackageMissing, match=r"add-package.sh torch"):
        to_torch(dataset)
