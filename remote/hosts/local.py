"""This machine as a host: the local transport.

What a run needs of its host's file system goes through here, by path on the host, so that the
same steps work over a link.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from remote.hosts.command import Completed, run
from remote.hosts.transport import FileStatus, HostUser
from remote.model import TransportKind
from remote.results.files import LocalRunFiles


class LocalTransport:
    """Commands and files of this machine. Paths are absolute."""

    kind: TransportKind = "local"

    @property
    def user(self) -> HostUser:
        return HostUser(os.getuid(), os.getgid())

    def run(self, argv: Sequence[str], *, timeout: float, check: bool = True) -> Completed:
        """Run a command on the host.

        Raises:
            CommandFailed: see `command.run`.
        """
        return run(argv, timeout=timeout, check=check)

    def make_directory(self, path: Path, *, exclusive: bool = False) -> None:
        """Make a directory and its parents, 0700.

        Raises:
            FileExistsError: with `exclusive`, where it is there already.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=not exclusive)

    def give_to(self, path: Path, user: HostUser) -> None:
        """Change a file's owner; only root may."""
        os.chown(path, user.uid, user.gid)

    def status(self, path: Path) -> FileStatus | None:
        """What is known of a file; None where it is not there."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        return FileStatus(
            found.st_mode, found.st_uid, found.st_gid, found.st_size, int(found.st_mtime)
        )

    def files(self, directory: Path, *, gently: bool = False) -> LocalRunFiles:  # noqa: ARG002
        """What is to be collected of a run's directory."""
        return LocalRunFiles(directory)

    def write(self, path: Path, data: bytes) -> None:
        """Write a whole file; a reader sees the old content or all of the new."""
        temporary = path.with_name(f".{path.name}.{os.getpid()}")
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)

    def read(self, path: Path, offset: int = 0, limit: int = 1 << 24) -> bytes | None:
        """Up to `limit` bytes from `offset`; None where there is no such regular file."""
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            return None
        with os.fdopen(descriptor, "rb") as file:
            file.seek(offset)
            return file.read(limit)

    def names(self, path: Path) -> tuple[str, ...]:
        """The directories inside a directory, sorted; none where it is missing."""
        with suppress(FileNotFoundError):
            return tuple(sorted(entry.name for entry in os.scandir(path) if entry.is_dir()))
        return ()

    def remove(self, path: Path) -> None:
        """Delete a tree, whatever modes its directories have; nothing if it is not there."""
        if path.exists():
            shutil.rmtree(path, onerror=_unlock_and_retry)

    def discard(self, path: Path) -> None:
        """Delete a file; nothing if it is not there."""
        path.unlink(missing_ok=True)

    def free_bytes(self, path: Path) -> int:
        """Free disk where `path` is, or will be."""
        while not path.exists():
            path = path.parent
        return shutil.disk_usage(path).free

    @contextmanager
    def lock(self, path: Path, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
        """Hold an exclusive lock on a file; it ends with the process. Waits for its turn."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if on_wait:
                    on_wait()
                fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _unlock_and_retry(
    function: Callable[[str], object], path: str, failure: tuple[object, BaseException, object]
) -> None:
    error = failure[1]
    if isinstance(error, FileNotFoundError):
        return
    if not isinstance(error, PermissionError):
        raise error
    parent = Path(path).parent
    parent.chmod(0o700)
    if Path(path).is_dir() and not Path(path).is_symlink():
        Path(path).chmod(0o700)
        shutil.rmtree(path, onerror=_raise)
    else:
        function(path)


def _raise(
    _function: Callable[[str], object], _path: str, failure: tuple[object, BaseException, object]
) -> None:
    raise failure[1]
