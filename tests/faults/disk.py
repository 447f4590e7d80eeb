"""A disk that fails, or a process that dies, at a chosen system call of a chosen kind.

It stands between Python and the operating system, for files below one directory: everything
else in the process goes on as before.
"""

from __future__ import annotations

import errno
import io
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

Kind = Literal["write", "fsync", "rename", "mkdir", "open", "truncate", "unlink"]
How = Literal["kill", "full", "broken"]
KINDS: tuple[Kind, ...] = ("write", "fsync", "rename", "mkdir", "open", "truncate", "unlink")
# What the system says; a process that is killed hears nothing.
NUMBERS: dict[How, int] = {"full": errno.ENOSPC, "broken": errno.EIO}


class Killed(BaseException):
    """The process is dead: nothing that it would do after this happens."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at call `nth` (from 0) of a kind; of any kind where that is None.

    A disk that is full stays so: the later calls of that kind fail too. A write is done by half.
    """

    how: How
    nth: int
    kind: Kind | None = None


@dataclass
class Disk:
    """Counts the calls below a directory, and lets one of them fail.

    Attributes:
        root: only what lies in it is counted.
        calls: by kind.
        failed: True after the fault happened.
    """

    root: Path
    fault: Fault | None
    calls: Counter[str] = field(default_factory=Counter)
    failed: bool = False
    _paths: dict[int, bool] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)

    def holds(self, path: Any) -> bool:
        """True for what lies below the directory, and for itself."""
        text = os.fspath(path)
        return isinstance(text, str) and Path(text).is_relative_to(self.root)

    def opened(self, descriptor: int, path: Any) -> int:
        """Remember which file a descriptor is of."""
        self._paths[descriptor] = self.holds(path)
        return descriptor

    def counts(self, descriptor: int) -> bool:
        """True where the file of a descriptor lies below the directory."""
        return self._paths.get(descriptor, False)

    def fails(self, kind: Kind) -> bool:
        """Count one call; True where it is to fail."""
        with self._lock:
            if self.fault is None:
                self.calls[kind] += 1
                return False
            wanted = self.fault.kind in (None, kind)
            at = self.calls[kind] if self.fault.kind else self.calls.total()
            self.calls[kind] += 1
            dead = self.fault.how == "kill" and self.failed
            again = self.fault.how == "full" and self.failed and wanted
            now = wanted and at == self.fault.nth
            self.failed |= now
            return now or dead or again

    def failure(self) -> BaseException:
        """What is raised where a call fails."""
        assert self.fault is not None
        if self.fault.how == "kill":
            return Killed()
        number = NUMBERS[self.fault.how]
        return OSError(number, os.strerror(number))

    def before(self, kind: Kind) -> None:
        """Count one call, and fail it where it is to fail."""
        if self.fails(kind):
            raise self.failure()

    def write(self, data: Any, really: Callable[[Any], int]) -> int:
        """One write: whole; or half and then the failure, as a disk does that gets full."""
        first = not self.failed
        if not self.fails("write"):
            return really(data)
        half = memoryview(data).cast("B")[: len(data) // 2]
        if first and len(half):
            written = really(half)
            if self.fault is not None and self.fault.how == "full":
                return written
        raise self.failure()


class _Raw(io.FileIO):
    """A file opened for writing."""

    def __init__(self, disk: Disk, path: Any, mode: str) -> None:
        disk.before("open")
        super().__init__(path, mode)
        self._disk = disk
        disk.opened(self.fileno(), path)

    def write(self, data: Any) -> int:
        return self._disk.write(data, super().write)

    def truncate(self, size: int | None = None) -> int:
        self._disk.before("truncate")
        return super().truncate(size)


@contextmanager
def failing(root: Path, fault: Fault | None = None) -> Iterator[Disk]:
    """Everything that this process does to files below `root` passes a `Disk`."""
    disk = Disk(root, fault)
    with pytest.MonkeyPatch.context() as patch:
        for name, kind in (("mkdir", "mkdir"), ("unlink", "unlink"), ("truncate", "truncate")):
            patch.setattr(os, name, _by_path(disk, kind, getattr(os, name)))
        patch.setattr(os, "rename", _by_path(disk, "rename", os.rename))
        patch.setattr(os, "fsync", _fsync(disk, os.fsync))
        patch.setattr(os, "write", _write(disk, os.write))
        patch.setattr(os, "writev", _writev(disk, os.writev))
        patch.setattr(os, "open", _os_open(disk, os.open))
        patch.setattr(io, "open", _io_open(disk, io.open))
        yield disk


def _by_path(disk: Disk, kind: Any, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(path: Any, *args: Any, **options: Any) -> Any:
        if disk.holds(path):
            disk.before(kind)
        return real(path, *args, **options)

    return call


def _fsync(disk: Disk, real: Callable[[int], None]) -> Callable[[int], None]:
    def call(descriptor: int) -> None:
        if disk.counts(descriptor):
            disk.before("fsync")
        real(descriptor)

    return call


def _write(disk: Disk, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    def call(descriptor: int, data: Any) -> int:
        if not disk.counts(descriptor):
            return real(descriptor, data)
        return disk.write(data, lambda part: real(descriptor, part))

    return call


def _writev(disk: Disk, real: Callable[[int, Any], int]) -> Callable[[int, Any], int]:
    def call(descriptor: int, parts: Any) -> int:
        if not disk.counts(descriptor):
            return real(descriptor, parts)
        return disk.write(b"".join(parts), lambda data: real(descriptor, [data]))

    return call


def _os_open(disk: Disk, real: Callable[..., int]) -> Callable[..., int]:
    def call(path: Any, flags: int, *args: Any, **options: Any) -> int:
        if disk.holds(path):
            disk.before("open")
        return disk.opened(real(path, flags, *args, **options), path)

    return call


def _io_open(disk: Disk, real: Callable[..., Any]) -> Callable[..., Any]:
    def call(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **options: Any) -> Any:
        if isinstance(file, int) or not set(mode) & set("wax+") or not disk.holds(file):
            return real(file, mode, buffering, *args, **options)
        raw = _Raw(disk, file, mode.replace("b", ""))
        if buffering == 0:
            return raw
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    return call
