"""What the engine knows of an input, whatever its kind: rows of it as arrays, and their cost.

Each kind has a module: `gems` (HDF5 in the GeMS layout), and `entries` for those that hold one
spectrum after the other: `older` (HDF5, one group a spectrum), `mgf`, `mzml`. Whatever is wrong
with an input is an `InputUnusable` that names the file, the place in it and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.blocks import RawRows
from remote.workloads.shards.memory_plan import Blocks

COPY_HINT = "Copy the file again from where it came, or compare checksums with the original."
ROWS_HINT = f"{COPY_HINT} To build from the other rows: --skip-damaged."
WHOLE_HINT = f"This concerns more than rows, so that --skip-damaged cannot go past it. {COPY_HINT}"


class Source(Protocol):
    """One open input. Reading is safe from any number of threads; a pickle opens it again.

    Attributes:
        index: its place among the inputs of the run.
        path: the file.
        name: the file's stem, which sample ids begin with.
        kind: what the file is, for the manifest.
        rows: how many spectra it holds, those that are not wanted included.
        chunks: the chunk shape of the spectra, None where there is none.
        chunk_rows: rows that are stored together; 1 where any row can be read alone.
        columns: the columns that it fills beside the peaks.
        lsh: "int64" or "string", None without lsh.
        dtypes: of what it stores, by name.
        carried: Arrow types of the further columns that are asked for and that it has.
        offers: names that can be carried.
        skip_damaged: rows that cannot be read are told of and not refused.
    """

    @property
    def index(self) -> int: ...
    @property
    def path(self) -> Path: ...
    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def rows(self) -> int: ...
    @property
    def chunks(self) -> tuple[int, ...] | None: ...
    @property
    def chunk_rows(self) -> int: ...
    @property
    def columns(self) -> frozenset[str]: ...
    @property
    def lsh(self) -> Literal["int64", "string"] | None: ...
    @property
    def dtypes(self) -> Mapping[str, str]: ...
    @property
    def carried(self) -> Mapping[str, pa.DataType]: ...
    @property
    def offers(self) -> tuple[str, ...]: ...
    @property
    def skip_damaged(self) -> bool: ...

    def read(self, row_start: int, row_stop: int) -> RawRows:
        """Rows [row_start, row_stop) as stored.

        Raises:
            InputUnusable: the rows cannot be read, or a value does not fit its column; with
                `skip_damaged`, only where that is no damage of rows.
        """
        ...

    def read_columns(
        self, row_start: int, row_stop: int, names: Collection[str]
    ) -> tuple[Mapping[str, Any], npt.NDArray[np.bool_]]:
        """Those of some columns that there are, of rows [row_start, row_stop); which are sound.

        Raises:
            InputUnusable: as `read`.
        """
        ...

    def blocks(self, row_start: int, row_stop: int, bytes_per_row: float) -> Blocks:
        """The memory that a task of these rows takes.

        Args:
            bytes_per_row: an estimate of what a spectrum takes in a shard.
        """
        ...

    def probe(self) -> None:
        """Read what is stored first and last, unless damage there is no matter.

        Raises:
            InputUnusable: something cannot be read.
        """
        ...

    def check_size(self) -> None:
        """Make sure that what was read was there until the end.

        Raises:
            InputUnusable: the file is shorter than when it was opened.
        """
        ...

    def peaks_per_spectrum(self) -> float:
        """An estimate, without reading much."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
