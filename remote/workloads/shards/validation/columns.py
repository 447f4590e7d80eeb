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


def column_of(table: pa.Table, name: str) -> Any:
    """A column of a row group in one piece."""
    column = table.column(name)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def fault_of(column: str, kind: str, wrong: Array, text: Callable[[int], str]) -> Iterator[Fault]:
    """A fault of the rows for which `wrong` is true; `text` takes a row."""
    rows = np.flatnonzero(wrong)
    if len(rows):
        yield Fault(column, kind, rows, lambda place: text(int(rows[place])))
