"""Files that hold one spectrum after the other, each read by itself: MGF, mzML, older HDF5.

A kind of file says how many entries there are, how many peaks each can have at most, and reads
an entry; `entry_source` makes an input of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Entry:
    """A spectrum as it is stored.

    Attributes:
        mz, intensity: (p,) float64.
        values: by column name, numbers and text; what is not known is absent.
    """

    mz: npt.NDArray[np.float64]
    intensity: npt.NDArray[np.float64]
    values: Mapping[str, Any]

    def with_values(self, more: Mapping[str, Any]) -> Entry:
        """The same with further values."""
        return Entry(self.mz, self.intensity, {**self.values, **more})


class BadEntry(Exception):
    """An entry that cannot be read; says why, in words that are the same at every reading.

    Attributes:
        line: where in the file, None where it has no lines.
    """

    def __init__(self, problem: str, line: int | None = None) -> None:
        super().__init__(f"line {line}: {problem}" if line else problem)
        self.line = line


# What reading an entry gives; None for one of another MS level than is asked for.
Read = Entry | BadEntry | None


class Entries(Protocol):
    """A kind of file, open. Reading is safe from any number of threads."""

    @property
    def path(self) -> Path: ...
    @property
    def kind(self) -> str: ...
    @property
    def most_peaks(self) -> npt.NDArray[np.int64]:
        """(rows,) the most peaks that each entry can have."""
        ...

    @property
    def columns(self) -> frozenset[str]: ...
    @property
    def lsh(self) -> Literal["int64", "string"] | None: ...
    @property
    def carried(self) -> Mapping[str, pa.DataType]: ...
    @property
    def offers(self) -> tuple[str, ...]: ...
    @property
    def library_bytes(self) -> int:
        """Memory of the libraries that read it, in each process."""
        ...

    def read(self, row_start: int, row_stop: int) -> Iterator[Read]:
        """Entries [row_start, row_stop), in order.

        Raises:
            InputUnusable: the file is not to be read at all.
            Unreadable, OSError: the file as a whole cannot be read.
        """
        ...

    def check_size(self) -> None:
        """Raises Unreadable where the file is shorter than when it was opened."""
        ...

    def close(self) -> None: ...

    def reopening(self) -> tuple[Callable[..., Entries], tuple[Any, ...]]:
        """A function and its arguments that open it again, in another process."""
        ...
