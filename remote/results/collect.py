"""Copy a run's files from its host into fresh staging, hashing on the way.

Everything is created exclusively, below one open directory, following no link. A file that
changes while it is copied is left out and named; nothing else fails for it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from remote.errors import ResultsUnusable
from remote.results import disk
from remote.findings import printable
from remote.results.admit import Admitted, Caps, LeftOut, admit
from remote.results.copying import FileDigest, Flusher, Hasher, copy_entry, taken_back
from remote.results.files import Readable, Refused, RunFiles
from remote.results.kept import Copy, Kept

Progress = Callable[[int, int], None]
Fetched = TypeVar("Fetched")


@dataclass(frozen=True, slots=True)
class Collected:
    """What lies in the staging directory now.

    Attributes:
        digests: by path relative to the staging directory, with `/`.
        left_out: what was not collected, and why.
        early_bytes: of files that were copied before.
    """

    digests: Mapping[str, FileDigest]
    left_out: tuple[LeftOut, ...]
    early_bytes: int = 0


def collect(
    files: RunFiles,
    destination: Path,
    caps: Caps = Caps(),  # noqa: B008 - frozen
    progress: Progress | None = None,
    kept: Kept | None = None,
) -> Collected:
    """Collect a run into an empty directory; every file is flushed and read-only on return.

    Args:
        files: the run on its host.
        destination: an existing, empty directory (see `claim.staging`).
        caps: how much the run may bring.
        progress: told (bytes done, bytes listed) after each block.
        kept: copies that were made before; one is used where the host says that the file has
            its digest. What is copied now is kept too until all is here, so that a collecting
            that is cut is gone on with.

    Raises:
        ResultsUnusable: the destination cannot be written, or is not empty.
    """
    admitted, left_out = admit(files.walk(), caps)
    report = _reporter(progress, sum(one.entry.size_bytes for one in admitted))
    if kept is None:
        digests, changed = _collect_into(destination, files, admitted, report)
        return Collected(digests, (*left_out, *changed))
    held = recognise(files, admitted, kept, report)
    missing = [one for one in admitted if one.target not in held]
    _refuse_small_disk(destination, missing)
    with kept.filling(), Hasher() as hasher:
        fetched, changed = fetch(
            files, missing, lambda one, source: kept.copy(one.entry, source, hasher, report)
        )
    with Staging(destination) as staging:
        for target, copy in sorted({**held, **fetched}.items()):
            kept.give(copy, staging, target)
    digests = {target: copy.digest for target, copy in {**held, **fetched}.items()}
    early = sum(copy.digest.size_bytes for copy in held.values())
    return Collected(digests, (*left_out, *changed), early)


def recognise(
    files: RunFiles,
    admitted: Sequence[Admitted],
    kept: Kept,
    report: Callable[[int], None],
) -> dict[str, Copy]:
    """The copies, by target, whose digest is the one that the host finds now.

    They are taken out of those that `kept` offers. Each is read again here, while the host
    reads its own: a copy may be older than a power cut.
    """
    sizes = kept.sizes
    maybe = [one for one in admitted if one.entry.size_bytes in sizes]
    if not maybe:
        return {}
    found: dict[str, Copy] = {}
    with closing(files.digests([one.entry for one in maybe])) as digests:
        for one, sha256 in zip(maybe, digests, strict=True):
            copy = kept.take(FileDigest(sha256, one.entry.size_bytes)) if sha256 else None
            if copy is not None:
                found[one.target] = copy
                report(one.entry.size_bytes)
    return found


def fetch(
    files: RunFiles, wanted: Sequence[Admitted], copy: Callable[[Admitted, Readable], Fetched]
) -> tuple[dict[str, Fetched], list[LeftOut]]:
    """What `copy` makes of each file, by target, and what was refused."""
    done: dict[str, Fetched] = {}
    refused: list[LeftOut] = []
    with closing(files.open_each([one.entry for one in wanted])) as sources:
        for one, source in zip(wanted, sources, strict=True):
            try:
                if isinstance(source, Refused):
                    raise source
                done[one.target] = copy(one, source)
            except Refused as refusal:
                refused.append(LeftOut(printable(one.target), str(refusal)))
    return done, refused


def _collect_into(
    destination: Path,
    files: RunFiles,
    admitted: Sequence[Admitted],
    report: Callable[[int], None],
) -> tuple[dict[str, FileDigest], list[LeftOut]]:
    _refuse_small_disk(destination, admitted)
    with Staging(destination) as staging, Hasher() as hasher:

        def copy(one: Admitted, source: Readable) -> FileDigest:
            descriptor = staging.create(one.target)
            with taken_back(descriptor, lambda: staging.remove(one.target)):
                digest = copy_entry(one.entry, source, descriptor, hasher, report, destination)
            staging.finish(descriptor)
            return digest

        return fetch(files, admitted, copy)


def _refuse_small_disk(destination: Path, wanted: Sequence[Admitted]) -> None:
    total = sum(one.entry.size_bytes for one in wanted)
    free = disk.free_bytes(destination)
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

    def adopt(self, directory: int, name: str, path: str) -> None:
        """Move a file of ours, flushed and read-only, from an open directory to `path`."""
        folder, _, last = path.rpartition("/")
        parent = self._enter_parent(folder)
        with disk.writing_to(self.directory):
            os.rename(name, last, src_dir_fd=directory, dst_dir_fd=parent)

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
