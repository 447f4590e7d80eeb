"""Cleaning: which spectra are kept, which peaks, and how they are scaled.

A row's result depends on that row and the rules alone, never on the block it was read with.

- Padding is the trailing run where m/z and intensity are both exactly 0. Before it a peak with
  a value that is not finite (in float32, as intensities are written), m/z <= 0 or negative
  intensity is an integrity error of its spectrum; with `filter_nonfinite` off only that peak
  is left out. A peak of zero intensity at a valid m/z is left out; so is one so far below the
  base peak that float32 has no value for it. Of those that are left `max_peaks` keeps the most
  intense, among equals those of lower m/z.
- A spectrum of another MS level than is asked for is attrition, and is not looked at.
- A precursor that is not finite or <= 0 is an integrity error. Above `max_precursor_mz`, or
  with fewer than `min_peaks` peaks left, the spectrum is attrition. Integrity comes first.
- Intensities are divided by the base peak, peaks put in stable order of m/z, as the rules say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from remote.workloads.shards import kernels
from remote.workloads.shards.bins import bin_counter
from remote.workloads.shards.blocks import CleanRows, RawRows, join, taken
from remote.workloads.shards.counts import (
    HISTOGRAMS,
    INTEGRITY,
    MAX_EXAMPLES,
    REASONS,
    REMOVED,
    empty,
)
from remote.workloads.shards.inputs.ragged import padded
from remote.workloads.shards.settings import Preprocessing

Array = npt.NDArray[Any]

# Counted by the compiled loop, in its order.
_OF_PEAKS = ("mz", "mz_defect", "intensity_log2")


def clean(raw: RawRows, rules: Preprocessing) -> CleanRows:
    """Apply the rules to rows of one row group (or a part of one)."""
    parts = [_clean(part, rules) for part in padded(raw)]
    return parts[0] if len(parts) == 1 else join(parts)


def _clean(raw: RawRows, rules: Preprocessing) -> CleanRows:
    rows, width = raw.mz.shape
    room = kernels.scratch(rows, width)
    of_peaks = {name: np.zeros(len(HISTOGRAMS[name]), np.int64) for name in _OF_PEAKS}
    precursor = np.ascontiguousarray(raw.columns["precursor_mz"], np.float64)
    mz, intensity = kernels.by_columns(raw.mz), kernels.by_columns(raw.intensity)
    by_column = mz is not None and intensity is not None
    kept, peaks, rounding = kernels.cleaner(raw.mz.dtype, by_column=by_column)(
        mz if by_column else raw.mz,
        intensity if by_column else raw.intensity,
        by_column,
        precursor,
        rules.normalize_intensities,
        rules.sort_mz,
        rules.filter_nonfinite,
        rules.min_peaks,
        rules.max_precursor_mz,
        rules.max_peaks or 0,
        np.zeros(rows, np.bool_) if raw.unwanted is None else raw.unwanted,
        *room.values(),
        *of_peaks.values(),
    )
    survivors = np.flatnonzero(room["fate"] == kernels.KEPT)
    columns = {
        **{name: taken(values, survivors) for name, values in raw.columns.items()},
        "precursor_mz": precursor[survivors],
        "base_peak_intensity": room["base_peaks"][:kept].astype(np.float32),
        "tic": room["tics"][:kept].copy(),
    }
    lengths = room["lengths"][:kept]
    stats = _stats(raw, room, columns, lengths, rounding)
    stats["histograms"].update({name: found.tolist() for name, found in of_peaks.items()})
    return CleanRows(
        input_index=raw.input_index,
        row_start=raw.row_start,
        row_stop=raw.row_start + rows,
        source_row=survivors + raw.row_start,
        offsets=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        mzs=room["out_mz"][:peaks].copy(),
        ints=room["out_intensity"][:peaks].copy(),
        columns=columns,
        stats=stats,
        fingerprints=room["hashes"][:kept].copy(),
    )


def _stats(
    raw: RawRows,
    room: Mapping[str, Array],
    columns: Mapping[str, Any],
    lengths: npt.NDArray[np.int64],
    rounding: float,
) -> dict[str, Any]:
    counters = room["counters"].tolist()
    stats = empty()
    stats["read"] = len(raw)
    stats["written"] = len(lengths)
    stats["dropped"], stats["examples"] = _dropped(raw, room["fate"])
    stats["peaks"] = {
        "read": counters[kernels.PEAKS_READ],
        "written": counters[kernels.PEAKS_WRITTEN],
        "in_dropped": counters[kernels.PEAKS_IN_DROPPED],
        "above_precursor": counters[kernels.PEAKS_ABOVE_PRECURSOR],
    }
    removed = counters[kernels.REMOVED_NON_FINITE : kernels.REMOVED_CAPPED + 1]
    stats["removed"] = dict(zip(REMOVED, removed, strict=True))
    charge = columns.get("charge")
    stats["flags"] = {
        "saturated": counters[kernels.SATURATED],
        "charge_unknown": len(lengths) if charge is None else int(np.count_nonzero(charge == 0)),
        "sorted": counters[kernels.SORTED],
        "peaks_above_precursor": counters[kernels.ROWS_ABOVE_PRECURSOR],
    }
    stats["extremes"] = {"mz_rounding_ppm": rounding * 1e6}
    stats["histograms"] = _histograms(columns, lengths, room["base_peaks"][: len(lengths)])
    stats["files"] = _files(raw, room["fate"])
    return stats


def _dropped(raw: RawRows, fate: Array) -> tuple[dict[str, int], dict[str, list[list[int]]]]:
    dropped: dict[str, int] = {}
    examples: dict[str, list[list[int]]] = {}
    if not fate.any():
        return dropped, examples
    for code, reason in enumerate(REASONS, start=1):
        rows = np.flatnonzero(fate == code)
        if len(rows):
            dropped[reason] = len(rows)
            first = (rows[:MAX_EXAMPLES] + raw.row_start).tolist()
            examples[reason] = [[raw.input_index, row] for row in first]
    return dropped, examples


def _histograms(
    columns: Mapping[str, Any], lengths: npt.NDArray[np.int64], base_peaks: Array
) -> dict[str, list[int]]:
    """Histograms of the kept rows, of those quantities that the input has."""
    precursor = columns["precursor_mz"]
    values: dict[str, Array] = {
        "precursor_mz": precursor,
        "precursor_defect": precursor - np.floor(precursor),
        **{name: columns[name] for name in ("rt", "charge") if name in columns},
    }
    return {
        "num_peaks": _by_number(lengths, HISTOGRAMS["num_peaks"]),
        "base_peak_log2": _by_exponent(base_peaks, HISTOGRAMS["base_peak_log2"]),
        "tic_log2": _by_exponent(columns["tic"], HISTOGRAMS["tic_log2"]),
        **{name: _by_value(found, HISTOGRAMS[name]) for name, found in values.items()},
    }


def _by_value(values: Array, edges: Sequence[float]) -> list[int]:
    counts = np.zeros(len(edges), np.int64)
    bin_counter()(values.astype(np.float64), _array(edges), counts)
    found: list[int] = counts.tolist()
    return found


@cache
def _array(edges: Sequence[float]) -> npt.NDArray[np.float64]:
    return np.array(edges, np.float64)


def _by_number(values: npt.NDArray[np.int64], edges: Sequence[float]) -> list[int]:
    """The same for small whole numbers and edges of any distance."""
    most = int(edges[-1])
    numbers = np.bincount(np.minimum(values, most), minlength=most + 1)
    found: list[int] = np.add.reduceat(numbers, np.array(edges, np.int64)).tolist()
    return found


def _by_exponent(values: Array, edges: Sequence[float]) -> list[int]:
    """The same for the binary logarithm of values above 0.

    Taken from the numbers' exponents: a logarithm may differ in its last bit from one machine to
    another, and the reports with it.
    """
    exponents = np.frexp(values)[1] - 1
    places = np.clip(exponents - int(edges[0]), 0, len(edges) - 1)
    found: list[int] = np.bincount(places, minlength=len(edges)).tolist()
    return found


def _files(raw: RawRows, fate: Array) -> dict[str, list[int]]:
    """Rows read, kept, and with impossible values, by the source file that the input names."""
    names: Any = raw.columns.get("source_file")
    if names is None:
        return {}
    encoded = names if pa.types.is_dictionary(names.type) else names.dictionary_encode()
    codes = pc.fill_null(encoded.indices, -1).to_numpy(zero_copy_only=False) + 1
    labels = ["", *encoded.dictionary.to_pylist()]
    read = np.bincount(codes, minlength=len(labels)).tolist()
    counted = [read, read, [0] * len(labels)]
    if fate.any():
        broken = (fate > kernels.KEPT) & (fate <= len(INTEGRITY))
        counted[1:] = [
            np.bincount(codes[chosen], minlength=len(labels)).tolist()
            for chosen in (fate == kernels.KEPT, broken)
        ]
    return {
        name: list(numbers) for name, *numbers in zip(labels, *counted, strict=True) if numbers[0]
    }
