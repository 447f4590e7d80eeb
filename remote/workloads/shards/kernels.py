"""The compiled inner loop of cleaning: one pass over the rows of a block.

Compiled once for each width of floats that inputs have, and each order of rows. It sums in
stored order, so that results are the same however many threads run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.compiled import compiled

# Places in the counters that `clean_rows` adds to.
PEAKS_READ, PEAKS_WRITTEN, PEAKS_IN_DROPPED, PEAKS_ABOVE_PRECURSOR = 0, 1, 2, 3
REMOVED_NON_FINITE, REMOVED_MZ, REMOVED_NEGATIVE, REMOVED_ZERO = 4, 5, 6, 7
REMOVED_CAPPED = 8
SATURATED, SORTED, ROWS_ABOVE_PRECURSOR = 9, 10, 11
COUNTERS = 12

# A row's fate: 0 kept, else 1 + its place in counts.REASONS.
KEPT, PRECURSOR_INVALID, NON_FINITE, MZ_NOT_POSITIVE, NEGATIVE, ABOVE_LIMIT, TOO_FEW = range(7)
OTHER_LEVEL = 7

LARGEST = float(np.finfo(np.float32).max)

# Peaks from which on a sort by moving each to its place would take longer than a merge sort.
_MANY = 64
# Rows whose padding is looked for together. More of them do not stay in the nearest cache.
_TILE = 16
# Of the histograms of peaks (counts.HISTOGRAMS): powers of two, so that bins are exact.
_DEFECT_BINS = 64  # a m/z
_DEFECT_BINS_A_MZ_BIN = 32 * _DEFECT_BINS
_FLOAT32_MANTISSA = np.uint32(23)
_FAINTEST = 127 - 20  # the exponent that float32 stores for 2 ** -20


def clean_rows(  # noqa: C901  (one pass; a call per peak would cost more than the work)
    mz: Any,
    intensity: Any,
    by_column: bool,
    precursor: Any,
    normalize: bool,
    sort: bool,
    drop_damaged: bool,
    min_peaks: int,
    max_precursor: float,
    max_peaks: int,
    unwanted: Any,
    out_mz: Any,
    out_intensity: Any,
    fate: Any,
    lengths: Any,
    base_peaks: Any,
    tics: Any,
    hashes: Any,
    counters: Any,
    mz_histogram: Any,
    defect_histogram: Any,
    intensity_histogram: Any,
) -> tuple[int, int, float]:
    """Clean every row; write the kept ones one after the other.

    Args:
        mz, intensity: (n or more, P) float64 or float32, of which the first n rows are read.
        by_column: rows are the dense axis.
        precursor: (n,) float64.
        drop_damaged: drop a spectrum with an offending peak; else only the peak.
        max_peaks: how many peaks a spectrum keeps, the most intense ones; 0 for all.
        unwanted: (n,) bool, rows that are not to be looked at.
        out_mz: (n * P,) float64; out_intensity: (n * P,) float32.
        fate: (n,) uint8, a row's fate.
        lengths: (n,) int64, base_peaks, tics: (n,) float64, hashes: (n,) uint64: by kept row.
        counters: (COUNTERS,) int64, added to.
        mz_histogram, defect_histogram, intensity_histogram: (bins,) int64, added to: of the kept
            peaks m/z, its fractional part, and the intensity over the base peak's, by halvings.

    Returns:
        Kept rows, kept peaks, and the greatest relative rounding of m/z to float32.
    """
    rows, width = precursor.shape[0], mz.shape[1]
    unpadded = np.empty(_TILE, np.int64)
    peak_mz = np.empty(width, np.float64)
    peak_int = np.empty(width, np.float64)
    mz_bits = peak_mz.view(np.uint64)
    int_bits = peak_int.view(np.uint64)
    shares = np.empty(width, np.float32)
    share_bits = shares.view(np.uint32)
    mixer = np.uint64(0x9E3779B97F4A7C15)
    shift = np.uint64(32)
    last_bin = mz_histogram.shape[0] - 1
    kept = 0
    at = 0
    rounding = 0.0
    for row in range(rows):
        place = row % _TILE
        if place == 0:
            # Where rows are the dense axis, a tile of them is looked at column by column: what
            # it fetches from memory serves all its rows, and several are compared at a time.
            tile = min(_TILE, rows - row) if by_column else 0
            for at_row in range(tile):
                unpadded[at_row] = 0
            for column in range(width if by_column else 0):
                for at_row in range(tile):
                    if mz[row + at_row, column] != 0 or intensity[row + at_row, column] != 0:
                        unpadded[at_row] = column + 1
        if unwanted[row]:
            fate[row] = OTHER_LEVEL
            continue
        length = unpadded[place] if by_column else width
        while length > 0 and mz[row, length - 1] == 0 and intensity[row, length - 1] == 0:
            length -= 1
        counters[PEAKS_READ] += length
        if length == width:
            counters[SATURATED] += 1
        limit = precursor[row]
        verdict = KEPT
        if not np.isfinite(limit) or limit <= 0:
            verdict = PRECURSOR_INVALID

        # Valid peaks move to the front of the scratch rows; the hash is of what is stored.
        mz_hash = np.uint64(0)
        int_hash = mixer
        count = 0
        base = 0.0
        in_order = True
        previous = 0.0
        bad_values = 0
        bad_mz = 0
        bad_negative = 0
        for place in range(length):
            m = np.float64(mz[row, place])
            x = np.float64(intensity[row, place])
            peak_mz[count] = m
            peak_int[count] = x
            mz_hash = (mz_hash ^ mz_bits[count]) * mixer
            mz_hash ^= mz_hash >> shift
            int_hash = (int_hash ^ int_bits[count]) * mixer
            int_hash ^= int_hash >> shift
            reason = KEPT
            if not (abs(m) <= LARGEST and abs(x) <= LARGEST):
                reason = NON_FINITE
                bad_values += 1
            elif m <= 0:
                reason = MZ_NOT_POSITIVE
                bad_mz += 1
            elif x < 0:
                reason = NEGATIVE
                bad_negative += 1
            if reason != KEPT:
                if verdict == KEPT and drop_damaged:
                    verdict = reason
                continue
            if x > base:
                base = x
            if m < previous:
                in_order = False
            previous = m
            count += 1
        if verdict == KEPT and limit > max_precursor:
            verdict = ABOVE_LIMIT

        # Scale, leave out what is zero as stored or as float32, and sum what is left.
        start = at
        zeros = 0
        tic = 0.0
        above = 0
        capped = 0
        if verdict == KEPT:
            if sort and not in_order and count > _MANY:
                order = np.argsort(peak_mz[:count], kind="mergesort")
                peak_mz[:count] = peak_mz[:count][order]
                peak_int[:count] = peak_int[:count][order]
            elif sort and not in_order:
                for place in range(1, count):
                    m = peak_mz[place]
                    x = peak_int[place]
                    slot = place
                    while slot > 0 and peak_mz[slot - 1] > m:
                        peak_mz[slot] = peak_mz[slot - 1]
                        peak_int[slot] = peak_int[slot - 1]
                        slot -= 1
                    peak_mz[slot] = m
                    peak_int[slot] = x
            for place in range(count):
                x = peak_int[place]
                value = np.float32(x / base) if normalize and x > 0 else np.float32(x)
                if value == 0:
                    zeros += 1
                    continue
                out_mz[at] = peak_mz[place]
                out_intensity[at] = value
                shares[at - start] = value if normalize else np.float32(x / base)
                at += 1
                tic += x
            if 0 < max_peaks < at - start:
                # In source units: what differs there can be equal as float32.
                kept_peaks = 0
                for place in range(count):
                    x = peak_int[place]
                    if np.float32(x / base if normalize and x > 0 else x) != 0:
                        peak_mz[kept_peaks] = peak_mz[place]
                        peak_int[kept_peaks] = x
                        kept_peaks += 1
                by_mz = np.argsort(peak_mz[:kept_peaks], kind="mergesort")
                falling = -peak_int[:kept_peaks][by_mz]
                strongest = by_mz[np.argsort(falling, kind="mergesort")[:max_peaks]]
                capped = kept_peaks - max_peaks
                at = start
                for place in np.sort(strongest):
                    x = peak_int[place]
                    out_mz[at] = peak_mz[place]
                    out_intensity[at] = np.float32(x / base) if normalize else np.float32(x)
                    shares[at - start] = np.float32(x / base)
                    at += 1
            if at - start < min_peaks:
                verdict = TOO_FEW
                at = start

        fate[row] = verdict
        if verdict != KEPT:
            counters[PEAKS_IN_DROPPED] += length
            continue
        for place in range(start, at):
            m = out_mz[place]
            if m > limit:
                above += 1
            error = abs(np.float64(np.float32(m)) - m)
            if error > rounding * m:
                rounding = error / m
            # Compared as floats: m/z can be too large for an integer.
            bins = m * _DEFECT_BINS
            if bins < last_bin * _DEFECT_BINS_A_MZ_BIN:
                whole = np.uint64(bins)
                mz_histogram[whole // np.uint64(_DEFECT_BINS_A_MZ_BIN)] += 1
                defect_histogram[whole % np.uint64(_DEFECT_BINS)] += 1
            else:
                mz_histogram[last_bin] += 1
                defect_histogram[int((m - np.floor(m)) * _DEFECT_BINS)] += 1
            halvings = np.int64(share_bits[place - start] >> _FLOAT32_MANTISSA) - _FAINTEST
            intensity_histogram[halvings if halvings > 0 else 0] += 1
        counters[REMOVED_NON_FINITE] += bad_values
        counters[REMOVED_MZ] += bad_mz
        counters[REMOVED_NEGATIVE] += bad_negative
        counters[REMOVED_ZERO] += zeros
        counters[REMOVED_CAPPED] += capped
        counters[PEAKS_ABOVE_PRECURSOR] += above
        counters[ROWS_ABOVE_PRECURSOR] += 1 if above else 0
        counters[SORTED] += 1 if sort and not in_order else 0
        counters[PEAKS_WRITTEN] += at - start
        lengths[kept] = at - start
        base_peaks[kept] = base
        tics[kept] = tic
        peak_mz[0] = limit
        mz_hash = (mz_hash ^ mz_bits[0]) * mixer
        mz_hash ^= mz_hash >> shift
        mz_hash = (mz_hash ^ int_hash) * mixer
        hashes[kept] = mz_hash ^ (mz_hash >> shift)
        kept += 1
    return kept, at, rounding


def by_columns(plane: npt.NDArray[Any]) -> npt.NDArray[Any] | None:
    """Rows of a block that is stored column by column, as an array that is seen to be dense.

    It begins with these rows and is said to have as many as the whole block, so that it reaches
    beyond the block's end: only the rows of `plane` may be touched. None where rows are not the
    dense axis.
    """
    rows = plane.strides[1] // plane.itemsize
    narrow = plane.shape[1] < 2  # dense both ways, and so not known for rows
    if narrow or plane.strides[0] != plane.itemsize or rows < len(plane) or len(plane) < _TILE:
        return None
    return np.lib.stride_tricks.as_strided(plane, (rows, plane.shape[1]), writeable=False)


@cache
def cleaner(dtype: np.dtype[Any], *, by_column: bool) -> Callable[..., tuple[int, int, float]]:
    """`clean_rows`, compiled for inputs of one float type (float64 or float32) and one order."""
    import numba
    from numba import types

    peaks = types.Array(numba.from_dtype(dtype), 2, "F" if by_column else "A", readonly=True)

    def row(kind: Any) -> Any:
        return types.Array(kind, 1, "C")

    result: Any = types.Tuple
    signature = result((types.int64, types.int64, types.float64))(
        peaks,
        peaks,
        types.boolean,
        types.Array(types.float64, 1, "C", readonly=True),
        types.boolean,
        types.boolean,
        types.boolean,
        types.int64,
        types.float64,
        types.int64,
        types.Array(types.boolean, 1, "C", readonly=True),
        row(types.float64),
        row(types.float32),
        row(types.uint8),
        row(types.int64),
        row(types.float64),
        row(types.float64),
        row(types.uint64),
        row(types.int64),
        *[row(types.int64)] * 3,
    )
    return compiled(clean_rows, signature)


_own = threading.local()


def scratch(rows: int, width: int) -> dict[str, npt.NDArray[Any]]:
    """Room for the results of `clean_rows`, by argument name.

    The peaks' room is the thread's own and is used again by its next call.
    """
    if rows * width > getattr(_own, "size", 0):
        _own.size = rows * width
        _own.peaks = (np.empty(_own.size, np.float64), np.empty(_own.size, np.float32))
    return {
        "out_mz": _own.peaks[0],
        "out_intensity": _own.peaks[1],
        "fate": np.empty(rows, np.uint8),
        "lengths": np.empty(rows, np.int64),
        "base_peaks": np.empty(rows, np.float64),
        "tics": np.empty(rows, np.float64),
        "hashes": np.empty(rows, np.uint64),
        "counters": np.zeros(COUNTERS, np.int64),
    }
