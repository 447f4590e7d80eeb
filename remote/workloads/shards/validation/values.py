"""Every value of a row group against the rules that the dataset says it was made by.

All rows at a time; which row is at fault is only asked for where one is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from remote.workloads.shards.blocks import Ragged
from remote.workloads.shards.validation.columns import Array, Fault, column_of, fault_of
from remote.workloads.shards.validation.records import Record


@dataclass(frozen=True, slots=True)
class Rules:
    """What must hold of the values, see `settings.Preprocessing`."""

    normalized: bool
    sorted: bool
    min_peaks: int
    max_precursor_mz: float
    max_peaks: int | None = None

    @classmethod
    def of(cls, preprocessing: Record) -> Rules:
        """The rules as a manifest records them."""
        return cls(
            preprocessing["normalize_intensities"],
            preprocessing["sort_mz"],
            preprocessing["min_peaks"],
            preprocessing["max_precursor_mz"],
            preprocessing.get("max_peaks"),
        )


def faults(table: pa.Table, rules: Rules) -> Iterator[Fault]:
    """Everything that is wrong with the values of a row group, which must have rows."""
    mzs, ints = (Ragged.of(column_of(table, name)) for name in ("mzs", "ints"))
    yield from _nulls(table)
    yield from _lengths(table, mzs, ints, rules)
    yield from _mz(mzs, sort=rules.sorted)
    yield from _intensity(table, ints, normalized=rules.normalized)
    yield from _precursor(column_of(table, "precursor_mz").to_numpy(zero_copy_only=False), rules)
    yield from _sums(table)
    yield from _unknown(table)


def _nulls(table: pa.Table) -> Iterator[Fault]:
    for field in table.schema:
        if not field.nullable and table.column(field.name).null_count:
            nulls = pc.is_null(column_of(table, field.name)).to_numpy(zero_copy_only=False)
            yield from fault_of(field.name, "null", nulls, lambda _: "is null")
    for name in ("mzs", "ints"):
        column = column_of(table, name)
        if column.values.null_count:
            empty = np.zeros(0, np.int64)
            yield Fault(name, "null", empty, lambda _: "holds null in a list")


def _lengths(table: pa.Table, mzs: Ragged, ints: Ragged, rules: Rules) -> Iterator[Fault]:
    told = column_of(table, "num_peaks").to_numpy(zero_copy_only=False)
    mz, intensity = mzs.lengths, ints.lengths
    yield from fault_of(
        "ints",
        "length",
        mz != intensity,
        lambda row: f"{intensity[row]} intensities beside {mz[row]} m/z",
    )
    yield from fault_of(
        "num_peaks", "length", told != mz, lambda row: f"is {told[row]}, and mzs has {mz[row]}"
    )
    fewest = max(1, rules.min_peaks)
    yield from fault_of(
        "mzs",
        "min_peaks",
        mz < fewest,
        lambda row: f"has {mz[row]} peaks, min_peaks is {rules.min_peaks}",
    )
    if rules.max_peaks is not None:
        yield from fault_of(
            "mzs",
            "max_peaks",
            mz > rules.max_peaks,
            lambda row: f"has {mz[row]} peaks, max_peaks is {rules.max_peaks}",
        )


def _mz(mzs: Ragged, *, sort: bool) -> Iterator[Fault]:
    yield from _positive("mzs", mzs, "m/z")
    values = mzs.values
    falls = np.flatnonzero(mzs.falls()) if sort else np.zeros(0, np.intp)
    if len(falls):
        rows, places = mzs.rows_of(falls)
        yield Fault(
            "mzs",
            "not sorted",
            rows,
            lambda place: f"m/z {values[places[place]]} comes after {values[places[place] - 1]}",
        )


def _positive(column: str, lists: Ragged, what: str) -> Iterator[Fault]:
    values = lists.values
    # Not a number makes both of them so, and is neither above nor below anything.
    if not len(values) or (values.min() > 0 and values.max() < np.inf):
        return
    rows, places = lists.rows_of(np.flatnonzero(~((values > 0) & (values < np.inf))))
    yield Fault(
        column,
        "not positive",
        rows,
        lambda place: f"{what} {values[places[place]]} is not finite and above 0",
    )


def _intensity(table: pa.Table, ints: Ragged, *, normalized: bool) -> Iterator[Fault]:
    yield from _positive("ints", ints, "intensity")
    greatest = ints.greatest()
    filled = ints.lengths > 0
    if normalized:
        yield from fault_of(
            "ints",
            "base peak",
            filled & (greatest != 1),
            lambda row: f"the base peak is {greatest[row]}, not 1",
        )
        return
    base = column_of(table, "base_peak_intensity").to_numpy(zero_copy_only=False)
    yield from fault_of(
        "base_peak_intensity",
        "base peak",
        filled & (greatest != base),
        lambda row: f"is {base[row]}, and the base peak of ints is {greatest[row]}",
    )


def _not_positive(column: str, values: Array, positive: Array) -> Iterator[Fault]:
    yield from fault_of(
        column,
        "not positive",
        ~(positive & (values < np.inf)),
        lambda row: f"{values[row]} is not finite and above 0",
    )


def _precursor(values: Array, rules: Rules) -> Iterator[Fault]:
    yield from _not_positive("precursor_mz", values, values > 0)
    limit = rules.max_precursor_mz
    yield from fault_of(
        "precursor_mz",
        "above limit",
        (values > limit) & (values < np.inf),
        lambda row: f"{values[row]} is above max_precursor_mz {limit}",
    )


def _sums(table: pa.Table) -> Iterator[Fault]:
    """Base peak and total as in the source: the total has the base peak in it."""
    base, tic = (
        column_of(table, name).to_numpy(zero_copy_only=False).astype(np.float64)
        for name in ("base_peak_intensity", "tic")
    )
    # As float32 what is very small is 0.
    yield from _not_positive("base_peak_intensity", base, base >= 0)
    yield from _not_positive("tic", tic, tic > 0)
    rounding = 1 - 2.0**-23
    yield from fault_of(
        "tic",
        "below base peak",
        tic < base * rounding,
        lambda row: f"is {tic[row]}, less than base_peak_intensity {base[row]}",
    )


def _unknown(table: pa.Table) -> Iterator[Fault]:
    """What is unknown is null, and never NaN."""
    for field in table.schema:
        if field.nullable and pa.types.is_floating(field.type):
            wrong = pc.fill_null(pc.is_nan(column_of(table, field.name)), False)
            yield from fault_of(
                field.name,
                "nan",
                wrong.to_numpy(zero_copy_only=False),
                lambda _: "is NaN, not null",
            )
