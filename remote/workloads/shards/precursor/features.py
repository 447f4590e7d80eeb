"""Spectra as rows of numbers, all of them measured from the highest peak that is left.

The peaks within `window` of the precursor are left out first: it could be read off otherwise.
What is learned then is how many bins above the highest peak the precursor lies, which holds for
light and heavy ions alike. The bin of that peak itself is the baseline to beat.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from remote.errors import UsageError
from remote.workloads.shards.reading.peaks import Peaks, bounds

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]

VERSION = 1
# Of the intensities over the most intense peak: the highest peak above each is looked for.
_THRESHOLDS = (0.01, 0.05, 0.2)
_GAPS = (
    2.5,
    7.5,
    12.5,
    16.5,
    17.5,
    18.5,
    25.0,
    35.0,
    50.0,
    75.0,
    100.0,
    150.0,
    200.0,
    300.0,
    500.0,
)
_PARTS_OF_A_BIN = 10
_NARROWEST = 1.0
_LOSS_WIDTH, _LOSSES = 10.0, 30


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be told.

    Attributes:
        bin_width: of the bins of precursor m/z, in Da.
        window: peaks as near to the precursor are left out, in Da.
        limit: where the last bin begins to hold all that is above, in m/z.

    Raises:
        UsageError: a figure makes no sense.
    """

    bin_width: float = 50.0
    window: float = 1.5
    limit: float = 2000.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        if not (self.bin_width >= _NARROWEST and self.window >= 0 and self.limit > self.bin_width):
            raise UsageError(
                f"Bins of {self.bin_width:g} Da up to {self.limit:g}, without peaks within "
                f"{self.window:g} Da of the precursor: that is no task.",
                hint=f"bin_width is at least {_NARROWEST:g} and below {self.limit:g}, window at "
                "least 0.",
            )

    @property
    def bins(self) -> int:
        """How many there are; the last one is open."""
        return math.ceil(self.limit / self.bin_width)

    @property
    def classes(self) -> int:
        """The bins that the precursor can be away from the highest peak, in both directions."""
        return 2 * self.bins - 1

    def bin_of(self, mz: Floats) -> Places:
        """(n,) the bin that each m/z lies in."""
        return np.clip(mz // self.bin_width, 0, self.bins - 1).astype(np.int64)


def without_precursor(peaks: Peaks, precursor_mz: Floats, window: float) -> Peaks:
    """The peaks that are further than `window` Da from their precursor.

    Args:
        precursor_mz: (n,) for n spectra.
    """
    owner = owners(peaks)
    keep = np.abs(peaks.mz - precursor_mz[owner]) > window
    lengths = np.bincount(owner[keep], minlength=len(peaks))
    return Peaks(bounds(lengths), peaks.mz[keep], peaks.intensity[keep])


def owners(peaks: Peaks) -> Places:
    """(m,) the spectrum of each peak."""
    return np.repeat(np.arange(len(peaks)), peaks.lengths)


def largest(values: npt.NDArray[np.floating], offsets: Places) -> Floats:
    """(n,) the largest value of each spectrum, 0 where it has none."""
    found = np.zeros(len(offsets) - 1)
    filled = np.diff(offsets) > 0
    if filled.any():
        found[filled] = np.maximum.reduceat(values, offsets[:-1][filled])
    return found


def features(peaks: Peaks, task: Task) -> Rows:
    """(n, k) float32 of n spectra, from the peaks that are left. Values lie between 0 and 1."""
    owner = owners(peaks)
    share = peaks.intensity / largest(peaks.intensity, peaks.offsets)[owner]
    highest = largest(peaks.mz, peaks.offsets)
    below = highest[owner] - peaks.mz
    edges = np.arange(1, task.bins) * task.bin_width
    part = (highest % task.bin_width / task.bin_width * _PARTS_OF_A_BIN).astype(np.int64)
    parts = [
        highest[:, None] >= edges,
        _one_of(np.minimum(part, _PARTS_OF_A_BIN - 1), _PARTS_OF_A_BIN),
        *(_gap(peaks, share, owner, highest, least) for least in _THRESHOLDS),
        _losses(below, share, owner, len(peaks)),
        np.log2(1 + peaks.lengths)[:, None] / 12,
        np.sqrt(largest(np.where(below == 0, share, 0), peaks.offsets))[:, None],
    ]
    return np.concatenate([one.astype(np.float32) for one in parts], axis=1)


def _gap(
    peaks: Peaks, share: npt.NDArray[np.floating], owner: Places, highest: Floats, least: float
) -> npt.NDArray[np.bool_]:
    """How far below the highest peak the highest of those lies that are no weaker than `least`."""
    strong = np.zeros(len(peaks))
    np.maximum.at(strong, owner[share >= least], peaks.mz[share >= least])
    return _one_of(np.searchsorted(_GAPS, highest - strong, side="right"), len(_GAPS) + 1)


def _losses(below: Floats, share: npt.NDArray[np.floating], owner: Places, rows: int) -> Rows:
    """(rows, cells) the strongest peak in each cell below the highest, as a square root."""
    found = np.zeros((rows, _LOSSES), np.float32)
    cell = (below // _LOSS_WIDTH).astype(np.int64)
    near = cell < _LOSSES
    np.maximum.at(found, (owner[near], cell[near]), np.sqrt(share[near]).astype(np.float32))
    return found


def _one_of(places: Places, number: int) -> npt.NDArray[np.bool_]:
    """(n, number), true at each one's place."""
    found: npt.NDArray[np.bool_] = places[:, None] == np.arange(number)
    return found
