"""What the writing side asks of the file system: flush, rename without replacing, lock."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remote.errors import ResultsUnusable

SEALED_FILE = 0o444
SEALED_DIRECTORY = 0o555

_AT_FDCWD = -100
_RENAME_NOREPLACE = 1
_RENAME_EXCL = 4
# The kernel or the file system has no rename without replacing, or the C library no name for it.
_NOT_OFFERED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_HINTS = {
    errno.EACCES: "Make it writable for you, or choose another results directory.",
    errno.EPERM: "Make it writable for you, or choose another results directory.",
    errno.EROFS: "Its file system is mounted read-only: choose another results directory.",
    errno.ENOSPC: "The disk is full: free some space, then do it again.",
    errno.EDQUOT: "Your quota there is used up: free some space, then do it again.",
    errno.ENOTDIR: "Something that is no directory is in the way: move it away.",
    errno.EEXIST: "Something that is no directory is in the way: move it away.",
}


class Held(ResultsUnusable):
    """Another process holds the lock."""


@contextmanager
def writing_to(directory: Path) -> Iterator[None]:
    """Turn an `OSError` inside into one clear `ResultsUnusable` about `directory`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(directory, error) from error


def cannot_write(directory: Path, error: OSError) -> ResultsUnusable:
    """The one clear error for an `OSError` met while writing below `directory`."""
    where = f" ({error.filename})" if error.filename not in (None, str(directory)) else ""
    return ResultsUnusable(
        f"The results directory {directory} cannot be written: {error.strerror or error}{where}.",
        hint=_HINTS.get(error.errno or 0, "Check the disk, or choose another directory."),
    )


def write_sealed(path: Path, content: bytes) -> None:
    """Create `path`, read-only and flushed; it must not exist."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, SEALED_FILE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), SEALED_FILE)
        os.fsync(file.fileno())


def free_bytes(directory: Path) -> int:
    """What a user may still write there.

    Raises:
        ResultsUnusable: the directory cannot be looked at.
    """
    with writing_to(directory):
        status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def flush_directory(path: Path) -> None:
    """Make the names in a directory durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flush(descriptor)
    finally:
        os.close(descriptor)


def flush(descriptor: int) -> None:
    """Flush to the medium; on macOS also the drive's own cache, which fsync leaves alone."""
    full_fsync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_fsync is not None:
        try:
            fcntl.fcntl(descriptor, full_fsync)
        except OSError as error:
            if error.errno not in _NOT_OFFERED | {errno.ENOTTY}:
                raise
        else:
            return
    os.fsync(descriptor)


def rename_new(source: Path, target: Path) -> None:
    """Rename a directory to a name that must be free.

    Where neither the system nor the file system offers it in one step, the plain rename serves:
    it fails where the target is a file or a directory that holds anything.

    Raises:
        FileExistsError: the name is taken.
        OSError: anything else.
    """
    code = _exclusive_rename(source, target)
    if code == 0:
        return
    if code not in _NOT_OFFERED:
        raise OSError(code, os.strerror(code), str(target))
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def _exclusive_rename(source: Path, target: Path) -> int:
    """The error number, 0 for done."""
    library = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(source), os.fsencode(target)
    try:
        if sys.platform == "darwin":
            failed = library.renamex_np(*names, _RENAME_EXCL)
        else:
            failed = library.renameat2(
                _AT_FDCWD, names[0], _AT_FDCWD, names[1], ctypes.c_uint(_RENAME_NOREPLACE)
            )
    except AttributeError:
        return errno.ENOSYS
    return ctypes.get_errno() if failed else 0


@contextmanager
def locked(path: Path, *, wait_seconds: float = 30.0) -> Iterator[int]:
    """Hold the lock of a file, made where it is missing; gives its descriptor (read, write).

    Where the file system has no locks the body runs without one: every step that depends on
    order also creates or renames exclusively.

    Raises:
        ResultsUnusable: somebody else held it for `wait_seconds`.
        OSError: the file cannot be opened.
    """
    deadline = time.monotonic() + wait_seconds
    while True:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o644)
        try:
            _acquire(descriptor, path, deadline)
            # Whoever held it before may have removed the file: then this is not its lock.
            if _is_at(descriptor, path):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _acquire(descriptor: int, path: Path, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise Held(
                    f"Another process is at work on {path}.",
                    hint="Wait until it is done, or end it, then do it again.",
                ) from None
            time.sleep(0.01)
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
            return
        else:
            return


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
