"""The socket beneath an SSH connection: direct, through a command, or through another server."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from remote.errors import HostUnreachable
from remote.hosts.ssh.config import Route

if TYPE_CHECKING:
    from paramiko import Channel

_NO_DELAY = (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class Wire:
    """A socket that counts its bytes and remembers when it last heard anything.

    Has what paramiko needs of a socket.
    """

    def __init__(self, below: socket.socket | Channel) -> None:
        self._below = below
        self.sent_bytes = 0
        self.received_bytes = 0
        self.heard_at = time.monotonic()
        self._closed = False

    def send(self, data: bytes) -> int:
        count = self._below.send(data)
        self.sent_bytes += count
        return count

    def recv(self, size: int) -> bytes:
        data = self._below.recv(size)
        self.received_bytes += len(data)
        self.heard_at = time.monotonic()
        return data

    def settimeout(self, seconds: float | None) -> None:
        self._below.settimeout(seconds)

    def close(self) -> None:
        self._closed = True
        self._below.close()


@contextmanager
def dialled(route: Route, seconds: float) -> Iterator[socket.socket]:
    """A connected socket for a route without jumps; closed at the end.

    Raises:
        HostUnreachable: no such name, nobody listens, or no answer within `seconds`.
    """
    if route.proxy_command:
        with _through_command(route.proxy_command) as link:
            yield link
        return
    try:
        link = socket.create_connection((route.host, route.port), seconds)
    except OSError as error:
        raise unreachable(route, _why(error, seconds)) from error
    with link:
        link.setsockopt(*_NO_DELAY)
        yield link


def unreachable(route: Route, why: str) -> HostUnreachable:
    """The one error for a server that cannot be spoken to."""
    address = f"{route.host} port {route.port}"
    where = route.name if route.host in route.name else f"{route.name} ({address})"
    return HostUnreachable(
        f"{where} cannot be reached: {why}",
        hint=f"is it on, awake, and in this network? `ssh {route.name}` should work by itself",
    )


def _why(error: OSError, seconds: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {seconds:g} s"
    if isinstance(error, socket.gaierror):
        return "no host has this name"
    return (error.strerror or str(error)).lower()


@contextmanager
def _through_command(command: str) -> Iterator[socket.socket]:
    """A ProxyCommand of the user's own configuration, run as OpenSSH does: by a shell."""
    ours, theirs = socket.socketpair()
    with ours:
        with theirs:
            process = subprocess.Popen(
                ["/bin/sh", "-c", f"exec {command}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        try:
            yield ours
        finally:
            ours.close()
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(2)
            if process.poll() is None:
                process.kill()
                process.wait()
