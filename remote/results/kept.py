"""Copies of a run's files made before its result is staged: while it runs, or by a collecting
that was cut.

    results/.incoming/ID.early/SHA256.N    a whole, flushed file; N tells equal ones apart
    results/.incoming/ID.early/N.part      under way

A copy is no more than a guess. It becomes a file of the result where the host, once the run has
ended, finds its digest in the file's place, and what lies here, read again, has it too.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from remote.results import disk
from remote.results.copying import FileDigest, Flusher, Hasher, copy_entry, taken_back
from remote.results.files import Entry, Readable, sha256_of
from remote.results.names import INCOMING

SUFFIX = ".early"
# Of a run that nobody here has looked at for so long: copies can be made again.
FORGOTTEN_SECONDS = 14 * 24 * 3600
_NAME = re.compile(r"([0-9a-f]{64})\.([0-9]{1,9})")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Copy:
    """A file of the directory: its name there, and what it held when it was copied."""

    name: str
    digest: FileDigest


class Adopts(Protocol):
    """Where a copy goes in the end; see `collect.Staging`."""

    def adopt(self, directory: int, name: str, path: str) -> None:
        """Move a file from an open directory."""
        ...


class Kept:
    """The copies of one run, held by one process at a time; see `kept_copies`."""

    def __init__(self, directory: Path, descriptor: int) -> None:
        self.directory = directory
        self._descriptor = descriptor
        self._offered: defaultdict[FileDigest, list[Copy]] = defaultdict(list)
        self._number = 0
        self._flusher: Flusher | None = None
        with os.scandir(descriptor) as entries:
            for entry in list(entries):
                self._look(entry.name, entry.stat(follow_symlinks=False))

    def _look(self, name: str, status: os.stat_result) -> None:
        """Offer a whole copy; what was under way is of no use any more."""
        match = _NAME.fullmatch(name)
        if match is None or not stat.S_ISREG(status.st_mode):
            with suppress(OSError):
                os.unlink(name, dir_fd=self._descriptor)
            return
        digest = FileDigest(match[1], status.st_size)
        self._offered[digest].append(Copy(name, digest))
        self._number = max(self._number, int(match[2]))

    @property
    def sizes(self) -> frozenset[int]:
        """Of the copies that are offered."""
        return frozenset(digest.size_bytes for digest, copies in self._offered.items() if copies)

    def take(self, digest: FileDigest) -> Copy | None:
        """A copy with these bytes, read again to be sure; it is offered no more."""
        while copies := self._offered.get(digest):
            copy = copies.pop()
            if self._reads_as(copy):
                return copy
            self.discard(copy)
        return None

    def offer(self, copy: Copy) -> None:
        """Take back a copy that was not used."""
        self._offered[copy.digest].append(copy)

    @contextmanager
    def filling(self) -> Iterator[None]:
        """Copies are made inside; on leaving, all of them are flushed and have their names."""
        with disk.writing_to(self.directory), Flusher() as self._flusher:
            yield

    def copy(
        self, entry: Entry, source: Readable, hasher: Hasher, report: Callable[[int], None]
    ) -> Copy:
        """Copy a listed file.

        Raises:
            Refused: see `copying.copy_hashed`.
            ResultsUnusable: the copy cannot be written.
        """
        assert self._flusher is not None, "inside `filling` only"
        self._number += 1
        partial = f"{self._number}.part"
        with disk.writing_to(self.directory):
            descriptor = os.open(partial, _NEW_FILE, 0o600, dir_fd=self._descriptor)
        with taken_back(descriptor, lambda: os.unlink(partial, dir_fd=self._descriptor)):
            digest = copy_entry(entry, source, descriptor, hasher, report, self.directory)
        copy = Copy(f"{digest.sha256}.{self._number}", digest)
        self._flusher.take(descriptor, lambda: self._rename(partial, copy.name))
        return copy

    def give(self, copy: Copy, staging: Adopts, path: str) -> None:
        """Move a copy to where it belongs."""
        staging.adopt(self._descriptor, copy.name, path)

    def discard(self, copy: Copy) -> None:
        """Delete a copy."""
        with suppress(FileNotFoundError):
            os.unlink(copy.name, dir_fd=self._descriptor)

    def discard_offered(self) -> None:
        """Delete what nobody took."""
        for copies in self._offered.values():
            while copies:
                self.discard(copies.pop())

    def _rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self._descriptor, dst_dir_fd=self._descriptor)

    def _reads_as(self, copy: Copy) -> bool:
        try:
            descriptor = os.open(copy.name, _OLD_FILE, dir_fd=self._descriptor)
        except OSError:
            return False
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - a descriptor
            return sha256_of(file) == copy.digest.sha256


@contextmanager
def kept_copies(
    run_id: str, results_root: Path, *, wait_seconds: float = 0.0
) -> Iterator[Kept | None]:
    """The copies of a run; None while another process holds them. What is empty is removed.

    Raises:
        ResultsUnusable: the results directory cannot be written.
    """
    directory = results_root / INCOMING / f"{run_id}{SUFFIX}"
    lock = _lock_of(directory)
    with ExitStack() as held:
        try:
            with disk.writing_to(directory.parent):
                held.enter_context(disk.locked(lock, wait_seconds=wait_seconds))
                directory.mkdir(mode=0o700, exist_ok=True)
                descriptor = os.open(directory, _FOLDER)
                held.callback(os.close, descriptor)
                kept = Kept(directory, descriptor)
        except disk.Held:
            yield None
            return
        try:
            yield kept
        finally:
            with suppress(OSError):  # not empty
                directory.rmdir()
                lock.unlink()


def forget_copies(results_root: Path, sealed: frozenset[str]) -> None:
    """Remove the copies of runs that are sealed, or that nobody asked for in a long time.

    Raises:
        ResultsUnusable: the results directory cannot be written.
    """
    for directory in (results_root / INCOMING).glob(f"*{SUFFIX}"):
        known = directory.name.removesuffix(SUFFIX) in sealed
        with disk.writing_to(directory), suppress(disk.Held, FileNotFoundError):
            if known or time.time() - directory.stat().st_mtime > FORGOTTEN_SECONDS:
                with disk.locked(_lock_of(directory), wait_seconds=0.0):
                    shutil.rmtree(directory)
                    _lock_of(directory).unlink()


def _lock_of(directory: Path) -> Path:
    return directory.with_name(f"{directory.name}.lock")
