"""One SSH connection: commands and files, each call under a wall-clock limit.

A link that has died is noticed by a probe: the server is asked for a sign of life every
`PROBE_SECONDS`, and after `SILENCE_SECONDS` without a byte from it the connection is closed,
which ends whatever waits on it.
"""

from __future__ import annotations

import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from remote.errors import HostRefused, HostUnreachable, WorkhorseError
from remote.hosts.command import CommandFailed, Completed
from remote.hosts.ssh.config import Route
from remote.hosts.ssh.known_hosts import ServerKey, known_keys, refuse_unless_known
from remote.hosts.ssh.login import log_in
from remote.hosts.ssh.wire import Wire, dialled, unreachable

if TYPE_CHECKING:
    from paramiko import Channel, SFTPClient, Transport

    from remote.hosts.ssh.orderly import OrderlyTransport

CONNECT_SECONDS = 10
# Between asking a server for a sign of life, and how long a link may be silent. A cable that is
# pulled for ten seconds is survived: TCP sends again within that time.
PROBE_SECONDS = 3
SILENCE_SECONDS = 20
_BLOCK = 1 << 16
_STDERR_BYTES = 1 << 16
_NOTICE_SECONDS = 0.2
_MOST_FURTHER = 3
# SSH_OPEN_RESOURCE_SHORTAGE of RFC 4254.
_REFUSED = 4


class SessionsFull(HostRefused):
    """The server allows no more commands on this connection at one time (MaxSessions, 10)."""


class Link:
    """An open connection to a host, logged in; further ones where the server allows one no more
    commands at a time."""

    def __init__(
        self, route: Route, transport: OrderlyTransport, wire: Wire, stack: ExitStack
    ) -> None:
        self.route = route
        self.wire = wire
        self._transport = transport
        self._sftp: SFTPClient | None = None
        self._session = threading.RLock()
        self._further: list[Link] = []
        self._growing = threading.Lock()
        self._stack = stack

    @property
    def sent_bytes(self) -> int:
        """All that went to the host."""
        return sum(link.wire.sent_bytes for link in (self, *self._further))

    def run(
        self, argv: Sequence[str], *, timeout: float, check: bool = True, data: bytes = b""
    ) -> Completed:
        """Run a command on the host to its end; `data` is its standard input.

        Raises:
            CommandFailed: over the limit, or (with `check`) a non-zero exit status.
            HostUnreachable: the link is down.
        """
        pieces: list[bytes] = []
        code, stderr = self.exchange(argv, pieces.append, [data], timeout=timeout)
        stdout = b"".join(pieces)
        done = Completed(tuple(argv), code, _text(stdout), _text(stderr))
        if check and code:
            raise CommandFailed(done, f"{self.route.name}: exit status {code}")
        return done

    def exchange(
        self,
        argv: Sequence[str],
        on_output: Callable[[bytes], object],
        pieces: Sequence[bytes] | Iterator[bytes] = (),
        *,
        timeout: float,
    ) -> tuple[int, bytes]:
        """Feed a command and take what it writes; its exit status and standard error.

        Raises:
            CommandFailed: no end within `timeout` seconds.
            HostUnreachable: the link is down.
        """
        limit = time.monotonic() + timeout
        with self.command(argv) as channel:
            channel.settimeout(None)  # the limit below and the probe end it
            failures: list[Exception] = []
            feeding = threading.Thread(target=feed, args=(channel, pieces, failures), daemon=True)
            feeding.start()
            stderr = self._drain(argv, channel, on_output, limit)
            if failures:
                raise failures[0]
            return channel.exit_status, stderr

    @contextmanager
    def command(self, argv: Sequence[str], *, window: int | None = None) -> Iterator[Channel]:
        """A command's channel, closed at the end. Quoting happens here and nowhere else.

        At most `window` bytes of its output are under way at a time: what else is asked over
        the link waits behind no more than that.

        Raises:
            HostUnreachable: the link is down, also where it goes down inside.
        """
        with ExitStack() as opened:
            yield self._enter(opened, argv, window)

    def _enter(self, opened: ExitStack, argv: Sequence[str], window: int | None) -> Channel:
        tried = 0
        while True:
            links = (self, *self._further)
            for link in links[tried:]:
                try:
                    return opened.enter_context(link._command(argv, window))
                except SessionsFull:
                    if len(links) > _MOST_FURTHER and link is links[-1]:
                        raise
            tried = len(links)
            self._grow(beyond=tried)

    @contextmanager
    def _command(self, argv: Sequence[str], window: int | None) -> Iterator[Channel]:
        with self.guarded():
            channel = self._open(window)
            try:
                channel.settimeout(SILENCE_SECONDS)
                channel.exec_command(os.fsencode(shlex.join(argv)))
                yield channel
            finally:
                channel.close()

    def _open(self, window: int | None) -> Channel:
        from paramiko.ssh_exception import ChannelException, SSHException

        try:
            channel = self._transport.open_session(window_size=window, timeout=CONNECT_SECONDS)
            self._transport.opened(channel.remote_chanid)
            return channel
        except ChannelException:
            raise
        except SSHException as error:
            # Of two refusals at one time paramiko gives both reasons to the first that asks.
            if self.alive and str(error) == "Unable to open channel.":
                raise ChannelException(_REFUSED, str(error)) from error
            raise

    def _grow(self, *, beyond: int) -> None:
        """One connection more than there were, unless another thread has opened it."""
        with self._growing:
            if len(self._further) < beyond:
                self._further.append(self._stack.enter_context(open_link(self.route)))

    @contextmanager
    def files(self) -> Iterator[SFTPClient]:
        """The connection's one file session, for one thread at a time (it mixes answers up).

        Raises:
            HostUnreachable: the link is down; a file's own `OSError` stays one.
        """
        with self._session, self.guarded():
            if self._sftp is None:
                self._sftp = self._open_sftp()
            yield self._sftp

    def _open_sftp(self) -> SFTPClient:
        from paramiko import SFTPClient
        from paramiko.ssh_exception import SSHException

        channel = self._open(None)
        channel.settimeout(SILENCE_SECONDS)
        try:
            channel.invoke_subsystem("sftp")
            return SFTPClient(channel)
        except (SSHException, EOFError) as error:
            if not self.alive:
                raise
            raise HostRefused(
                f"{self.route.name}: its SSH server offers no files (sftp): {error}",
                hint="`Subsystem sftp` in the host's sshd_config; on a Mac, Remote Login has it",
            ) from error

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """What a dead connection raises becomes the one error for it; other errors stay."""
        from paramiko.ssh_exception import ChannelException, SSHException

        try:
            yield
        except ChannelException as error:
            raise SessionsFull(
                f"{self.route.name}: its SSH server refuses a further command: {error.text}",
                hint="`MaxSessions` in the host's sshd_config is smaller than usual (10)",
            ) from error
        except (SSHException, EOFError, TimeoutError, ConnectionError) as error:
            raise self.down(str(error)) from error
        except OSError as error:
            if not self._transport.is_active() or str(error) == "Socket is closed":
                raise self.down(str(error)) from error
            raise

    @property
    def alive(self) -> bool:
        """False once the connection has ended, or was found dead."""
        return self._transport.is_active()

    def has_gone(self) -> bool:
        """Whether the connection has ended; what waited on it can hear of it a moment before."""
        limit = time.monotonic() + _NOTICE_SECONDS
        while self.alive and time.monotonic() < limit:
            time.sleep(0.01)
        return not self.alive

    def down(self, why: str) -> HostUnreachable:
        """The error for a link that has gone."""
        silent = time.monotonic() - self.wire.heard_at
        reason = f"nothing heard for {silent:.0f} s" if silent >= PROBE_SECONDS else why
        return HostUnreachable(
            f"{self.route.name}: the link is down ({reason or 'closed by the host'})",
            hint="when it is back, start it again: what was sent is kept; what runs there goes on "
            "(remote ps)",
        )

    def _drain(
        self,
        argv: Sequence[str],
        channel: Channel,
        on_output: Callable[[bytes], object],
        limit: float,
    ) -> bytes:
        """Read both streams until the command has ended; at most the limit."""
        errors = bytearray()
        while True:
            quiet = True
            while channel.recv_ready():
                on_output(channel.recv(_BLOCK))
                quiet = False
            while channel.recv_stderr_ready():
                errors += channel.recv_stderr(_BLOCK)[: _STDERR_BYTES - len(errors)]
                quiet = False
            if quiet and channel.exit_status_ready() and (channel.eof_received or channel.closed):
                if channel.recv_ready() or channel.recv_stderr_ready():
                    continue
                if channel.exit_status == -1:
                    raise self.down("the command's end was not told")
                return bytes(errors)
            if quiet:
                if not self.alive:
                    raise self.down("")
                if time.monotonic() > limit:
                    done = Completed(tuple(argv), -1, "", _text(errors))
                    raise CommandFailed(done, f"{self.route.name}: not done in time")
                _wait_for_output(channel, min(1.0, max(limit - time.monotonic(), 0.01)))


def _wait_for_output(channel: Channel, seconds: float) -> None:
    """Until there is something to read or the command has ended."""
    channel.status_event.wait(0.002)
    limit = time.monotonic() + seconds
    pause = 0.0005
    while time.monotonic() < limit:
        if channel.recv_ready() or channel.recv_stderr_ready() or channel.closed:
            return
        if channel.exit_status_ready() and channel.eof_received:
            return
        time.sleep(pause)
        pause = min(pause * 1.5, 0.02)


def _text(data: bytes | bytearray) -> str:
    return data.decode("utf-8", "replace")


def feed(
    channel: Channel, pieces: Sequence[bytes] | Iterator[bytes], failures: list[Exception]
) -> None:
    """Send a command its input; one that ends early, or a link that dies, is seen elsewhere."""
    rest = iter(pieces)
    while True:
        try:
            piece = next(rest, None)
        except (OSError, WorkhorseError) as error:  # what is sent cannot be read
            failures.append(error)
            piece = None
        with suppress(OSError, EOFError):
            if piece is not None:
                channel.sendall(piece)
                continue
            channel.shutdown_write()
        return


@contextmanager
def open_link(route: Route) -> Iterator[Link]:
    """Connect, check the host's key, log in; everything is closed at the end.

    Raises:
        HostKeyRefused: before anything was sent that says who the user is.
        HostUnreachable: nobody answers.
        LoginRefused: none of the user's keys is taken.
    """
    _silence()
    with ExitStack() as stack:
        through: Link | None = None
        for one in (*route.jumps, route):
            through = _connected(one, through, stack)
        assert through is not None
        stack.enter_context(_watched(through))
        yield through


def check_key(route: Route) -> ServerKey:
    """Connect far enough to see that a host's key is the known one; the servers that lead to it
    are logged in to, as they must be.

    Raises:
        HostKeyUnknown, HostKeyRefused, HostUnreachable, LoginRefused: as `open_link`.
    """
    _silence()
    with ExitStack() as stack:
        through: Link | None = None
        for one in route.jumps:
            through = _connected(one, through, stack)
        last = _connected(route, through, stack, login=False)
        return _key_of(last._transport, route, through)


def _connected(route: Route, through: Link | None, stack: ExitStack, *, login: bool = True) -> Link:
    from paramiko.ssh_exception import SSHException

    from remote.hosts.ssh.orderly import OrderlyTransport

    below = (
        stack.enter_context(dialled(route, CONNECT_SECONDS))
        if through is None
        else _jumped(route, through)
    )
    wire = Wire(below)
    known = known_keys(route.known_hosts, route.key_name)
    with _limited(wire):
        try:
            transport = OrderlyTransport(wire)
            stack.callback(transport.close)
            transport.banner_timeout = transport.auth_timeout = CONNECT_SECONDS
            transport.daemon = True
            _prefer([one.kind for one in known if not one.marker], transport)
            transport.start_client(timeout=CONNECT_SECONDS)
            refuse_unless_known(_key_of(transport, route, through), known)
            if login:
                log_in(transport, route)
        except (SSHException, EOFError, OSError) as error:
            raise unreachable(route, f"it speaks no SSH that we speak: {error}") from error
    return Link(route, transport, wire, stack)


def _silence() -> None:
    """What paramiko logs it also raises."""
    logging.getLogger("paramiko").setLevel(logging.CRITICAL + 1)


def _key_of(transport: Transport, route: Route, through: Link | None) -> ServerKey:
    key = transport.get_remote_server_key()
    return ServerKey(
        shown=route.name if through is None else f"{route.name} ({route.host})",
        name=route.key_name,
        kind=key.get_name(),
        key=key.asbytes(),
        file=route.known_hosts[0],
    )


def _jumped(route: Route, through: Link) -> Channel:
    """A channel to the next server through the one before it."""
    from paramiko.ssh_exception import SSHException

    try:
        channel = through._transport.open_channel(
            "direct-tcpip", (route.host, route.port), ("127.0.0.1", 0), timeout=CONNECT_SECONDS
        )
        through._transport.opened(channel.remote_chanid)
        return channel
    except SSHException as error:
        raise unreachable(
            replace(route, name=f"{route.name} through {through.route.name}"), str(error).lower()
        ) from error


def _prefer(kinds: Sequence[str], transport: Transport) -> None:
    """Ask for the kind of host key that is known: servers have several."""
    options = transport.get_security_options()
    wanted = {
        name
        for kind in kinds
        for name in ((kind, "rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,))
    }
    ours = tuple(options.key_types)
    first = [name for name in ours if name in wanted]
    options.key_types = (*first, *(name for name in ours if name not in wanted))


@contextmanager
def _limited(wire: Wire) -> Iterator[None]:
    """The whole handshake under one limit, whatever the server does; a touch may take longer."""
    timer = threading.Timer(CONNECT_SECONDS * 9, wire.close)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _watched(link: Link) -> Iterator[None]:
    """Probe the server; close the connection where it stays silent."""
    over = threading.Event()
    transport = link._transport

    def probe() -> None:
        while transport.is_active() and not over.wait(PROBE_SECONDS):
            with suppress(OSError, EOFError):
                transport.global_request("keepalive@openssh.com", wait=True)

    def watch() -> None:
        while not over.wait(0.5):
            if time.monotonic() - link.wire.heard_at > SILENCE_SECONDS:
                link.wire.close()
                transport.close()
                return

    threads = [threading.Thread(target=one, daemon=True) for one in (probe, watch)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
