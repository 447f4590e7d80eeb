"""Batches for training: NumPy arrays in the shapes of tensors, in an order that a seed fixes.

Spectra are read in units of a few row groups, which the seed puts in order and whose spectra it
mixes. A batch never crosses units: so every worker of a loader can take whole units of its own,
all of them together give the same batches whatever their number, and the number of batches is
known before anything is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from remote.errors import UsageError
from remote.workloads.shards.reading.find import Source
from remote.workloads.shards.reading.peaks import PEAKS, Peaks, peaks_of
from remote.workloads.shards.reading.shards import RowGroup, Shards, shards_of

Layout = Literal["padded", "ragged"]
Batch: TypeAlias = dict[str, Any]

USUAL = ("precursor_mz", "charge")
UNIT = 8  # row groups


@dataclass(frozen=True)
class Batches:
    """An iterable over batches; made by `numpy_batches`.

    Attributes:
        shards: the columns and rows that are read.
        size: spectra in a batch; the last one of a unit has what is left.
        layout: how peaks are laid out.
        width: peaks of a padded spectrum; None for as many as the longest of the batch has.
        shuffle: whether spectra come in the order that `seed` and `epoch` give.
        unit: row groups whose spectra are mixed.
        drop_last: whether batches of fewer than `size` spectra are left out.
        part: (i, n) for the i-th of n workers, which take turns.
    """

    shards: Shards
    size: int
    layout: Layout = "padded"
    width: int | None = None
    shuffle: bool = False
    seed: int = 0
    epoch: int = 0
    unit: int = UNIT
    drop_last: bool = False
    part: tuple[int, int] = (0, 1)

    @cached_property
    def _groups(self) -> tuple[RowGroup, ...]:
        return self.shards.row_groups()

    @cached_property
    def _rows(self) -> Mapping[RowGroup, int]:
        return {group: self.shards.count(group) for group in self._groups}

    def units(self) -> tuple[tuple[RowGroup, ...], ...]:
        """The units in the order they are read, those of all workers."""
        groups = list(self._groups)
        if self.shuffle:
            order = self._random(0).permutation(len(groups))
            groups = [groups[place] for place in order]
        return tuple(
            tuple(groups[start : start + self.unit]) for start in range(0, len(groups), self.unit)
        )

    def __len__(self) -> int:
        """Batches of all workers. A filter's columns are read to count what it passes."""
        rows = [sum(self._rows[group] for group in unit) for unit in self.units()]
        return sum(n // self.size if self.drop_last else -(-n // self.size) for n in rows)

    def __iter__(self) -> Iterator[Batch]:
        worker, workers = self.part
        for place, unit in enumerate(self.units()):
            if place % workers == worker:
                yield from self._of_unit(place, unit)

    def _of_unit(self, place: int, unit: tuple[RowGroup, ...]) -> Iterator[Batch]:
        table = pa.concat_tables(self.shards.read(group) for group in unit)
        rows = np.arange(len(table))
        if self.shuffle:
            rows = self._random(place + 1).permutation(rows)
        peaks = peaks_of(table, *map(self.shards.name, PEAKS))
        columns = {
            self.shards.name(name): column_values(table[self.shards.name(name)])
            for name in self.shards.columns
            if name not in PEAKS
        }
        for start in range(0, len(rows), self.size):
            chosen = rows[start : start + self.size]
            if len(chosen) == self.size or not self.drop_last:
                taken = {name: values[chosen] for name, values in columns.items()}
                yield {**self._laid_out(peaks.take(chosen)), **taken}

    def _laid_out(self, peaks: Peaks) -> Batch:
        mz, intensity = map(self.shards.name, PEAKS)
        if self.layout == "padded":
            arrays = peaks.padded(self.width)
            return dict(zip((mz, intensity, "mask"), arrays, strict=True))
        kept = peaks if self.width is None else peaks.strongest(self.width)
        return {mz: kept.mz, intensity: kept.intensity, "offsets": kept.offsets}

    def _random(self, stream: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, self.epoch, stream])


def column_values(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    """(n,) values: numbers as they are stored, null as NaN or 0; anything else as objects."""
    kind = column.type
    values: npt.NDArray[Any]
    if pa.types.is_floating(kind):
        values = pc.fill_null(column, float("nan")).to_numpy()
    elif pa.types.is_integer(kind):
        values = pc.fill_null(column, 0).to_numpy()
    else:
        values = np.empty(len(column), object)
        values[:] = column.to_pylist()
    return values


def numpy_batches(
    source: Source | Shards,
    *,
    batch_size: int = 256,
    layout: Layout = "padded",
    width: int | None = None,
    shuffle: bool = False,
    seed: int = 0,
    epoch: int = 0,
    drop_last: bool = False,
    unit: int = UNIT,
) -> Batches:
    """Batches of a path's peaks, precursor m/z and charge, or of whatever a view has.

    A batch is a dictionary. "padded": `mzs` and `ints` (b, w), zero where `mask` (b, w) is false.
    "ragged": `mzs` and `ints` (m,), spectrum i from `offsets[i]` to `offsets[i + 1]`, `offsets`
    (b + 1,) int64. Further columns (b,) by their names; text as objects. A view's `names` name
    the columns here, too.

    Args:
        source: see `read_shards`, or what it returned.
        width: the most peaks a spectrum has; the most intense ones are taken. None for all: a
            padded batch is then as wide as its longest spectrum.
        shuffle: in an order that `seed` and `epoch` give, the same on every machine. Spectra of
            `unit` row groups are mixed; which row groups come together is drawn, too.
        drop_last: leave out batches that are not full.

    Raises:
        UsageError: an option makes no sense.
        ResultsUnusable, IntegrityFailure: see `read_shards`.
    """
    if layout not in get_args(Layout):
        raise UsageError(f"There is no layout {layout!r}.", hint="It is padded or ragged.")
    figures = {"batch_size": batch_size, "width": width, "unit": unit}
    for name, value in figures.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} is {value}.", hint="It has to be 1 or more.")
    if min(seed, epoch) < 0:
        raise UsageError(f"seed is {seed} and epoch {epoch}.", hint="They have to be 0 or more.")
    shards = shards_of(source, PEAKS, USUAL)
    for name in ("mask", "offsets"):
        if name in map(shards.name, shards.columns):
            raise UsageError(
                f"{name} is a column of the shards, and of the batches as well.",
                hint="Leave it out: name the others in `columns` of read_shards.",
            )
    return Batches(shards, batch_size, layout, width, shuffle, seed, epoch, unit, drop_last)
