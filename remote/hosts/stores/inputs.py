"""Input files on a host at the other end of a link: sent once, kept, found again by digest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from remote.errors import HostRefused, IntegrityFailure
from remote.hosts.command import CommandFailed
from remote.hosts.layout import StateLayout
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.transport import COMMAND_SECONDS, SshTransport
from remote.hosts.stores.sending import Sent, digest_seconds, pieces, refuse_small_disk, send


class InputStore:
    """The inputs of a host's state directory: `inputs/SHA256/NAME`, read-only.

    A file that is there under its final name is whole: it was digested on the host. What is
    under way lies in `inputs/.partial/SHA256` and is gone on with by whoever sends it next.
    """

    def __init__(self, transport: SshTransport, layout: StateLayout) -> None:
        self._transport = transport
        self._layout = layout

    def put(self, source: Path, sha256: str, size: int, on_sent: Sent) -> Path:
        """The host's copy of a file; what of it is missing there is sent.

        `on_sent` is told (bytes that the host has, bytes in all).

        Raises:
            DiskTooSmall: the host lacks the room.
            HostUnreachable: the link is down; what was sent is kept.
            IntegrityFailure: the copy is not the file that was digested.
        """
        final = self._layout.input(sha256, source.name)
        with self._transport.lock(self._layout.root / "locks" / f"input-{sha256[:32]}.lock"):
            if not self._holds(final, size):
                self._send(source, sha256, size, on_sent)
                self._publish(self._partial(sha256), final)
        return final

    def _partial(self, sha256: str) -> Path:
        return self._layout.inputs / ".partial" / sha256

    def _holds(self, final: Path, size: int) -> bool:
        """Whether the copy is there as it was when it was digested."""
        status = self._transport.status(final)
        record = self._transport.read(_record(final))
        if status is None or record is None:
            return False
        digested = json.loads(record)
        return [status.size_bytes, status.modified] == [size, digested["modified"]]

    def _send(self, source: Path, sha256: str, size: int, on_sent: Sent) -> None:
        partial = self._partial(sha256)
        self._transport.make_directory(partial.parent)
        resumed = self._size_of(partial)
        if resumed > size:
            self._transport.discard(partial)
            resumed = 0
        refuse_small_disk(self._transport, self._layout.inputs, size - resumed, "the input")
        self._append(source, partial, resumed, size, on_sent)
        found = self._digest(partial, size)
        if found != sha256 and resumed:  # what was there before was no part of it
            self._transport.discard(partial)
            self._append(source, partial, 0, size, on_sent)
            found = self._digest(partial, size)
        if found != sha256:
            self._transport.discard(partial)
            raise IntegrityFailure(
                f"{source}: its copy on {self._transport.link.route.name} differs from it",
                hint="was it changed while it was sent? start the run again",
            )

    def _append(self, source: Path, partial: Path, offset: int, size: int, on_sent: Sent) -> None:
        stream = _told(pieces(source, offset, size), offset, size, on_sent)
        send(self._transport, host_scripts.append(partial), stream, size - offset, partial)

    def _digest(self, path: Path, size: int) -> str:
        argv = host_scripts.digest(path)
        try:
            return self._transport.run(argv, timeout=digest_seconds(size)).stdout.split()[0]
        except CommandFailed as error:
            raise HostRefused(
                f"{error.problem}", hint="sha256sum or shasum is needed on the host"
            ) from error

    def _publish(self, partial: Path, final: Path) -> None:
        self._transport.make_directory(final.parent)
        self._transport.run(host_scripts.publish(partial, final), timeout=COMMAND_SECONDS + 600)
        status = self._transport.status(final)
        assert status is not None
        record = {"modified": status.modified, "size_bytes": status.size_bytes}
        self._transport.write(_record(final), json.dumps(record).encode())

    def _size_of(self, path: Path) -> int:
        status = self._transport.status(path)
        return status.size_bytes if status else 0


def _record(final: Path) -> Path:
    return final.parent / f".{final.name[:200]}.json"


def _told(stream: Iterator[bytes], done: int, size: int, on_sent: Sent) -> Iterator[bytes]:
    for piece in stream:
        yield piece
        done += len(piece)
        on_sent(done, size)
