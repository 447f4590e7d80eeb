"""Spectra of shards for a training: some row groups at a time, whatever the dataset's size.

Row groups are drawn by a seed until there are as many spectra as are wanted. First the keys are
read of all of them, and the sides decided (`split`); then peaks are read as often as they are
needed. Memory holds the keys and one row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import UsageError
from remote.workloads.shards.precursor.features import Floats
from remote.workloads.shards.precursor.split import (
    Keys,
    Split,
    split_as_dealt,
    split_by_groups,
)
from remote.workloads.shards.reading.peaks import Peaks, peaks_of
from remote.workloads.shards.reading.shards import RowGroup, Shards, read_shards
from remote.workloads.shards.settings import SplitKey
from remote.workloads.shards.splits import COLUMNS, Known, Words, key_words

# In the order in which they are preferred: the first one makes the groups.
KEYS: tuple[SplitKey, ...] = ("source_file", "lsh", "inchikey14")
_PEAKS = ("mzs", "ints", "precursor_mz")


@dataclass(frozen=True, slots=True)
class Spectra:
    """Some spectra: their peaks, precursors (n,) and groups (n,)."""

    peaks: Peaks
    precursor_mz: Floats
    groups: Words

    def __len__(self) -> int:
        return len(self.precursor_mz)


@dataclass(frozen=True)
class Examples:
    """The spectra that were drawn.

    Attributes:
        shards: the columns that a training reads.
        drawn: the row groups.
        row_groups: how many there are in all.
        keys: by which no group is on both sides; the first makes the groups.
        split: where each spectrum is, in the order of `drawn`.
    """

    shards: Shards
    drawn: tuple[RowGroup, ...]
    row_groups: int
    keys: tuple[SplitKey, ...]
    split: Split

    def read(self, side: int, order: Sequence[int] | None = None) -> Iterator[Spectra]:
        """The spectra of one side, a row group at a time.

        Args:
            order: of the row groups; as they were drawn where None.

        Raises:
            IntegrityFailure: a shard is damaged.
        """
        for at in range(len(self.drawn)) if order is None else order:
            mine, rows = self._rows(at, side)
            if len(rows):
                table = self.shards.read(self.drawn[at])
                yield Spectra(
                    peaks_of(table).take(rows),
                    table["precursor_mz"].to_numpy()[rows],
                    self.split.groups[mine][rows],
                )

    def precursors(self, side: int) -> Iterator[Floats]:
        """Their precursor m/z alone, which costs little."""
        view = replace(self.shards, columns=("precursor_mz",))
        for at, group in enumerate(self.drawn):
            _, rows = self._rows(at, side)
            if len(rows):
                yield view.read(group)["precursor_mz"].to_numpy()[rows]

    def _rows(self, at: int, side: int) -> tuple[slice, npt.NDArray[np.intp]]:
        """Where a row group is among all spectra drawn, and which of its rows are of a side."""
        mine = slice(int(self._starts[at]), int(self._starts[at + 1]))
        return mine, np.flatnonzero(self.split.sides[mine] == side)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        return np.cumsum([0, *(group.rows for group in self.drawn)])


def examples(
    source: str | Path,
    *,
    group_by: Sequence[str] | None = None,
    held_out: float = 0.2,
    max_spectra: int | None = None,
    seed: int = 0,
) -> Examples:
    """Draw spectra of a dataset and decide their sides.

    Args:
        source: a folder with a dataset, as a run's result folder.
        group_by: keys of which no group may be on both sides; None for those that there are.
        held_out: the share to hold out, where the dataset has no splits.
        max_spectra: row groups are drawn until there are as many; None for all.

    Raises:
        UsageError: a key that there is not, or a figure that makes no sense.
        InputUnusable: all spectra would be on one side.
        ResultsUnusable, IntegrityFailure: see `read_shards`.
    """
    _check(held_out, max_spectra, seed)
    whole = read_shards(source)
    keys = _keys(group_by, whole)
    groups = read_shards(source, columns=["precursor_mz"]).row_groups()
    dealt = _dealt(groups)
    if dealt:
        most = None if max_spectra is None else max(1, round(max_spectra * held_out))
        drawn = _drawn(_of(groups, "train"), max_spectra, seed)
        tested = _drawn(_of(groups, dealt), most, seed)
        words = _words(source, (*drawn, *tested), keys)
        split = split_as_dealt(_rows(drawn), _rows(tested), words, dealt)
        drawn += tested
    else:
        drawn = _drawn(groups, max_spectra, seed)
        words = _words(source, drawn, keys)
        split = split_by_groups(words, _rows(drawn), held_out, seed)
    return Examples(read_shards(source, columns=_PEAKS), drawn, len(groups), keys, split)


def _check(held_out: float, max_spectra: int | None, seed: int) -> None:
    figures = {
        "held_out": (held_out, 0 < held_out < 1, "between 0 and 1"),
        "max_spectra": (max_spectra, max_spectra is None or max_spectra > 0, "1 or more, or None"),
        "seed": (seed, seed >= 0, "0 or more"),
    }
    for name, (value, fits, should) in figures.items():
        if not fits:
            raise UsageError(f"{name} is {value}.", hint=f"It has to be {should}.")


def _dealt(groups: Sequence[RowGroup]) -> str:
    """The split that a dataset with splits holds out; empty where it has none."""
    there = {group.path.parent.name for group in groups}
    return next((name for name in ("test", "val") if {name, "train"} <= there), "")


def _of(groups: Sequence[RowGroup], split: str) -> tuple[RowGroup, ...]:
    return tuple(group for group in groups if group.path.parent.name == split)


def _rows(groups: Sequence[RowGroup]) -> int:
    return sum(group.rows for group in groups)


def _keys(asked: Sequence[str] | None, whole: Shards) -> tuple[SplitKey, ...]:
    there = tuple(key for key in KEYS if COLUMNS[key] in whole.columns)
    if asked is None:
        return there
    wrong = [key for key in asked if key not in there]
    if wrong:
        could = ", ".join(there) or "nothing: leave group_by out, and single spectra are held out"
        raise UsageError(
            f"The shards cannot be grouped by {', '.join(wrong)}.", hint=f"They can by {could}."
        )
    return tuple(key for name in asked for key in KEYS if key == name)


def _drawn(groups: tuple[RowGroup, ...], most: int | None, seed: int) -> tuple[RowGroup, ...]:
    """Whole row groups, in the order of the shards."""
    rows = np.array([group.rows for group in groups])
    if most is None or rows.sum() <= most:
        return groups
    order = np.random.default_rng(seed).permutation(len(groups))
    count = int(np.searchsorted(np.cumsum(rows[order]), most)) + 1
    return tuple(groups[at] for at in sorted(order[:count]))


def _words(source: str | Path, drawn: Sequence[RowGroup], keys: Sequence[SplitKey]) -> Keys:
    if not keys:
        return {}
    view = read_shards(source, columns=[COLUMNS[key] for key in keys])
    found = [_of_group(view.read(group), keys) for group in drawn]
    return {
        key: (
            np.concatenate([one[key][0] for one in found]),
            np.concatenate([one[key][1] for one in found]),
        )
        for key in keys
    }


def _of_group(table: pa.Table, keys: Sequence[SplitKey]) -> Keys:
    return {key: _of_column(table[COLUMNS[key]], key) for key in keys}


def _of_column(column: pa.ChunkedArray, key: SplitKey) -> tuple[Words, Known]:
    whole = pa.concat_arrays(column.unify_dictionaries().chunks)
    return key_words(key, {COLUMNS[key]: whole}, len(whole))
