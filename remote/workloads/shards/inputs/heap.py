"""Variable-length names, read without the library.

h5py makes a Python object of every name, one at a time under its lock. In the file a name is a
reference (length, address, index) into a "global heap collection" of some kilobytes. Names come
in long runs of the same one, so here only one text of each run is ever made.

    collection: "GCOL", version 1, 3 bytes, size u64; then objects until its end
    object:     index u16, uses u16, 4 bytes, size u64; then its bytes, padded to a multiple of 8
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from remote.workloads.shards.inputs.datasets import text
from remote.workloads.shards.inputs.direct import ChunkReader, ContiguousReader, stored_reader
from remote.workloads.shards.inputs.names import name_finder
from remote.workloads.shards.inputs.storage import DataFile, Unreadable

_HEADER = 16


@dataclass(frozen=True, slots=True)
class NameReader:
    """A dataset of variable-length strings, as an Arrow dictionary of few names."""

    file: DataFile
    name: str
    references: ContiguousReader | ChunkReader
    rows: int

    def read(self, row_start: int, row_stop: int) -> Any:
        """Rows [row_start, row_stop) as a dictionary array, names in order of appearance."""
        words = self.references.read(row_start, row_stop).astype(np.uint64)
        lengths = words[:, 0].astype(np.int64)
        addresses = words[:, 1] | (words[:, 2] << np.uint64(32))
        collections, members = np.unique(addresses, return_inverse=True)
        heap, bases = self._collections(collections)
        order = np.argsort(members, kind="stable")
        starts = np.empty(len(words), np.int64)
        runs = np.empty(len(words), np.int64)
        found = name_finder()(
            heap, bases, members, order, words[:, 3].astype(np.int64), lengths, starts, runs
        )
        if found < 0:
            raise Unreadable("a name is not where its reference says")
        firsts = np.flatnonzero(np.diff(runs, prepend=-1))
        content = heap.tobytes()
        bounds = zip(starts[firsts].tolist(), lengths[firsts].tolist(), strict=True)
        texts = np.array([content[at : at + n] for at, n in bounds], object)
        names = text(texts).dictionary_encode()
        codes = names.indices.to_numpy()[runs]
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), names.dictionary)

    def _collections(
        self, addresses: npt.NDArray[np.uint64]
    ) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
        """The collections one after the other, and where each begins; empty for address 0."""
        parts: list[bytes] = []
        for address in addresses.tolist():
            if address == 0:
                parts.append(b"")
                continue
            header = self.file.pread(_HEADER, address)
            size = int.from_bytes(header[8:], "little")
            if header[:5] != b"GCOL\x01" or not _HEADER <= size < 1 << 32:
                raise Unreadable(f"there is no heap of names at byte {address}")
            parts.append(header + self.file.pread(size - _HEADER, address + _HEADER))
        bases = np.cumsum([0, *(len(part) for part in parts)])
        return np.frombuffer(b"".join(parts), np.uint8), bases

    def probe(self) -> None:
        """See `Reader.probe`. The library goes round for ever in a heap with zeros in it."""
        self.references.probe()
        self.read(0, 1)
        self.read(self.rows - 1, self.rows)


def name_reader(file: DataFile, dataset: Any) -> NameReader | None:
    """A reader of names, None where only the library is sure to read them right."""
    kind = h5py.check_string_dtype(dataset.dtype)
    sizes = dataset.file.id.get_create_plist().get_sizes()
    if kind is None or kind.length is not None or sizes != (8, 8):
        return None
    # A reference is 16 bytes: length u32, address u64, index u32.
    references = stored_reader(file, dataset, np.dtype("<u4"), words=(4,))
    if references is None:
        return None
    return NameReader(file, references.name, references, dataset.shape[0])
