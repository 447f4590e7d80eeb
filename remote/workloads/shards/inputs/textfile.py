"""A file as plain bytes, read at any place from any number of threads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remote.errors import InputUnusable
from remote.workloads.shards.inputs.source import WHOLE_HINT
from remote.workloads.shards.inputs.storage import Shrunk, Unreadable

BLOCK_BYTES = 8 << 20
# What some programs begin a UTF-8 text with.
BOM = b"\xef\xbb\xbf"
# Names a file and its content, so that what was found in it is found once a process.
Identity = tuple[str, int, int, int]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what keeps the file as a whole from being read into one error.

    Raises:
        InputUnusable: names the file.
    """
    try:
        yield
    except (Unreadable, OSError) as error:
        raise InputUnusable(f"{path} cannot be read: {error}", hint=WHOLE_HINT) from error


class TextFile:
    """An open file.

    Attributes:
        size: in bytes, when it was opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        found = os.fstat(self._descriptor)
        self.size = found.st_size
        self.identity: Identity = (
            str(path.absolute()),
            found.st_ino,
            found.st_size,
            found.st_mtime_ns,
        )

    def read(self, start: int, stop: int) -> bytes:
        """Bytes [start, stop).

        Raises:
            Unreadable: the file ends before.
            OSError: the system cannot read it.
        """
        parts: list[bytes] = []
        while start < stop:
            part = os.pread(self._descriptor, min(stop - start, 1 << 30), start)
            if not part:
                raise Unreadable(f"the file ends before byte {stop}")
            parts.append(part)
            start += len(part)
        return b"".join(parts)

    def blocks(self, overlap: int = 0) -> Iterator[tuple[int, bytes]]:
        """The whole file in pieces, each with its place; `overlap` bytes come twice."""
        start = 0
        while start < self.size:
            stop = min(start + BLOCK_BYTES, self.size)
            yield start, self.read(start, stop)
            start = stop if stop == self.size else stop - overlap

    def check_size(self) -> None:
        """Make sure that the file is as long as it was.

        Raises:
            Shrunk: it is shorter.
        """
        size = os.fstat(self._descriptor).st_size
        if size < self.size:
            raise Shrunk(f"the file had {self.size} bytes when it was opened, now {size}")

    def close(self) -> None:
        """Close it; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
