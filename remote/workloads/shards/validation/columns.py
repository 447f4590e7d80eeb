"""Columns of a row group as arrays, and what can be wrong with their rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault of one column.

    Attributes:
        rows: (n,) int64, those at fault, within the row group; empty where it is about all.
        text: what is wrong with a row, by its place in `rows`.
    """

    column: str
    kind: str
    rows: Array
    text: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class Lists:
    """A column of lists: `offsets` (n + 1,) int64 into `values` (m,)."""

    offsets: Array
    values: Array

    @classmethod
    def of(cls, column: pa.ListArray) -> Lists:
        offsets = column.offsets.to_numpy().astype(np.int64)
        values = column.values.to_numpy(zero_copy_only=False)[offsets[0] : offsets[-1]]
        return cls(offsets - offsets[0], values)

    @property
    def lengths(self) -> Array:
        """(n,) int64."""
        return np.diff(self.offsets)

    def rows_of(self, places: Array) -> tuple[Array, Array]:
        """The rows of values, each once, and the first of their places."""
        rows = np.searchsorted(self.offsets, places, side="right") - 1
        found, first = np.unique(rows, return_index=True)
        return found, places[first]

    def greatest(self) -> Array:
        """The greatest value of each list, 0 of an empty one."""
        found = np.zeros(len(self.offsets) - 1, self.values.dtype)
        filled = self.lengths > 0
        if len(self.values):
            found[filled] = np.maximum.reduceat(self.values, self.offsets[:-1][filled])
        return found


def column_of(table: pa.Table, name: str) -> Any:
    """A column of a row group in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def fault_of(column: str, kind: str, wrong: Array, text: Callable[[int], str]) -> Iterator[Fault]:
    """A fault of the rows for which `wrong` is true; `text` takes a row."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        yield Fault(column, kind, rows, lambda place: text(int(rows[place])))
