"""What a transport is: a host's commands and files, by path on the host."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from remote.hosts.command import Completed
from remote.model import TransportKind
from remote.results.files import RunFiles


@dataclass(frozen=True, slots=True)
class HostUser:
    """Who acts on the host."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class FileStatus:
    """Of what a path leads to, links followed. `modified` is in whole seconds since 1970."""

    mode: int
    uid: int
    gid: int
    size_bytes: int
    modified: int


class Transport(Protocol):
    """Commands and files of one host. Paths are absolute; every call is bounded in time.

    Whatever goes wrong with the way to the host is a `HostUnreachable`.
    """

    @property
    def kind(self) -> TransportKind:
        """Whether it is this machine."""
        ...

    @property
    def user(self) -> HostUser:
        """Who owns what is written."""
        ...

    def run(self, argv: Sequence[str], *, timeout: float, check: bool = True) -> Completed:
        """Run a command on the host.

        Raises:
            CommandFailed: see `command.run`.
        """
        ...

    def make_directory(self, path: Path, *, exclusive: bool = False) -> None:
        """Make a directory and its parents, 0700.

        Raises:
            FileExistsError: with `exclusive`, where it is there already.
        """
        ...

    def give_to(self, path: Path, user: HostUser) -> None:
        """Change a file's owner; only root may."""
        ...

    def write(self, path: Path, data: bytes) -> None:
        """Write a whole file; a reader sees the old content or all of the new."""
        ...

    def read(self, path: Path, offset: int = 0, limit: int = 1 << 24) -> bytes | None:
        """Up to `limit` bytes from `offset`; None where there is no such regular file."""
        ...

    def status(self, path: Path) -> FileStatus | None:
        """What is known of a file; None where it is not there."""
        ...

    def names(self, path: Path) -> tuple[str, ...]:
        """The directories inside a directory, sorted; none where it is missing."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a tree, whatever modes its directories have; nothing if it is not there."""
        ...

    def discard(self, path: Path) -> None:
        """Delete a file; nothing if it is not there."""
        ...

    def free_bytes(self, path: Path) -> int:
        """Free disk where `path` is, or will be."""
        ...

    def lock(
        self, path: Path, on_wait: Callable[[], None] | None = None
    ) -> AbstractContextManager[None]:
        """Hold an exclusive lock on a file; it ends with its holder. Waits for its turn."""
        ...

    def files(self, directory: Path, *, gently: bool = False) -> RunFiles:
        """What is to be collected of a run's directory.

        `gently` is for a run that goes on: whatever else is asked of the host goes first.
        """
        ...
