"""What cleaning means, written a second time: one spectrum after the other, plain Python.

Nothing here shares code with the package, and nothing here is fast.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py


@dataclass(frozen=True)
class Rules:
    normalize_intensities: bool = True
    sort_mz: bool = True
    min_peaks: int = 1
    max_precursor_mz: float = 2000.0
    filter_nonfinite: bool = True
    max_peaks: int | None = None


@dataclass(frozen=True)
class Kept:
    mzs: list[float]
    ints: list[float]
    base_peak: float
    tic: float
    removed: dict[str, int]


def to_float32(value: float) -> float:
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def offence(mz: float, intensity: float) -> str | None:
    largest = 3.4028234663852886e38
    if not (abs(mz) <= largest and abs(intensity) <= largest):
        return "non_finite"
    if mz <= 0:
        return "mz_not_positive"
    if intensity < 0:
        return "intensity_negative"
    return None


DROPPED_FOR = {
    "non_finite": "peak_non_finite",
    "mz_not_positive": "peak_mz_not_positive",
    "intensity_negative": "peak_intensity_negative",
}


def most_intense(
    peaks: list[tuple[float, float, float]], most: int | None
) -> list[tuple[float, float, float]]:
    """Those that a cap leaves, in the order in which they were."""
    ranked = sorted(range(len(peaks)), key=lambda n: (-peaks[n][1], peaks[n][0], n))
    return [peaks[n] for n in sorted(ranked[:most])]


def clean_spectrum(
    mzs: Sequence[float], ints: Sequence[float], precursor: float, rules: Rules
) -> Kept | str:
    """The kept spectrum, or the reason why it is dropped."""
    peaks = list(zip(mzs, ints, strict=True))
    while peaks and peaks[-1][0] == 0 and peaks[-1][1] == 0:
        peaks.pop()
    if not math.isfinite(precursor) or precursor <= 0:
        return "precursor_invalid"
    removed = dict.fromkeys([*DROPPED_FOR, "intensity_zero", "beyond_max_peaks"], 0)
    valid = []
    for mz, intensity in peaks:
        reason = offence(mz, intensity)
        if reason is None:
            valid.append((mz, intensity))
        elif rules.filter_nonfinite:
            return DROPPED_FOR[reason]
        else:
            removed[reason] += 1
    if precursor > rules.max_precursor_mz:
        return "precursor_above_limit"
    if rules.sort_mz:
        valid.sort(key=lambda peak: peak[0])
    base = max((intensity for _, intensity in valid), default=0.0)
    scale = base if rules.normalize_intensities and base > 0 else 1.0
    written = [(mz, x, to_float32(x / scale)) for mz, x in valid]
    kept = [peak for peak in written if peak[2] != 0]
    removed["intensity_zero"] = len(written) - len(kept)
    tic = 0.0
    for _, x, _ in kept:
        tic += x
    strongest = most_intense(kept, rules.max_peaks)
    removed["beyond_max_peaks"] = len(kept) - len(strongest)
    kept = strongest
    if len(kept) < rules.min_peaks:
        return "too_few_peaks"
    return Kept([m for m, _, _ in kept], [v for _, _, v in kept], to_float32(base), tic, removed)


def clean_file(path: Path, rules: Rules) -> dict[int, Kept | str]:
    """Every row of a GeMS-layout file, by its number."""
    with h5py.File(path, "r") as file:
        spectrum, precursor = file["spectrum"], file["precursor_mz"]
        return {
            row: clean_spectrum(
                [float(x) for x in spectrum[row, 0]],
                [float(x) for x in spectrum[row, 1]],
                float(precursor[row]),
                rules,
            )
            for row in range(spectrum.shape[0])
        }
