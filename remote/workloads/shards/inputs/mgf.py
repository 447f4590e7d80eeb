"""MGF files: entries of parameters and peaks, as text.

pyteomics reads an entry. Before that each of its lines is looked at here, for pyteomics names no
line, and passes over a peak that lacks its intensity. docs/inputs.md says which parameter fills
which column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.durable import closed_on_error
from remote.workloads.shards.inputs.entries import BadEntry, Entries, Entry, Read
from remote.workloads.shards.inputs.entry_source import EntrySource
from remote.workloads.shards.inputs.mgf_index import NO_END, OUTSIDE, MgfIndex, indexed
from remote.workloads.shards.inputs.mgf_lines import checked
from remote.workloads.shards.inputs.mgf_values import KEYS, values_of
from remote.workloads.shards.inputs.textfile import TextFile, reading
from remote.workloads.shards.settings import InputRules

# Measured: pyteomics, and what it loads.
_LIBRARY_BYTES = 5_000_000


def open_mgf(path: Path, index: int, skip_damaged: bool, rules: InputRules) -> EntrySource:
    """Open a file and find its entries.

    Raises:
        InputUnusable: it has none, or cannot be read.
    """
    with reading(path):
        file = TextFile(path)
        with closed_on_error(file):
            found = indexed(file)
            _refuse_without_peaks(path, found)
            _check_header(path, found)
    return EntrySource(index, skip_damaged, Mgf(file, found, rules))


def _check_header(path: Path, index: MgfIndex) -> None:
    try:
        checked(index.header, 1)
    except BadEntry as error:
        raise InputUnusable(
            f"{path}, before its first entry, {error}",
            hint="This concerns all entries: correct the line, or remove it.",
        ) from None


def _refuse_without_peaks(path: Path, index: MgfIndex) -> None:
    if not index.has_peaks:
        raise InputUnusable(
            f"{path} has {len(index.line)} entries, and none of them has a peak",
            hint="An MGF file for searches by precursor alone holds no spectra; export the peaks.",
        )


@dataclass(frozen=True)
class Mgf:
    """An open file; see `entries.Entries`.

    Attributes:
        index: where its entries lie.
        rules: what is taken of them.
    """

    file: TextFile
    index: MgfIndex
    rules: InputRules

    kind = "mgf"
    library_bytes = _LIBRARY_BYTES
    lsh = None

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def most_peaks(self) -> npt.NDArray[np.int64]:
        return self.index.lines

    @property
    def offers(self) -> tuple[str, ...]:
        return self.index.keys

    @cached_property
    def columns(self) -> frozenset[str]:
        held = {key.lower() for key in self.index.keys}
        filled = (name for name, keys in KEYS.items() if not held.isdisjoint(keys))
        return frozenset({"precursor_mz", *filled})

    @cached_property
    def carried(self) -> Mapping[str, pa.DataType]:
        held = {key.lower() for key in self.index.keys}
        return {name: pa.string() for name in self.rules.carry if name.lower() in held}

    def read(self, row_start: int, row_stop: int) -> Iterator[Read]:
        """See `Entries.read`."""
        for row in range(row_start, row_stop):
            yield self._entry(row)

    def _entry(self, row: int) -> Read:
        line, fault = int(self.index.line[row]), self.index.fault[row]
        if fault == OUTSIDE:
            return BadEntry("this text is in no entry, between BEGIN IONS and END IONS", line)
        if fault == NO_END:
            return BadEntry("BEGIN IONS has no END IONS", line)
        stored = self.file.read(int(self.index.start[row]), int(self.index.stop[row]))
        try:
            return self._parsed(checked(stored, line), line)
        except BadEntry as error:
            return error

    def _parsed(self, lines: Sequence[str], line: int) -> Read:
        from pyteomics.auxiliary import PyteomicsError
        from pyteomics.mgf import MGF

        text = "\n".join(["BEGIN IONS", *self._header, *lines, "END IONS", ""])
        try:
            reader = MGF(StringIO(text), use_header=False, convert_arrays=0, read_charges=False)
            found = next(reader)
        except (PyteomicsError, ValueError) as error:  # what `checked` has let pass all the same
            raise BadEntry(f"pyteomics cannot read this entry: {error}", line) from error
        values = values_of(found["params"])
        if values.get("ms_level", self.rules.ms_level) != self.rules.ms_level:
            return None
        carried = {name: found["params"].get(name.lower()) for name in self.carried}
        return Entry(
            np.array(found["m/z array"], np.float64),
            np.array(found["intensity array"], np.float64),
            {**values, **{k: v if v is None else str(v) for k, v in carried.items()}},
        )

    @cached_property
    def _header(self) -> Sequence[str]:
        """Parameters of all entries, to which their own are preferred."""
        return checked(self.index.header, 1)

    def check_size(self) -> None:
        """See `Entries.check_size`."""
        self.file.check_size()

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def reopening(self) -> tuple[Callable[..., Entries], tuple[Any, ...]]:
        """See `Entries.reopening`."""
        return _reopened, (self.path.absolute(), self.index, self.rules)


def _reopened(path: Path, index: MgfIndex, rules: InputRules) -> Mgf:
    with reading(path):
        return Mgf(TextFile(path), index, rules)
