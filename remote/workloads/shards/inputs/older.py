"""HDF5 inputs in the older layout: one group a spectrum.

    spectra/<name>/mzs, intensities    (p,) numbers
    spectra/<name>/precursor_mz, ...   single values, each a dataset or an attribute

Rows are the groups in the order in which the library lists them, which is by name unless the
file was made to keep the order of writing. Read through h5py, which takes one thread at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.datasets import OPTIONAL, PRECURSOR
from remote.workloads.shards.inputs.entries import BadEntry, Entries, Entry, Read
from remote.workloads.shards.inputs.entry_source import EntrySource
from remote.workloads.shards.inputs.source import COPY_HINT
from remote.workloads.shards.inputs.storage import BROKEN, DataFile, reason
from remote.workloads.shards.settings import InputRules

# The name under which the groups' own names can be carried.
NAMES = "source_id"
_PEAKS = ("mzs", "intensities")


@dataclass(frozen=True, slots=True)
class OlderIndex:
    """What a file holds, found in one pass over its groups.

    Attributes:
        names: of the groups, in the order of the rows.
        peaks: (n,) int64, how many peaks each has.
        kinds: by name of a value, the NumPy kinds that it has anywhere.
    """

    names: tuple[str, ...]
    peaks: npt.NDArray[np.int64]
    kinds: Mapping[str, str]


def older_source(file: DataFile, index: int, rules: InputRules) -> EntrySource:
    """An input of an open file.

    Raises:
        InputUnusable: it holds no spectra, or what it holds cannot be listed.
    """
    try:
        found = _indexed(file.hdf5["spectra"])
    except BROKEN as error:
        raise InputUnusable(
            f"{file.path}: the groups below `spectra` cannot be listed: {reason(error)}",
            hint=COPY_HINT,
        ) from error
    if not found.names or not set(_PEAKS) <= set(found.kinds):
        raise InputUnusable(
            f"{file.path}: `spectra` holds no group with `mzs` and `intensities`",
            hint="docs/inputs.md says which HDF5 layouts are read.",
        )
    return EntrySource(index, file.skip_damaged, Older(file, found, rules))


def _indexed(spectra: Any) -> OlderIndex:
    names = tuple(map(str, spectra))
    peaks = np.zeros(len(names), np.int64)
    kinds: dict[str, set[str]] = {}
    for row, name in enumerate(names):
        with suppress(*BROKEN):  # reading the row says what is wrong
            group = spectra[name]
            for key, value in (*group.items(), *group.attrs.items()):
                stored = value if isinstance(value, h5py.Dataset) else np.asarray(value)
                kinds.setdefault(key, set()).add(stored.dtype.kind)
            peaks[row] = group["mzs"].size
    return OlderIndex(names, peaks, {key: "".join(sorted(k)) for key, k in kinds.items()})


@dataclass(frozen=True)
class Older:
    """An open file; see `entries.Entries`."""

    file: DataFile
    index: OlderIndex
    rules: InputRules

    kind = "hdf5, one group a spectrum"
    library_bytes = 0

    @property
    def path(self) -> Path:
        return self.file.path

    @property
    def most_peaks(self) -> npt.NDArray[np.int64]:
        return self.index.peaks

    @property
    def offers(self) -> tuple[str, ...]:
        return (NAMES, *sorted(set(self.index.kinds) - set(_PEAKS)))

    @cached_property
    def _wanted(self) -> Mapping[str, tuple[str, ...]]:
        """By column, the names of values that fill it; not each group need have the same one."""
        found = {
            wanted.column: tuple(name for name in wanted.datasets if name in self.index.kinds)
            for wanted in (PRECURSOR, *OPTIONAL)
        }
        return {column: names for column, names in found.items() if names}

    @property
    def columns(self) -> frozenset[str]:
        return frozenset({"precursor_mz", *self._wanted})

    @property
    def lsh(self) -> Literal["int64", "string"] | None:
        kinds = self.index.kinds.get("lsh")
        if kinds is None:
            return None
        return "string" if set(kinds) & set("SOU") else "int64"

    @cached_property
    def carried(self) -> Mapping[str, pa.DataType]:
        return {
            name: pa.string() if name == NAMES else self._arrow(name)
            for name in self.rules.carry
            if name in self.offers
        }

    def _arrow(self, name: str) -> pa.DataType:
        kinds = set(self.index.kinds[name])
        if kinds <= set("iu"):
            return pa.int64()
        return pa.float64() if kinds <= set("iuf") else pa.string()

    def read(self, row_start: int, row_stop: int) -> Iterator[Read]:
        """See `Entries.read`."""
        for name in self.index.names[row_start:row_stop]:
            try:
                yield self._entry(name)
            except BadEntry as error:
                yield error
            except BROKEN as error:
                self.file.check_size()
                yield BadEntry(f"group `{name}` cannot be read: {' '.join(reason(error).split())}")

    def _entry(self, name: str) -> Read:
        group = self.file.hdf5["spectra"].get(name)
        if not isinstance(group, h5py.Group) or not self.file.holds(group):
            raise BadEntry(f"`{name}` is no group of this file")
        known: dict[str, Any] = {}
        for column, names in self._wanted.items():
            values = (_value(group, name) for name in names)
            known[column] = next((value for value in values if value is not None), None)
        known = {column: value for column, value in known.items() if value is not None}
        if self.lsh == "string" and "lsh" in known:
            known["lsh"] = str(known["lsh"])
        if known.get("ms_level", self.rules.ms_level) != self.rules.ms_level:
            return None
        mz, intensity = (_numbers(group, key) for key in _PEAKS)
        for column, kind in self.carried.items():
            value = name if column == NAMES else _value(group, column)
            known[column] = None if value is None else str(value) if kind == pa.string() else value
        return Entry(mz, intensity, known)

    def check_size(self) -> None:
        """See `Entries.check_size`."""
        self.file.check_size()

    def close(self) -> None:
        """Release the file."""
        self.file.close()

    def reopening(self) -> tuple[Callable[..., Entries], tuple[Any, ...]]:
        """See `Entries.reopening`."""
        return _reopened, (self.path.absolute(), self.file.skip_damaged, self.index, self.rules)


def _reopened(path: Path, skip_damaged: bool, index: OlderIndex, rules: InputRules) -> Older:
    from remote.workloads.shards.inputs.hdf5 import opened

    return Older(opened(path, skip_damaged), index, rules)


def _numbers(group: Any, key: str) -> npt.NDArray[np.float64]:
    values = group.get(key)
    if not isinstance(values, h5py.Dataset) or values.ndim != 1 or values.dtype.kind not in "fiu":
        raise BadEntry(f"group `{group.name}` has no numbers `{key}` in one row")
    return np.asarray(values[()], np.float64)


def _value(group: Any, key: str) -> Any:
    """A single value as Python has it; None where it is not there or says nothing."""
    if key in group:
        stored = np.asarray(group[key][()])
    elif key in group.attrs:
        stored = np.asarray(group.attrs[key])
    else:
        return None
    if stored.size != 1:
        raise BadEntry(f"`{key}` of group `{group.name}` has {stored.size} values, not one")
    value = stored.reshape(-1)[0]
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    return value
