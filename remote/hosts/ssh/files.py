"""The files of a run over a link, also of one that goes on.

Three commands do it all: one lists, one prints file after file, one digests file after file.
What they open is asked for on their standard input, so that neither the number of files nor
their size costs a round trip each.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remote.errors import HostRefused, ResultsUnusable
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.link import Link, feed
from remote.results.files import (
    DEEPEST,
    OUTPUT,
    SYSTEM_FILES,
    Entry,
    Kind,
    Opened,
    Refused,
)

if TYPE_CHECKING:
    from paramiko import Channel

_WALK_SECONDS = 600
# How long a host's disk may say nothing; a link that is dead is noticed long before.
_STALLED_SECONDS = 120
# The slowest disk that a digest is waited for.
_SLOWEST_DISK = 20 << 20
# What is under way at a time beside a run that goes on: 25 ms of a link of 40 Mbit/s.
_GENTLE_WINDOW = 128 << 10
_BLOCK = 1 << 18
_LONGEST_LINE = 4096


class SshRunFiles:
    """A run's directory on its host. `gently`: everything else that is asked goes first."""

    def __init__(self, link: Link, directory: Path, *, gently: bool = False) -> None:
        self._link = link
        self._directory = directory
        self._gently = gently

    def walk(self) -> Iterator[Entry]:
        """See `RunFiles.walk`; one command lists it all.

        Raises:
            ResultsUnusable: the run's directory cannot be listed.
        """
        argv = host_scripts.walk(self._directory, DEEPEST, (*SYSTEM_FILES, OUTPUT))
        listed: list[bytes] = []
        code, errors = self._link.exchange(self._asked(argv), listed.append, timeout=_WALK_SECONDS)
        if code:
            raise ResultsUnusable(
                f"The run's directory {self._directory} cannot be listed on "
                f"{self._link.route.name}: {errors.decode(errors='replace').strip()}.",
                hint="`remote ps` shows which runs the host has.",
            )
        for record in b"".join(listed).split(b"\0")[:-1]:
            try:
                yield entry_of(record)
            except (ValueError, KeyError) as error:
                raise nonsense(self._link) from error

    def open_each(self, entries: Sequence[Entry]) -> Opened:
        """See `RunFiles.open_each`; one command prints them all.

        Raises:
            HostRefused: the command fails, or says what it should not.
            HostUnreachable: the link is down.
        """
        requests = [b"%d %s\0" % (one.size_bytes, os.fsencode(one.path)) for one in entries]
        with self._said(host_scripts.read_each(self._directory), requests) as said:
            for entry in entries:
                file = Streamed(said, entry.size_bytes + 1)
                yield file.refusal or file
                file.skip()

    def digests(self, entries: Sequence[Entry]) -> Generator[str | None, None, None]:
        """See `RunFiles.digests`; the host reads its files, nothing of them is sent."""
        requests = [os.fsencode(one.path) + b"\0" for one in entries]
        with self._said(host_scripts.digest_each(self._directory), requests) as said:
            for entry in entries:
                said.wait(_STALLED_SECONDS + entry.size_bytes / _SLOWEST_DISK)
                yield said.line().decode("ascii", "replace") or None

    @contextmanager
    def _said(self, argv: Sequence[str], requests: Sequence[bytes]) -> Iterator[Said]:
        """What a command prints that is fed with requests."""
        window = _GENTLE_WINDOW if self._gently else None
        with self._link.command(self._asked(argv), window=window) as channel:
            pieces = [b"".join(requests[i : i + 1000]) for i in range(0, len(requests), 1000)]
            threading.Thread(target=feed, args=(channel, pieces, []), daemon=True).start()
            yield Said(self._link, channel)

    def _asked(self, argv: Sequence[str]) -> Sequence[str]:
        return host_scripts.gently(argv) if self._gently else argv


class Said:
    """What a command on the host prints: lines, and bytes whose number was told.

    Every method raises HostUnreachable where the link is down or the host says nothing for too
    long, and HostRefused where the command ends too early.
    """

    def __init__(self, link: Link, channel: Channel) -> None:
        self.link = link
        self._channel = channel
        self._ahead = bytearray()
        self.wait(_STALLED_SECONDS)

    def wait(self, seconds: float) -> None:
        """How long silence is borne from now on."""
        self._channel.settimeout(seconds)

    def line(self) -> bytes:
        """Up to the next line feed, without it."""
        while (end := self._ahead.find(b"\n")) < 0:
            if len(self._ahead) > _LONGEST_LINE:
                raise nonsense(self.link)
            self._ahead += self._more(_BLOCK)
        line = bytes(self._ahead[:end])
        del self._ahead[: end + 1]
        return line

    def some(self, most: int) -> bytes:
        """At least one byte, and up to `most`."""
        if not self._ahead:
            return self._more(most)
        piece = bytes(self._ahead[:most])
        del self._ahead[:most]
        return piece

    def _more(self, most: int) -> bytes:
        with self.link.guarded():
            piece = self._channel.recv(min(most, _BLOCK))
            if not piece:
                raise self._ended()
        return piece

    def _ended(self) -> Exception:
        """A command that ended before it had said everything, or a link that did."""
        if not self._channel.status_event.wait(10) or self._channel.exit_status < 0:
            return self.link.down("the command's end was not told")
        why = self._channel.recv_stderr(4096).decode(errors="replace").strip()
        return HostRefused(
            f"{self.link.route.name}: the run's files cannot be read: {why or 'no reason told'}",
            hint="perl is needed on the host, and sha256sum or shasum",
        )


class Streamed:
    """One of the files that a command prints; see `host_scripts` for the form.

    Attributes:
        refusal: why it could not be opened.
    """

    def __init__(self, said: Said, most: int) -> None:
        self._said = said
        self._room = most
        self._left = 0
        self._over = False
        self.refusal: Refused | None = None
        try:
            self._next_frame()
        except Refused as refusal:
            self.refusal = refusal

    def read(self, size: int, /) -> bytes:
        """See `Readable.read`; short only at the end.

        Raises:
            Refused: the host cannot read on.
        """
        block = bytearray()
        while len(block) < size and not self._over:
            if self._left:
                piece = self._said.some(min(self._left, size - len(block)))
                self._left -= len(piece)
                block += piece
            else:
                self._next_frame()
        return bytes(block)

    def skip(self) -> None:
        """Go past what was not read: at most the one byte more than was asked for."""
        try:
            while self.read(_BLOCK):
                pass
        except Refused:
            return

    def _next_frame(self) -> None:
        mark = self._said.line()
        if mark == b".":
            self._over = True
        elif mark.startswith(b"!"):
            self._over = True
            raise Refused(mark[1:].decode(errors="replace"))
        elif mark.startswith(b"+") and mark[1:].isdigit() and int(mark[1:]) <= self._room:
            self._left = int(mark[1:])
            self._room -= self._left
        else:
            raise nonsense(self._said.link)


def nonsense(link: Link) -> HostRefused:
    """The error for what no command of ours prints."""
    return HostRefused(
        f"{link.route.name}: a command's output is not what was asked for",
        hint="a shell start-up file on the host prints; let it do so in terminals only",
    )


def entry_of(record: bytes) -> Entry:
    """One record of the listing (see `host_scripts`).

    Raises:
        ValueError: it is none.
    """
    kind, size, links, device, inode, changed, listed, path = record.split(b" ", 7)
    several = int(links) > 1
    return Entry(
        path=os.fsdecode(path),
        kind=Kind[kind.decode().upper()],
        size_bytes=int(size),
        links=int(links),
        identity=(int(device), int(inode)) if several else None,
        changed=int(changed),
        listed=int(listed),
    )
