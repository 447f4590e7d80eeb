"""The hashes by which exact duplicates are counted, kept in a file beside the journal.

Eight bytes a spectrum, so that a resumed build counts the same, and memory does not grow with
what is written.
"""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

from remote.workloads.durable import closed_on_error, writing_errors

Hashes = npt.NDArray[np.uint64]

_WORD = 8
_BLOCK_BYTES = 1 << 23


class Fingerprints:
    """All fingerprints of a build, in the order of its row groups.

    Attributes:
        count: how many there are.
    """

    def __init__(self, path: Path, descriptor: int, count: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self.count = count

    @classmethod
    def create(cls, path: Path) -> Self:
        """Begin a file in place of any that was there.

        Raises:
            DiskTooSmall, ResultsUnusable: it cannot be written; so do `append` and `sync`.
        """
        return cls.reopen(path, 0)

    @classmethod
    def nameless(cls, folder: Path) -> Self:
        """Begin a file in `folder` that is gone when it is closed."""
        with writing_errors(folder), tempfile.TemporaryFile(dir=folder) as made:
            return cls(folder, os.dup(made.fileno()), 0)

    @classmethod
    def reopen(cls, path: Path, count: int) -> Self:
        """Go on after `count` of them; anything else that the file held is cut off."""
        with writing_errors(path):
            flags = os.O_CREAT | os.O_RDWR | os.O_APPEND
            found = cls(path, os.open(path, flags, 0o644), count)
        with closed_on_error(found), writing_errors(path):
            os.truncate(path, _WORD * count)
        return found

    def append(self, hashes: Hashes) -> int:
        """Add those of one row group; return the CRC-32 of their bytes."""
        data = hashes.astype("<u8", copy=False).tobytes()
        view = memoryview(data)
        with writing_errors(self._path):
            while view:
                view = view[os.write(self._descriptor, view) :]
        self.count += len(hashes)
        return zlib.crc32(data)

    def parts(self) -> Iterator[Hashes]:
        """Every fingerprint so far, in pieces of some megabytes."""
        for start in range(0, _WORD * self.count, _BLOCK_BYTES):
            size = min(_BLOCK_BYTES, _WORD * self.count - start)
            yield np.frombuffer(os.pread(self._descriptor, size, start), "<u8")

    def sync(self) -> None:
        """Return when the file is on disk."""
        with writing_errors(self._path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Close without syncing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def crc(hashes: Hashes) -> int:
    """CRC-32 of the bytes as they are stored."""
    return zlib.crc32(hashes.astype("<u8", copy=False).tobytes())


def stored(path: Path, before: int, groups: Sequence[int]) -> Iterator[Hashes]:
    """The stored fingerprints of row groups of these sizes, which `before` others precede.

    Short ones where the file ends.
    """
    if not path.exists():
        yield from (np.zeros(0, np.uint64) for _ in groups)
        return
    with path.open("rb") as source:
        source.seek(_WORD * before)
        for group in groups:
            data = source.read(_WORD * group)
            yield np.frombuffer(data[: len(data) // _WORD * _WORD], "<u8")
