"""Writing that survives a kill at any instruction.

The rule everywhere: write under a temporary name, fsync, rename, fsync the directory. What makes
a thing visible comes last. Nothing here knows what is written.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from remote.errors import DiskTooSmall, OutputBusy, ResultsUnusable

# What a system takes in one call (IOV_MAX) is 1,024 where it is least.
_MOST_PARTS = 1_024

Bytes: TypeAlias = bytes | bytearray | memoryview


class Digest(Protocol):
    """What hashlib's objects offer."""

    def update(self, data: Bytes, /) -> None: ...
    def hexdigest(self) -> str: ...
    def copy(self) -> Digest: ...


def fsync_directory(path: Path) -> None:
    """Make renames inside a directory durable."""
    with writing_errors(path):
        _fsync_directory(path)


def _fsync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory and those above it that are missing, all of them durable.

    Raises:
        DiskTooSmall, ResultsUnusable: it cannot be made.
    """
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    with writing_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        for made in reversed(missing):
            with suppress(PermissionError):  # where one may write and not look
                _fsync_directory(made.parent)


def publish(temporary: Path, final: Path) -> None:
    """Give a finished, synced file its final name; both lie in one directory."""
    with writing_errors(final):
        temporary.rename(final)
    fsync_directory(final.parent)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a whole file so that `path` holds either its old content or all of `data`."""
    temporary = path.with_name(f".{path.name}.partial")
    with writing_errors(path), temporary.open("wb") as sink:
        sink.write(data)
        sink.flush()
        os.fsync(sink.fileno())
    publish(temporary, path)


def json_bytes(value: Mapping[str, object]) -> bytes:
    """JSON in one fixed form: indented, keys in the order given, no NaN, one final newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def canonical_digest(value: object) -> str:
    """SHA-256 (hex) of a JSON value, whatever the order of its keys."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 (hex) of a whole file, streamed."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


class HashingFile:
    """A file that only grows, with the SHA-256 of all that it holds.

    Attributes:
        path: where it lies.
        size: bytes written so far, all of them covered by the digest.
    """

    def __init__(self, path: Path, *, size: int = 0, digest: Digest | None = None) -> None:
        """Begin a new file, or go on after `size` bytes whose digest is given.

        Whatever the file holds after `size` is cut off.
        """
        self.path = path
        self.size = size
        self._digest: Digest = hashlib.sha256() if digest is None else digest
        with writing_errors(path):
            self._file = path.open("r+b" if size else "wb", buffering=0)
        with closed_on_error(self), writing_errors(path):
            self._file.truncate(size)
            self._file.seek(size)

    def append(self, *parts: Bytes) -> None:
        """Write all of the parts; on an error the file may hold some of their bytes."""
        views = [memoryview(part) for part in parts if len(part)]
        left = views
        with writing_errors(self.path):
            while left:
                left = _after(left, os.writev(self._file.fileno(), left[:_MOST_PARTS]))
        for view in views:
            self._digest.update(view)
            self.size += len(view)

    def hexdigest(self) -> str:
        """The SHA-256 of everything appended so far."""
        return self._digest.copy().hexdigest()

    def sync(self) -> None:
        """Return when the content is on disk."""
        with writing_errors(self.path):
            os.fsync(self._file.fileno())

    @property
    def closed(self) -> bool:
        """True where nothing more can be appended."""
        return self._file.closed

    def close(self) -> None:
        """Close without syncing."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _after(views: list[memoryview], written: int) -> list[memoryview]:
    """What is left of the views after their first `written` bytes."""
    for place, view in enumerate(views):
        if written < len(view):
            return [view[written:], *views[place + 1 :]]
        written -= len(view)
    return []


class Closable(Protocol):
    """Something that is open."""

    def close(self) -> None: ...


@contextmanager
def closed_on_error(opened: Closable) -> Iterator[None]:
    """Close what was opened if the rest of the opening fails, and only then."""
    try:
        yield
    except BaseException:
        opened.close()
        raise


@contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Be the only writer of a directory, which is made where it is missing.

    One that was made here and is empty at the end is removed again.

    The lock is on the directory itself, so that it leaves no file behind and ends with the
    process.

    Raises:
        OutputBusy: another process holds it.
        ResultsUnusable: the directory cannot be made or written.
    """
    with writing_errors(directory):
        made = not directory.exists()
        make_directory(directory)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        _lock(descriptor, directory)
        if not os.access(directory, os.W_OK):
            raise ResultsUnusable(
                f"{directory} cannot be written: permission denied.",
                hint="Choose another output directory, or change its permissions.",
            )
        yield
    finally:
        if made:
            with suppress(OSError):  # not empty: something was written
                directory.rmdir()
        os.close(descriptor)


def _lock(descriptor: int, directory: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise OutputBusy(
            f"Another process is writing to {directory}.",
            hint="Wait for it to end, or choose another output directory.",
        ) from None
    except OSError as error:  # some network file systems lock no directories
        raise ResultsUnusable(
            f"{directory} cannot be locked: {error.strerror}.",
            hint="Choose an output directory on a local disk.",
        ) from error


@contextmanager
def writing_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's refusals to write into errors that say what to do.

    Raises:
        DiskTooSmall: no space, or the quota is used up.
        ResultsUnusable: permission, read-only file system, not a directory, I/O error.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise DiskTooSmall(
                f"{path} cannot be written: {reason}.",
                hint="Free some disk space; then go on with --resume.",
            ) from error
        raise ResultsUnusable(
            f"{path} cannot be written: {reason}.",
            hint="See what is wrong there, then go on with --resume; or choose another directory.",
        ) from error


@contextmanager
def reading_errors(folder: Path) -> Iterator[None]:
    """Turn the operating system's refusals to read what was written before into one error.

    Raises:
        ResultsUnusable: names the file, or the folder where the system names none.
    """
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise ResultsUnusable(
            f"{error.filename or folder} cannot be read: {reason}.",
            hint="See what is wrong there, then go on with --resume; or build into another "
            "directory.",
        ) from error
