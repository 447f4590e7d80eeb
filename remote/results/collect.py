"""Copy a run's files from its host into fresh staging, hashing on the way.

Everything is created exclusively, below one open directory, following no link. A file that
changes while it is copied is left out and named; nothing else fails for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

from remote.errors import ResultsUnusable
from remote.results import disk
from remote.results.admit import Admitted, Caps, LeftOut, admit, printable
from remote.results.copying import FileDigest, Flusher, Hasher, copy_hashed
from remote.results.files import GROWING, Refused, RunFiles

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Collected:
    """What lies in the staging directory now.

    Attributes:
        digests: by path relative to the staging directory, with `/`.
        left_out: what was not collected, and why.
    """

    digests: Mapping[str, FileDigest]
    left_out: tuple[LeftOut, ...]


def collect(
    files: RunFiles,
    destination: Path,
    caps: Caps = Caps(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> Collected:
    """Collect a run into an empty directory; every file is flushed and read-only on return.

    Args:
        files: the run on its host.
        destination: an existing, empty directory (see `claim.staging`).
        caps: how much the run may bring.
        progress: told (bytes done, bytes listed) after each block.

    Raises:
        ResultsUnusable: the destination cannot be written, or is not empty.
    """
    admitted, left_out = admit(files.walk(), caps)
    digests: dict[str, FileDigest] = {}
    changed: list[LeftOut] = []
    total = sum(one.entry.size_bytes for one in admitted)
    _refuse_small_disk(destination, total)
    report = _reporter(progress, total)
    with Staging(destination) as staging, Hasher() as hasher:
        for one in admitted:
            try:
                digests[one.target] = _fetch(files, one, staging, hasher, report)
            except Refused as refusal:
                changed.append(LeftOut(printable(one.target), str(refusal)))
    return Collected(digests, (*left_out, *changed))


def _fetch(
    files: RunFiles, one: Admitted, staging: Staging, hasher: Hasher, report: Callable[[int], None]
) -> FileDigest:
    size = one.entry.size_bytes
    with files.open(one.entry.path) as source:
        descriptor = staging.create(one.target)
        try:
            with disk.writing_to(staging.directory):
                digest = copy_hashed(
                    source, descriptor, size, hasher, report, may_grow=one.entry.path in GROWING
                )
        except BaseException:
            os.close(descriptor)
            staging.remove(one.target)
            raise
        staging.finish(descriptor)
        return digest


def _refuse_small_disk(destination: Path, total: int) -> None:
    with disk.writing_to(destination):
        status = os.statvfs(destination)
    free = status.f_bavail * status.f_frsize
    if free < total:
        raise ResultsUnusable(
            f"The run's files have {total:,} bytes; {destination} has room for {free:,}.",
            hint="Free some space and collect it again; the run stays on its host until then.",
        )


def _reporter(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def report(count: int) -> None:
        nonlocal done
        done += count
        if progress is not None:
            progress(done, total)

    return report


class Staging:
    """An empty directory being filled; a context manager that flushes what it was given."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._open = ExitStack()
        self._root = -1
        self._parent = ("", -1)

    def __enter__(self) -> Staging:
        with disk.writing_to(self.directory), ExitStack() as stack:
            self._root = os.open(self.directory, _FOLDER)
            stack.callback(os.close, self._root)
            if _names_in(self._root):
                raise ResultsUnusable(
                    f"The staging directory {self.directory} is not empty.",
                    hint="Take it through `staging`, which empties what was interrupted.",
                )
            self._flusher = stack.enter_context(Flusher())
            self._open = stack.pop_all()
        return self

    def __exit__(self, *failure: object) -> None:
        self._leave_parent()
        with disk.writing_to(self.directory):
            self._open.close()

    def create(self, path: str) -> int:
        """A descriptor to write the new file `path` through."""
        folder, _, name = path.rpartition("/")
        try:
            return os.open(name, _NEW_FILE, disk.SEALED_FILE, dir_fd=self._enter_parent(folder))
        except OSError as error:
            raise disk.cannot_write(self.directory, error) from error

    def remove(self, path: str) -> None:
        """Take back a file that was created."""
        folder, _, name = path.rpartition("/")
        os.unlink(name, dir_fd=self._enter_parent(folder))

    def finish(self, descriptor: int) -> None:
        """Flush and close, in the background; a failure is raised here or on leaving."""
        with disk.writing_to(self.directory):
            self._flusher.take(descriptor)

    def _enter_parent(self, folder: str) -> int:
        """The open directory `folder`, made where missing; the last one stays open."""
        if not folder:
            return self._root
        if self._parent[0] != folder:
            self._leave_parent()
            self._parent = (folder, _make_beneath(self._root, folder))
        return self._parent[1]

    def _leave_parent(self) -> None:
        if self._parent[0]:
            os.close(self._parent[1])
            self._parent = ("", -1)


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def _names_in(directory: int) -> list[str]:
    with os.scandir(directory) as entries:
        return [entry.name for entry in entries]


def _make_beneath(root: int, folder: str) -> int:
    descriptor = os.dup(root)
    for name in folder.split("/"):
        try:
            with suppress(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=descriptor)
            below = os.open(name, _FOLDER, dir_fd=descriptor)
        finally:
            os.close(descriptor)
        descriptor = below
    return descriptor
