"""A run's files as its host offers them, and the host that is this machine.

Paths are relative to the run's directory, with `/`: `executed.ipynb`, `kernel.log`,
`events.jsonl`, and `output/...` for what the notebook wrote. Nothing here is trusted: whoever
collects decides what is taken.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from remote.errors import ResultsUnusable
from remote.results.names import EVENTS, EXECUTED, KERNEL_LOG

OUTPUT = "output"
SYSTEM_FILES = (EXECUTED, KERNEL_LOG, EVENTS)
# Appended to line by line: the bytes listed are whole, whatever follows them later.
GROWING = frozenset({KERNEL_LOG, EVENTS})

DEEPEST = 64


class Kind(StrEnum):
    """What an entry is, as said to a person."""

    FILE = "a regular file"
    LINK = "a symbolic link"
    FIFO = "a FIFO"
    SOCKET = "a socket"
    DEVICE = "a device"
    DIRECTORY = "a directory that cannot be listed"
    UNREADABLE = "something that cannot be looked at"
    TOO_DEEP = f"a directory nested deeper than {DEEPEST}"


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in the run's directory; directories that could be listed are not entries.

    Attributes:
        path: relative to the run's directory; undecodable bytes as surrogate escapes.
        kind: what it is.
        size_bytes: as listed; 0 for what is no regular file.
        links: how many names the file has.
        identity: equal for the names of one file, None where `links` is 1.
        changed, listed: when it last changed and when it was looked at, in whole seconds of the
            host's own clock.
    """

    path: str
    kind: Kind
    size_bytes: int = 0
    links: int = 1
    identity: tuple[int, int] | None = None
    changed: int = 0
    listed: int = 0


class Readable(Protocol):
    """What an opened file must be able to do."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end.

        Raises:
            OSError: it cannot be read; the host itself can be spoken to.
            Refused: the same, as the host puts it.
            WorkhorseError: the host cannot be spoken to.
        """
        ...


class RunFiles(Protocol):
    """The files of one run on its host."""

    def walk(self) -> Iterator[Entry]:
        """What is to be collected, in any order: the system's files and all of `output/`."""
        ...

    def open_each(self, entries: Sequence[Entry]) -> Opened:
        """Each file in turn, opened without following any link; usable until the next one.

        A `Refused` stands for a file that is no regular file any more, or cannot be read.
        """
        ...

    def digests(self, entries: Sequence[Entry]) -> Generator[str | None, None, None]:
        """Each file's SHA-256 as the host reads it now; None where it cannot be read."""
        ...


class Refused(Exception):
    """A file is left out; the text is the reason."""


Opened = Generator[Readable | Refused, None, None]


@dataclass(frozen=True, slots=True)
class LocalRunFiles:
    """A run's directory on this machine, read so that no race leads outside of it."""

    directory: Path

    def walk(self) -> Iterator[Entry]:
        """See `RunFiles.walk`.

        Raises:
            ResultsUnusable: the run's directory itself cannot be opened.
        """
        try:
            root = os.open(self.directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise ResultsUnusable(
                f"The run's directory {self.directory} cannot be read: {error.strerror}.",
                hint="`remote ps` shows which runs the host has.",
            ) from error
        try:
            for name in SYSTEM_FILES:
                yield from _look(root, name, name, 0)
            yield from _look(root, OUTPUT, OUTPUT, 0)
        finally:
            os.close(root)

    def open_each(self, entries: Sequence[Entry]) -> Opened:
        """See `RunFiles.open_each`. Any file of the run's directory may be named."""
        for entry in entries:
            try:
                descriptor = _open_regular(self.directory, entry.path)
            except Refused as refusal:
                yield refusal
                continue
            with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
                yield file

    def digests(self, entries: Sequence[Entry]) -> Generator[str | None, None, None]:
        """See `RunFiles.digests`."""
        for file in self.open_each(entries):
            yield None if isinstance(file, Refused) else sha256_of(file)


def sha256_of(file: Readable) -> str | None:
    """Of what is left of a file; None where it cannot be read."""
    digest = hashlib.sha256()
    try:
        while block := file.read(1 << 20):
            digest.update(block)
    except OSError:
        return None
    return digest.hexdigest()


def _open_regular(root: Path, path: str) -> int:
    try:
        descriptor = _open_beneath(root, path)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise Refused("is no regular file any more")
    return descriptor


def _look(directory: int, name: str, path: str, depth: int) -> Iterator[Entry]:
    """The entry called `name`, or those beneath it."""
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return
    except OSError:
        yield Entry(path, Kind.UNREADABLE)
        return
    if stat.S_ISDIR(status.st_mode):
        yield from _descend(directory, name, path, depth)
    elif stat.S_ISREG(status.st_mode):
        several = status.st_nlink > 1
        identity = (status.st_dev, status.st_ino) if several else None
        changed, listed = int(status.st_ctime), int(time.time())
        yield Entry(path, Kind.FILE, status.st_size, status.st_nlink, identity, changed, listed)
    else:
        yield Entry(path, _kind(status.st_mode))


def _descend(parent: int, name: str, path: str, depth: int) -> Iterator[Entry]:
    if depth >= DEEPEST:
        yield Entry(path, Kind.TOO_DEEP)
        return
    try:
        directory = os.open(name, _DIRECTORY_FLAGS, dir_fd=parent)
    except OSError as error:
        # ELOOP or ENOTDIR: a link took its place since it was looked at.
        replaced = error.errno in (errno.ELOOP, errno.ENOTDIR)
        yield Entry(path, Kind.LINK if replaced else Kind.DIRECTORY)
        return
    try:
        try:
            with os.scandir(directory) as entries:
                children = sorted(entry.name for entry in entries)
        except OSError:
            yield Entry(path, Kind.DIRECTORY)
            return
        for child in children:
            yield from _look(directory, child, f"{path}/{child}", depth + 1)
    finally:
        os.close(directory)


def _kind(mode: int) -> Kind:
    if stat.S_ISLNK(mode):
        return Kind.LINK
    if stat.S_ISFIFO(mode):
        return Kind.FIFO
    return Kind.SOCKET if stat.S_ISSOCK(mode) else Kind.DEVICE


_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK, opening a FIFO put in the file's place would wait for a writer for ever.
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


def _open_beneath(root: Path, path: str) -> int:
    """Open `path` below `root`, one component after the other, following no link."""
    *folders, name = path.split("/")
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for folder in folders:
            below = os.open(folder, _DIRECTORY_FLAGS, dir_fd=directory)
            os.close(directory)
            directory = below
        return os.open(name, _FILE_FLAGS, dir_fd=directory)
    finally:
        os.close(directory)
