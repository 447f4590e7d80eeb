"""The files of a run that has ended, over a link."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remote.errors import ResultsUnusable
from remote.hosts import host_scripts
from remote.hosts.link import Link
from remote.results.files import DEEPEST, OUTPUT, SYSTEM_FILES, Entry, Kind, Readable, Refused

if TYPE_CHECKING:
    from paramiko import Channel

# Files up to this size are read over the file session, larger ones by a command of their own:
# that costs some 10 ms to start and is several times faster.
_SMALL_BYTES = 1 << 20
_WALK_SECONDS = 600


class SshRunFiles:
    """A run's directory on its host. Nobody changes it any more: the run has ended."""

    def __init__(self, link: Link, directory: Path) -> None:
        self._link = link
        self._directory = directory
        self._sizes: dict[str, int] = {}

    def walk(self) -> Iterator[Entry]:
        """See `RunFiles.walk`; one command lists it all.

        Raises:
            ResultsUnusable: the run's directory cannot be listed.
        """
        argv = host_scripts.walk(self._directory, DEEPEST, (*SYSTEM_FILES, OUTPUT))
        listed: list[bytes] = []
        code, errors = self._link.exchange(argv, listed.append, timeout=_WALK_SECONDS)
        if code:
            raise ResultsUnusable(
                f"The run's directory {self._directory} cannot be listed on "
                f"{self._link.route.name}: {errors.decode(errors='replace').strip()}.",
                hint="`remote ps` shows which runs the host has.",
            )
        for record in b"".join(listed).split(b"\0")[:-1]:
            entry = entry_of(record)
            self._sizes[entry.path] = entry.size_bytes
            yield entry

    @contextmanager
    def open(self, path: str) -> Iterator[Readable]:
        """See `RunFiles.open`."""
        if self._sizes.get(path, _SMALL_BYTES + 1) <= _SMALL_BYTES:
            yield io.BytesIO(self._whole(path))
            return
        with self._link.command(host_scripts.read(self._directory, path)) as channel:
            yield Streamed(channel)

    def _whole(self, path: str) -> bytes:
        name = os.fsencode(self._directory / path)
        with self._link.files() as sftp:
            try:
                with sftp.open(name, "rb") as file:
                    return file.read(_SMALL_BYTES + 1)
            except OSError as error:
                if not self._link.alive:
                    raise
                raise Refused(f"cannot be read: {error.strerror or error}") from error


class Streamed:
    """A file that a command on the host prints."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end; short only there.

        Raises:
            Refused: the host cannot read it.
        """
        block = bytearray()
        while len(block) < size:
            piece = self._channel.recv(min(size - len(block), 1 << 18))
            if not piece:
                self._refuse_failed()
                break
            block += piece
        return bytes(block)

    def _refuse_failed(self) -> None:
        limit = time.monotonic() + 10
        while not self._channel.exit_status_ready() and time.monotonic() < limit:
            time.sleep(0.002)
        if self._channel.exit_status > 0:
            why = self._channel.recv_stderr(4096).decode(errors="replace").strip()
            raise Refused(f"cannot be read: {why}")
        if self._channel.exit_status < 0:
            raise ConnectionResetError("the end of a file was not told")


def entry_of(record: bytes) -> Entry:
    """One record of the listing (see `host_scripts`).

    Raises:
        ValueError: it is none.
    """
    kind, size, links, device, inode, path = record.split(b" ", 5)
    several = int(links) > 1
    return Entry(
        path=os.fsdecode(path),
        kind=Kind[kind.decode().upper()],
        size_bytes=int(size),
        links=int(links),
        identity=(int(device), int(inode)) if several else None,
    )
