"""HDF5 inputs in the GeMS layout: what they hold, and rows of them as arrays.

    spectrum      (N, 2, P) float64 or float32: [:, 0] m/z, [:, 1] intensity, padded with zeros
    precursor_mz  (N,)
    and, where they are there, the datasets of `datasets.OPTIONAL`, each (N,)

`hdf5` makes a `GemsSource` of a file. Whatever is wrong with one is an `InputUnusable` that names
the file, the dataset, the rows and what to do.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.shards.blocks import ROW_GROUP_ROWS, RawRows
from remote.workloads.shards.inputs.damage import Damage
from remote.workloads.shards.inputs.datasets import (
    OutOfRange,
    Wanted,
    converted,
)
from remote.workloads.shards.inputs.salvage import salvaged, stored_unfiltered
from remote.workloads.shards.inputs.source import ROWS_HINT, WHOLE_HINT
from remote.workloads.shards.inputs.storage import (
    DataFile,
    Reader,
    Shrunk,
    Unreadable,
)
from remote.workloads.shards.memory_plan import GROUP_BYTES_PER_PLACE, Blocks
from remote.workloads.shards.settings import InputRules

# Measured on deflated files, real and generated.
_STORED_BYTES_PER_PEAK = 15


@dataclass(frozen=True, slots=True)
class GemsSource:
    """One open input; see `source.Source`.

    Attributes:
        width: P, the most peaks a spectrum can have.
        dtype: of the peaks, native byte order.
    """

    index: int
    path: Path
    name: str
    rows: int
    width: int
    dtype: np.dtype[Any]
    chunks: tuple[int, ...] | None
    columns: frozenset[str]
    lsh: Literal["int64", "string"] | None
    dtypes: Mapping[str, str]
    carried: Mapping[str, pa.DataType]
    offers: tuple[str, ...]
    rules: InputRules
    _file: DataFile = field(repr=False)
    _spectrum: Reader = field(repr=False)
    _readers: tuple[tuple[Wanted, Reader], ...] = field(repr=False)

    @property
    def kind(self) -> str:
        return "hdf5"

    @property
    def chunk_rows(self) -> int:
        return self.chunks[0] if self.chunks else 1

    @property
    def skip_damaged(self) -> bool:
        """True where rows that cannot be read are told of and not refused."""
        return self._file.skip_damaged

    def read(self, row_start: int, row_stop: int) -> RawRows:
        """See `Source.read`."""
        try:
            raw = self._sound(row_start, row_stop)
        except InputUnusable:
            if not self.skip_damaged:
                raise
            raw = self._salvaged(row_start, row_stop)
        said = raw.columns.get("ms_level")
        if said is None:
            return raw
        level = np.asarray(said)  # 0 where it is not known, as `to_dreams` writes it
        return replace(raw, unwanted=(level != 0) & (level != self.rules.ms_level))

    def read_columns(
        self, row_start: int, row_stop: int, names: Collection[str]
    ) -> tuple[Mapping[str, Any], npt.NDArray[np.bool_]]:
        """See `Source.read_columns`."""
        sound = np.ones(row_stop - row_start, bool)
        wanted = [(w, reader) for w, reader in self._readers if w.column in names]
        try:
            return {w.column: self._column(w, x, row_start, row_stop) for w, x in wanted}, sound
        except InputUnusable:
            if not self.skip_damaged:
                raise
        raw = self._salvaged(row_start, row_stop)
        for damage in raw.damaged:
            sound[damage.row_start - row_start : damage.row_stop - row_start] = False
        return {name: raw.columns[name] for name in names if name in raw.columns}, sound

    def blocks(self, row_start: int, row_stop: int, bytes_per_row: float) -> Blocks:
        """See `Source.blocks`."""
        rows = row_stop - row_start
        places = ROW_GROUP_ROWS * self.width
        return Blocks(
            raw=rows * 2 * self.width * self.dtype.itemsize,
            group=places * GROUP_BYTES_PER_PLACE,
            result=int(rows * bytes_per_row),
        )

    def _sound(self, row_start: int, row_stop: int) -> RawRows:
        peaks = self._values(self._spectrum, "spectrum", row_start, row_stop)
        return RawRows(
            self.index,
            row_start,
            peaks[:, 0],
            peaks[:, 1],
            {
                wanted.column: self._column(wanted, reader, row_start, row_stop)
                for wanted, reader in self._readers
            },
        )

    def _salvaged(self, row_start: int, row_stop: int) -> RawRows:
        """What can be read of rows [row_start, row_stop), and what cannot."""
        peaks, damages = self._salvage(self._spectrum, row_start, row_stop)
        if peaks is None:  # no memory for what nobody looks at
            shape = (row_stop - row_start, 2, self.width)
            peaks = np.broadcast_to(np.zeros((), self.dtype), shape)
        columns: dict[str, Any] = {}
        for wanted, reader in self._readers:
            values, found = self._salvage(reader, row_start, row_stop)
            damages += found
            if values is not None:
                columns[wanted.column], wrong = _fitting(wanted, reader.name, values, row_start)
                self._refuse_doubtful(wrong)
                damages += wrong
        return RawRows(
            self.index, row_start, peaks[:, 0], peaks[:, 1], columns, tuple(sorted(damages))
        )

    def _salvage(
        self, reader: Reader, row_start: int, row_stop: int
    ) -> tuple[Any, tuple[Damage, ...]]:
        try:
            return salvaged(self._file, reader, row_start, row_stop)
        except (Unreadable, OSError) as error:
            raise InputUnusable(
                f"{self.path}: dataset `{reader.name}`, rows {row_start} to {row_stop - 1} "
                f"cannot be read: {error}",
                hint=WHOLE_HINT,
            ) from error

    def _refuse_doubtful(self, wrong: Sequence[Damage]) -> None:
        """Values that cannot be, in bytes that a filter was to check and did not.

        So is what a damaged index makes of bytes from another place of the file; the values beside
        them are as wrong, and nothing tells which.
        """
        for damage in wrong:
            if stored_unfiltered(self._file, damage.dataset, damage.row_start):
                raise InputUnusable(
                    f"{self.path}: dataset `{damage.dataset}`, row {damage.row_start}: "
                    f"{damage.reason}, and its chunk is stored without the dataset's filter, so "
                    "that nothing tells which of its values are right",
                    hint=f"{WHOLE_HINT} Or remove the dataset from the file.",
                )

    def probe(self) -> None:
        """Read what each dataset has stored first and last, unless damage there is no matter.

        Raises:
            InputUnusable: something cannot be read.
        """
        if self.skip_damaged:
            return
        for reader in (self._spectrum, *(reader for _, reader in self._readers)):
            try:
                reader.probe()
                self._file.check_size()
            except (Unreadable, OSError) as error:
                raise InputUnusable(
                    f"{self.path}: dataset `{reader.name}` is damaged or cut short, among rows "
                    f"0 to {self.rows - 1}: {error}",
                    hint=ROWS_HINT,
                ) from error

    def check_size(self) -> None:
        """Make sure that what was read was there until the end.

        Raises:
            InputUnusable: the file is shorter than when it was opened.
        """
        try:
            self._file.check_size()
        except Unreadable as error:
            raise InputUnusable(f"{self.path} is cut short: {error}", hint=WHOLE_HINT) from None

    def peaks_per_spectrum(self) -> float:
        """An estimate from the stored size, or from the first rows where that tells nothing."""
        dataset = self._file.hdf5["spectrum"]
        stored, raw = dataset.id.get_storage_size(), dataset.nbytes
        if stored < raw * 0.9:
            return float(min(self.width, stored / self.rows / _STORED_BYTES_PER_PEAK))
        rows = min(self.rows, 1_000)
        return float(np.count_nonzero(self.read(0, rows).mz) / rows)

    def _column(self, wanted: Wanted, reader: Reader, row_start: int, row_stop: int) -> Any:
        values = self._values(reader, reader.name, row_start, row_stop)
        try:
            return converted(wanted, values)
        except OutOfRange as error:
            raise InputUnusable(
                f"{self.path}: dataset `{reader.name}`, row {row_start + error.row}: "
                f"{error.value} does not fit {wanted.dtype}",
                hint=f"Correct the value, or remove the dataset `{reader.name}` from the file. "
                "To build from the other rows: --skip-damaged.",
            ) from None

    def _values(self, reader: Reader, dataset: str, row_start: int, row_stop: int) -> Any:
        try:
            values = reader.read(row_start, row_stop)
            self._file.check_size()
            return values
        except (Unreadable, OSError) as error:
            raise InputUnusable(
                f"{self.path}: dataset `{dataset}`, rows {row_start} to {row_stop - 1} "
                f"cannot be read: {error}",
                hint=WHOLE_HINT if isinstance(error, Shrunk) else ROWS_HINT,
            ) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def __reduce__(self) -> tuple[object, ...]:
        # A worker process opens the file for itself, wherever it works.
        from remote.workloads.shards.inputs.hdf5 import open_gems

        path = self.path.absolute()
        return open_gems, (path, self.index, self.skip_damaged, self.rules)


def _fitting(
    wanted: Wanted, dataset: str, values: Any, row_start: int
) -> tuple[Any, tuple[Damage, ...]]:
    """The values as their column wants them, with zeros for those that do not fit."""
    try:
        return converted(wanted, values), ()
    except OutOfRange as error:
        fitting = values.copy()
        fitting[error.rows] = 0
        reason = f"a value does not fit {wanted.dtype}"
        rows = (error.rows + row_start).tolist()
        found = tuple(Damage(row, row + 1, dataset, reason) for row in rows)
        return converted(wanted, fitting), found
