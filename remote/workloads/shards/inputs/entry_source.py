"""An input of a file that holds one spectrum after the other; see `entries`.

What is the same for all kinds of such files is here. Rows come ragged: a few spectra with very
many peaks cost what they hold, and not that for every row beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.shards.blocks import ROW_GROUP_ROWS, Ragged, RawRows
from remote.workloads.shards.inputs.columns import column_of, misfit
from remote.workloads.shards.inputs.damage import Damage
from remote.workloads.shards.inputs.entries import BadEntry, Entries, Entry, Read
from remote.workloads.shards.inputs.ragged import MOST_PLACES
from remote.workloads.shards.inputs.source import COPY_HINT, WHOLE_HINT
from remote.workloads.shards.inputs.storage import Unreadable
from remote.workloads.shards.memory_plan import Blocks

ENTRY_HINT = "Correct the entry, or make the file again. To build from the others: --skip-damaged."
# Of a peak: as read; cleaned, joined and encoded; in a shard. Of a padded place that is cleaned.
_RAW_BYTES, _GROUP_BYTES, _WRITTEN_BYTES, _PLACE_BYTES = 16, 60, 12, 32
# Of a peak as it is parsed, text and lists; of an entry, its values, and its place in the index.
_PARSED_BYTES, _VALUES_BYTES, _INDEX_BYTES = 200, 1_500, 40


@dataclass(frozen=True, slots=True)
class EntrySource:
    """One open input; see `source.Source`."""

    index: int
    skip_damaged: bool
    entries: Entries

    @property
    def path(self) -> Path:
        return self.entries.path

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def kind(self) -> str:
        return self.entries.kind

    @property
    def rows(self) -> int:
        return len(self.entries.most_peaks)

    @property
    def chunks(self) -> tuple[int, ...] | None:
        return None

    @property
    def chunk_rows(self) -> int:
        return 1

    @property
    def columns(self) -> frozenset[str]:
        return self.entries.columns

    @property
    def lsh(self) -> Literal["int64", "string"] | None:
        return self.entries.lsh

    @property
    def dtypes(self) -> Mapping[str, str]:
        return {}

    @property
    def carried(self) -> Mapping[str, pa.DataType]:
        return self.entries.carried

    @property
    def offers(self) -> tuple[str, ...]:
        return self.entries.offers

    def read(self, row_start: int, row_stop: int) -> RawRows:
        """See `Source.read`."""
        rows = _Rows(row_stop - row_start, int(self.entries.most_peaks[row_start:row_stop].sum()))
        damages: list[Damage] = []
        try:
            for row, entry in enumerate(self.entries.read(row_start, row_stop), start=row_start):
                problem = rows.add(entry)
                if problem is not None:
                    damages.append(self._damage(row, problem))
            self.entries.check_size()
        except (Unreadable, OSError) as error:
            raise InputUnusable(
                f"{self.path}: entries {row_start} to {row_stop - 1} cannot be read: {error}",
                hint=WHOLE_HINT,
            ) from error
        kinds = {**dict.fromkeys(self.columns), **self._own_types}
        columns = {name: rows.column(name, kind) for name, kind in kinds.items()}
        mz, intensity = rows.peaks()
        unwanted = np.array(rows.unwanted, np.bool_)
        return RawRows(
            self.index,
            row_start,
            mz,
            intensity,
            columns,
            tuple(damages),
            unwanted if unwanted.any() else None,
        )

    def read_columns(
        self, row_start: int, row_stop: int, names: Collection[str]
    ) -> tuple[Mapping[str, Any], npt.NDArray[np.bool_]]:
        """See `Source.read_columns`. Entries are read whole."""
        raw = self.read(row_start, row_stop)
        sound = np.ones(row_stop - row_start, bool)
        for damage in raw.damaged:
            sound[damage.row_start - row_start : damage.row_stop - row_start] = False
        return {name: raw.columns[name] for name in names if name in raw.columns}, sound

    @property
    def _own_types(self) -> Mapping[str, pa.DataType]:
        """Arrow types of the columns for which the schema alone does not say it."""
        lsh = {None: {}, "string": {"lsh": pa.string()}, "int64": {"lsh": pa.int64()}}[self.lsh]
        return {**lsh, **self.carried}

    def _damage(self, row: int, problem: BadEntry) -> Damage:
        if not self.skip_damaged:
            raise InputUnusable(f"{self.path}, entry {row}, {problem}", hint=ENTRY_HINT)
        return Damage(row, row + 1, "", str(problem))

    def blocks(self, row_start: int, row_stop: int, bytes_per_row: float) -> Blocks:
        """See `Source.blocks`. Peaks are counted; `bytes_per_row`, a mean, says too little."""
        peaks = int(self.entries.most_peaks[row_start:row_stop].sum())
        first = row_start - row_start % ROW_GROUP_ROWS
        bounds = [*range(first, row_stop, ROW_GROUP_ROWS), row_stop]
        groups = [self._group(start) for start in bounds[:-1]]
        cut = row_start % ROW_GROUP_ROWS or (row_stop % ROW_GROUP_ROWS and row_stop < self.rows)
        return Blocks(
            raw=peaks * _RAW_BYTES
            + (row_stop - row_start) * _VALUES_BYTES
            + self._widest(row_start, row_stop) * _PARSED_BYTES,
            group=max(groups),
            result=max(peaks * _WRITTEN_BYTES, int((row_stop - row_start) * bytes_per_row)),
            joined=max(groups) if cut else 0,
            reader=self.entries.library_bytes + self.rows * _INDEX_BYTES,
        )

    def _group(self, start: int) -> int:
        """Bytes that the row group from a row on takes while it is cleaned and encoded."""
        stop = min(start + ROW_GROUP_ROWS, self.rows)
        widest = self._widest(start, stop) + 1
        places = max(widest, min(widest * (stop - start), MOST_PLACES))
        peaks = int(self.entries.most_peaks[start:stop].sum())
        return places * _PLACE_BYTES + peaks * _GROUP_BYTES

    def _widest(self, row_start: int, row_stop: int) -> int:
        return int(self.entries.most_peaks[row_start:row_stop].max(initial=0))

    def probe(self) -> None:
        """See `Source.probe`."""
        if self.skip_damaged:
            return
        for row in sorted({0, self.rows - 1}):
            self.read(row, row + 1)

    def check_size(self) -> None:
        """See `Source.check_size`."""
        try:
            self.entries.check_size()
        except Unreadable as error:
            raise InputUnusable(f"{self.path} is cut short: {error}", hint=COPY_HINT) from None

    def peaks_per_spectrum(self) -> float:
        """See `Source.peaks_per_spectrum`."""
        return float(self.entries.most_peaks.mean())

    def close(self) -> None:
        """Release the file."""
        self.entries.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[object, ...]:
        return _reopened, (self.index, self.skip_damaged, *self.entries.reopening())


def _reopened(
    index: int,
    skip_damaged: bool,
    function: Callable[..., Entries],
    arguments: tuple[Any, ...],
) -> EntrySource:
    return EntrySource(index, skip_damaged, function(*arguments))


class _Rows:
    """Entries one after the other, as they become arrays."""

    def __init__(self, rows: int, most_peaks: int) -> None:
        self._mz = np.empty(most_peaks, np.float64)
        self._intensity = np.empty(most_peaks, np.float64)
        self._offsets = np.zeros(rows + 1, np.int64)
        self._values: list[Mapping[str, Any]] = []
        self.unwanted: list[bool] = []

    def add(self, entry: Read) -> BadEntry | None:
        """Take one more; why it cannot be taken, where it cannot."""
        row = len(self._values)
        start = int(self._offsets[row])
        problem = entry if isinstance(entry, BadEntry) else None
        values: Mapping[str, Any] = {}
        stop = start
        if isinstance(entry, Entry):
            problem = _problem(entry, len(self._mz) - start)
            if problem is None:
                values, stop = entry.values, start + len(entry.mz)
                self._mz[start:stop] = entry.mz
                self._intensity[start:stop] = entry.intensity
        self._offsets[row + 1] = stop
        self._values.append(values)
        self.unwanted.append(entry is None)
        return problem

    def peaks(self) -> tuple[Ragged, Ragged]:
        """m/z and intensity."""
        stop = int(self._offsets[-1])
        return Ragged(self._mz[:stop], self._offsets), Ragged(self._intensity[:stop], self._offsets)

    def column(self, name: str, kind: pa.DataType | None) -> Any:
        """A column; its type where the schema does not say it."""
        return column_of(name, kind, [values.get(name) for values in self._values])


def _problem(entry: Entry, room: int) -> BadEntry | None:
    if len(entry.mz) != len(entry.intensity):
        return BadEntry(f"{len(entry.mz)} m/z values and {len(entry.intensity)} intensities")
    if len(entry.mz) > room:
        return BadEntry("it has more peaks than it says")
    found = misfit(entry.values)
    return BadEntry(found) if found else None
