"""The hashes by which exact duplicates are counted, kept beside the journal.

Eight bytes a spectrum: in memory for the count at the end, in a file so that a resumed build
counts the same.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from remote.workloads.durable import closed_on_error, writing_errors

Hashes = npt.NDArray[np.uint64]


class Fingerprints:
    """All fingerprints of a build, in the order of its row groups."""

    def __init__(self, path: Path | None, kept: Sequence[Hashes] = ()) -> None:
        """Begin with what is `kept`; anything else that the file held is cut off.

        Args:
            path: None to keep them in memory alone.

        Raises:
            DiskTooSmall, ResultsUnusable: the file cannot be written; so do `append` and `sync`.
        """
        self._path = path
        self._parts = list(kept)
        self._descriptor: int | None = None
        if path is not None:
            size = sum(part.nbytes for part in self._parts)
            with writing_errors(path):
                self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            with closed_on_error(self), writing_errors(path):
                os.truncate(path, size)

    @classmethod
    def reopen(cls, path: Path, groups: Sequence[int]) -> Self:
        """Go on after row groups of these numbers of spectra."""
        return cls(path, stored(path, groups))

    def append(self, hashes: Hashes) -> int:
        """Add those of one row group; return the CRC-32 of their bytes."""
        data = hashes.astype("<u8")  # a copy: the hashes may be part of a large message
        self._parts.append(data)
        if self._descriptor is not None and self._path is not None and len(data):
            view = memoryview(data.tobytes())
            with writing_errors(self._path):
                while view:
                    view = view[os.write(self._descriptor, view) :]
        return crc(data)

    def all(self) -> Hashes:
        """Every fingerprint so far."""
        return np.concatenate([np.zeros(0, np.uint64), *self._parts])

    def sync(self) -> None:
        """Return when the file is on disk."""
        if self._descriptor is not None and self._path is not None:
            with writing_errors(self._path):
                os.fsync(self._descriptor)

    def close(self) -> None:
        """Close without syncing."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def crc(hashes: Hashes) -> int:
    """CRC-32 of the bytes as they are stored."""
    return zlib.crc32(hashes.astype("<u8", copy=False).tobytes())


def stored(path: Path, groups: Sequence[int]) -> list[Hashes]:
    """The stored fingerprints of row groups of these sizes; short ones where the file ends."""
    data = np.frombuffer(path.read_bytes()[: 8 * sum(groups)] if path.exists() else b"", "u1")
    whole = data[: len(data) // 8 * 8].view("<u8")
    bounds = np.cumsum([0, *groups])
    return [whole[a:b] for a, b in pairwise(bounds)]
