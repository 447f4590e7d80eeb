"""kernel.log as the kernel process sees it: a file it writes to directly, and reads back.

The kernel's descriptors 1 and 2 are kernel.log, opened for appending. What C libraries and
child processes write goes there without a pipe in between, so nothing is lost when the kernel
is killed and nothing blocks when nobody reads. What Python code prints is written there too,
by `write`, which remembers the byte ranges it wrote. `foreign` returns all other new bytes,
so that the notebook can show them as well.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from pathlib import Path

_READ_AT_ONCE = 1 << 18


class KernelLog:
    """One open kernel.log. Safe to use from many threads of one process."""

    def __init__(self, path: Path) -> None:
        """Raises OSError where the file cannot be opened."""
        self._writer = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._reader = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._own: deque[tuple[int, int]] = deque()
        self._position = os.fstat(self._reader).st_size
        self.bytes_lost = 0

    def write(self, data: bytes) -> None:
        """Append `data`. What a full disk refuses is counted in `bytes_lost`, never raised."""
        with self._lock:
            while data:
                try:
                    written = os.write(self._writer, data)
                except OSError:
                    self.bytes_lost += len(data)
                    return
                end = os.lseek(self._writer, 0, os.SEEK_CUR)
                self._remember(end - written, end)
                data = data[written:]

    def _remember(self, start: int, end: int) -> None:
        if self._own and self._own[-1][1] == start:
            self._own[-1] = (self._own[-1][0], end)
        else:
            self._own.append((start, end))

    def foreign(self) -> bytes:
        """Bytes appended since the last call by anything but `write`; b"" where there are none."""
        with self._reading:
            with self._lock:
                stop = os.fstat(self._reader).st_size
                if stop <= self._position:
                    return b""
                own = list(self._own)
                self._own.clear()
            pieces = [self._read(start, end) for start, end in self._gaps(own, stop)]
            self._position = stop
            return b"".join(pieces)

    def _gaps(self, own: list[tuple[int, int]], stop: int) -> list[tuple[int, int]]:
        """What of [position, stop) is in none of the sorted ranges `own`."""
        gaps = []
        at = self._position
        for start, end in own:
            if start > at:
                gaps.append((at, start))
            at = end
        if at < stop:
            gaps.append((at, stop))
        return gaps

    def _read(self, start: int, end: int) -> bytes:
        pieces = []
        while start < end:
            piece = os.pread(self._reader, min(_READ_AT_ONCE, end - start), start)
            if not piece:
                break
            pieces.append(piece)
            start += len(piece)
        return b"".join(pieces)
