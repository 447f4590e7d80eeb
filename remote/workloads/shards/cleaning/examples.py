"""Spectra before and after cleaning, chosen because they show something."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from remote.workloads.shards.blocks import CleanRows, Ragged, RawRows
from remote.workloads.shards.counts import REASONS

MOST = 4
_TYPICAL = "kept: a usual number of peaks"
_CHANGED = "kept: most peaks left out"


@dataclass(frozen=True, slots=True)
class Pair:
    """One spectrum before and after.

    Attributes:
        sample_id: input and row.
        why: what became of it.
        precursor_mz: as stored.
        before, after: (m/z, intensity over the largest) of its peaks that can be drawn; `after`
            is empty for a spectrum that was left out.
    """

    sample_id: str
    why: str
    precursor_mz: float
    before: tuple[tuple[float, float], ...]
    after: tuple[tuple[float, float], ...]


@dataclass(slots=True)
class Examples:
    """The examples so far: the first spectrum left out for each reason, and two that were kept."""

    _dropped: dict[str, Pair] = field(default_factory=dict)
    _kept: dict[str, tuple[int, Pair]] = field(default_factory=dict)

    def look(self, raw: RawRows, kept: CleanRows, name: str) -> None:
        """Look through a piece and what cleaning made of it."""
        examples: Any = kept.stats["examples"]
        for reason in REASONS:
            for _, row in examples.get(reason, ())[:1]:
                if reason not in self._dropped:
                    self._dropped[reason] = _pair(raw, row - raw.row_start, None, name, reason)
        if not len(kept):
            return
        after = np.diff(kept.offsets)
        removed = _stored(raw)[kept.source_row - raw.row_start] - after
        usual = int(np.argsort(after, kind="stable")[len(after) // 2])
        most = int(np.argmax(removed))
        self._keep(_TYPICAL, 0, raw, kept, usual, name)
        self._keep(_CHANGED, int(removed[most]), raw, kept, most, name)

    def pairs(self) -> tuple[Pair, ...]:
        """At most MOST: those left out first, in the order of the reasons."""
        dropped = [self._dropped[reason] for reason in REASONS if reason in self._dropped]
        kept = [self._kept[why][1] for why in (_CHANGED, _TYPICAL) if why in self._kept]
        return (*dropped[: MOST - len(kept)], *kept)

    def _keep(
        self, why: str, removed: int, raw: RawRows, kept: CleanRows, place: int, name: str
    ) -> None:
        """The first that is usual, or the one that lost most if it lost anything."""
        known = self._kept.get(why)
        better = known is None if why == _TYPICAL else removed > (known[0] if known else 0)
        if better:
            row = int(kept.source_row[place]) - raw.row_start
            peaks = slice(int(kept.offsets[place]), int(kept.offsets[place + 1]))
            after = (kept.mzs[peaks], kept.ints[peaks])
            self._kept[why] = (removed, _pair(raw, row, after, name, why))


def _stored(raw: RawRows) -> Any:
    """(n,) peaks of each row that are not padding."""
    if isinstance(raw.mz, Ragged):
        return np.diff(raw.mz.offsets)
    return ((raw.mz != 0) | (raw.intensity != 0)).sum(axis=1)


def _pair(raw: RawRows, row: int, after: Any, name: str, why: str) -> Pair:
    mz, intensity = raw.mz[row : row + 1], raw.intensity[row : row + 1]
    if isinstance(mz, Ragged):
        bounds = slice(int(mz.offsets[0]), int(mz.offsets[1]))
        mz, intensity = mz.values[bounds], intensity.values[bounds]
    return Pair(
        f"{name}:{raw.row_start + row}",
        why,
        float(np.asarray(raw.columns["precursor_mz"][row])),
        _drawable(np.ravel(mz), np.ravel(intensity)),
        () if after is None else _drawable(*after),
    )


def _drawable(mz: Any, intensity: Any) -> tuple[tuple[float, float], ...]:
    good = np.isfinite(mz) & np.isfinite(intensity) & (mz > 0) & (intensity >= 0)
    if not (intensity[good] > 0).any():
        return ()
    shares = intensity[good] / intensity[good].max()
    return tuple(zip(mz[good].tolist(), shares.tolist(), strict=True))
