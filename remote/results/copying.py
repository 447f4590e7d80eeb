"""Copy and hash at the speed of the slower of the two: each has its own thread."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from remote.results import disk
from remote.results.files import GROWING, Entry, Readable, Refused

BLOCK = 1 << 20
_FLUSHING = 16


@dataclass(frozen=True, slots=True)
class FileDigest:
    """What a file held when it was collected. `sha256` is hexadecimal."""

    sha256: str
    size_bytes: int


class Hasher:
    """One thread that hashes while its owner reads and writes."""

    def __enter__(self) -> Hasher:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="hash")
        return self

    def __exit__(self, *failure: object) -> None:
        self._thread.shutdown()

    def update(self, digest: hashlib._Hash, block: bytes) -> Future[None]:
        """Hash a block; at most one is to be under way."""
        return self._thread.submit(digest.update, block)


class Flusher:
    """Threads that flush and close descriptors; the first failure is raised at the next chance."""

    def __enter__(self) -> Flusher:
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="flush")
        self._under_way: deque[Future[None]] = deque()
        return self

    def __exit__(self, *failure: object) -> None:
        self._threads.shutdown()
        for future in self._under_way:
            future.result()

    def take(self, descriptor: int, then: Callable[[], None] | None = None) -> None:
        """Own a descriptor: flush it, make its file read-only, close it; `then` comes last."""
        self._under_way.append(self._threads.submit(_seal_and_close, descriptor, then))
        while len(self._under_way) > _FLUSHING:
            self._under_way.popleft().result()


@contextmanager
def taken_back(descriptor: int, remove: Callable[[], None]) -> Iterator[None]:
    """A new file that is filled inside; where that fails it is closed and removed."""
    try:
        yield
    except BaseException:
        os.close(descriptor)
        remove()
        raise


def copy_entry(
    entry: Entry,
    source: Readable,
    descriptor: int,
    hasher: Hasher,
    report: Callable[[int], None],
    destination: Path,
) -> FileDigest:
    """Copy a listed file into a new one below `destination`; see `copy_hashed`."""
    with disk.writing_to(destination):
        return copy_hashed(
            source,
            descriptor,
            entry.size_bytes,
            hasher,
            report,
            may_grow=entry.path in GROWING,
        )


def copy_hashed(
    source: Readable,
    descriptor: int,
    size: int,
    hasher: Hasher,
    report: Callable[[int], None],
    *,
    may_grow: bool = False,
) -> FileDigest:
    """Copy `size` bytes into a new file.

    Raises:
        Refused: the source holds fewer bytes; or more, unless it `may_grow`: then the first
            `size` are the copy.
        ResultsUnusable: the copy cannot be written.
    """
    digest = hashlib.sha256()
    done = 0
    hashing: Future[None] | None = None
    while done < size:
        block = _read(source, min(BLOCK, size - done))
        if not block:
            raise Refused(f"was cut from {size:,} to {done:,} bytes while it was collected")
        if hashing is not None:
            hashing.result()
        if size > BLOCK:
            hashing = hasher.update(digest, block)
        else:
            digest.update(block)
        write_all(descriptor, block)
        done += len(block)
        report(len(block))
    if not may_grow and _read(source, 1):
        raise Refused(f"grew past its {size:,} bytes while it was collected")
    if hashing is not None:
        hashing.result()
    return FileDigest(digest.hexdigest(), size)


def write_all(descriptor: int, block: bytes) -> None:
    """Write every byte."""
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _read(source: Readable, size: int) -> bytes:
    try:
        return source.read(size)
    except OSError as error:
        raise Refused(f"cannot be read: {error.strerror or error}") from error


def _seal_and_close(descriptor: int, then: Callable[[], None] | None) -> None:
    try:
        os.fchmod(descriptor, disk.SEALED_FILE)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if then is not None:
        then()
