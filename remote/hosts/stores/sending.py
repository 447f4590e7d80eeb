"""What is sent to a host to stay there: read in pieces, under limits, not past its disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from remote.errors import DiskTooSmall, HostRefused
from remote.hosts.ssh.transport import COMMAND_SECONDS, SshTransport

# What is to stay free on the host beside what is sent.
KEPT_BYTES = 1 << 30
_BLOCK = 1 << 18
# The slowest disk and the slowest link that are waited for.
_SLOWEST_DISK = 20 << 20
_SLOWEST_LINK = 64 << 10

Sent = Callable[[int, int], None]


def digest_seconds(size: int) -> float:
    """The limit of a command that reads or flushes `size` bytes on the host."""
    return COMMAND_SECONDS + size / _SLOWEST_DISK


def pieces(source: Path, offset: int, size: int) -> Iterator[bytes]:
    """A file from an offset on, no further than `size`."""
    with source.open("rb", buffering=0) as file:
        file.seek(offset)
        while offset < size and (block := file.read(min(_BLOCK, size - offset))):
            yield block
            offset += len(block)


def send(
    transport: SshTransport, argv: Sequence[str], stream: Iterator[bytes], size: int, into: Path
) -> None:
    """Feed a command on the host that writes `size` bytes below `into`.

    Raises:
        HostRefused: it cannot write them; what it wrote is kept.
        HostUnreachable: the link is down; what was sent is kept.
    """
    seconds = COMMAND_SECONDS + size / _SLOWEST_LINK
    code, errors = transport.link.exchange(argv, len, stream, timeout=seconds)
    if code:
        raise HostRefused(
            f"{transport.link.route.name}: {into} cannot be written: "
            f"{errors.decode(errors='replace').strip()}",
            hint="free some disk there, and start the run again: it goes on where it was",
        )


def refuse_small_disk(transport: SshTransport, store: Path, needed: int, what: str) -> None:
    """Raises: DiskTooSmall where the host lacks the room for `needed` bytes more in `store`."""
    free = transport.free_bytes(store)
    if free < needed + KEPT_BYTES:
        raise DiskTooSmall(
            f"{transport.link.route.name}: {store}: {free / 2**30:.2f} GiB are free, {what} needs "
            f"{needed / 2**30:.2f} GiB and {KEPT_BYTES >> 30} beside it",
            hint=f"free some disk there; what earlier runs left is in {store}",
        )
