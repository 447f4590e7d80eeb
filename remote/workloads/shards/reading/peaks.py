"""Peak lists as arrays: ragged as Arrow has them, or padded as models take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import IntegrityFailure
from remote.workloads.shards.blocks import Ragged

Floats = npt.NDArray[np.floating]
# The columns of the shards that hold them.
PEAKS = ("mzs", "ints")


@dataclass(frozen=True, slots=True)
class Peaks:
    """The peaks of n spectra, one spectrum after the other.

    Attributes:
        offsets: (n + 1,) int64, from 0: spectrum i has the peaks offsets[i] to offsets[i + 1].
        mz, intensity: (m,) each.
    """

    offsets: npt.NDArray[np.int64]
    mz: Floats
    intensity: Floats

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """(n,) int64, peaks of each spectrum."""
        return np.diff(self.offsets)

    def take(self, rows: npt.NDArray[np.int64]) -> Peaks:
        """The spectra at `rows`, in that order, as copies."""
        lengths = self.lengths[rows]
        offsets = bounds(lengths)
        places = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Peaks(offsets, self.mz[places], self.intensity[places])

    def strongest(self, most: int) -> Peaks:
        """At most `most` peaks of each spectrum: the most intense ones, in the order they are in.

        Of equally intense ones the first are kept.
        """
        long = np.flatnonzero(self.lengths > most)
        if not len(long):
            return self
        cut = self.take(long)
        owner = np.repeat(np.arange(len(cut)), cut.lengths)
        order = np.lexsort((-cut.intensity, owner))  # stable: equal ones stay in order
        rank = np.arange(len(owner)) - cut.offsets[:-1][owner]
        weak = order[rank >= most]
        keep = np.ones(len(self.mz), bool)
        keep[weak + (self.offsets[long] - cut.offsets[:-1])[owner[weak]]] = False
        kept = np.minimum(self.lengths, most)
        return Peaks(bounds(kept), self.mz[keep], self.intensity[keep])

    def padded(self, width: int | None = None) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Arrays of equal lengths, padded with 0 on the right.

        Args:
            width: peaks of each spectrum; of longer ones the strongest are taken. None for as
                many as the longest has.

        Returns:
            m/z, intensity and mask, (n, width) each; the mask is true where there is a peak.
        """
        if width is None:
            width = int(self.lengths.max()) if len(self) else 0
        kept = self.strongest(width)
        mask = np.arange(width) < kept.lengths[:, None]
        mz = np.zeros(mask.shape, self.mz.dtype)
        intensity = np.zeros(mask.shape, self.intensity.dtype)
        mz[mask], intensity[mask] = kept.mz, kept.intensity
        return mz, intensity, mask


def bounds(lengths: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(n + 1,) int64: where each of n lists begins and ends."""
    offsets = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    return offsets


def peaks_of(rows: pa.Table | pa.RecordBatch, mz: str = "mzs", intensity: str = "ints") -> Peaks:
    """The peak lists of a table, without copying where it is of one piece.

    Args:
        mz, intensity: what the columns are called there.

    Raises:
        IntegrityFailure: the two lists of a spectrum differ in length.
    """
    one, other = _ragged(rows[mz]), _ragged(rows[intensity])
    if not np.array_equal(one.offsets, other.offsets):
        raise IntegrityFailure(
            f"{mz} and {intensity} of a spectrum differ in length.",
            hint="`msms validate-shards` on the dataset names all that is damaged.",
        )
    return Peaks(one.offsets, one.values, other.values)


def _ragged(column: pa.Array | pa.ChunkedArray) -> Ragged:
    lists: Any = column
    if isinstance(column, pa.ChunkedArray):
        lists = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    if isinstance(lists, pa.ChunkedArray):  # of none, or of more than fits into one
        lists = pa.concat_arrays(lists.chunks) if lists.num_chunks else lists.type.empty()
    return Ragged.of(lists)
