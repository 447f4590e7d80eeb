"""Making a server's key known, once the person who knows the server has said that it is the one."""

from __future__ import annotations

import base64
import os
import re
import stat

from remote.errors import HostKeyRefused, UsageError
from remote.hosts.ssh.config import Route
from remote.hosts.ssh.known_hosts import Accepts, HostKeyUnknown, ServerKey
from remote.hosts.ssh.link import check_key

# As `ssh-keygen -l` shows one.
_FINGERPRINT = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
# What stands in the first field of a line for one server: no pattern, no list.
_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]+")
_MODE = 0o600
_DIRECTORY_MODE = 0o700


def make_known(route: Route, accepts: Accepts) -> ServerKey:
    """See to it that every key on the way to a host is known, and give the host's own.

    `accepts` is asked about each that is not. The connection is closed meanwhile, and nothing was
    sent that says who the user is.

    Raises:
        HostKeyRefused: one is changed or revoked, or was not accepted.
        HostUnreachable: nobody answers.
        LoginRefused: a server that leads to the host does not let the user in.
    """
    for _ in (*route.jumps, route):
        try:
            return check_key(route)
        except HostKeyUnknown as unknown:
            server = unknown.server
            if not accepts(server):
                raise HostKeyRefused(
                    f"{server.shown}: its host key {server.fingerprint} was not accepted; "
                    "nothing was sent or recorded",
                    hint=f"ask whoever runs the host for its fingerprint: {server.where_it_lies()}",
                ) from unknown
            record(server)
    return check_key(route)


def record(server: ServerKey) -> None:
    """Append a server's key to its known_hosts file, in one write, durable when this returns.

    Raises:
        HostKeyRefused: the file cannot take it.
    """
    if not _NAME.fullmatch(server.name):
        raise _cannot(server, f"{server.name!r} is no name that can stand there (HostKeyAlias)")
    key = base64.b64encode(server.key).decode()
    try:
        server.file.parent.mkdir(mode=_DIRECTORY_MODE, exist_ok=True)
        descriptor = os.open(server.file, os.O_RDWR | os.O_APPEND | os.O_CREAT, _MODE)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise _cannot(server, "it is no file")
            # A last line without its end would swallow ours.
            unfinished = status.st_size > 0 and os.pread(descriptor, 1, status.st_size - 1) != b"\n"
            line = f"{server.name} {server.kind} {key}\n"
            os.write(descriptor, f"\n{line}".encode() if unfinished else line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _cannot(server, error.strerror or str(error)) from error


def described(server: ServerKey) -> str:
    """As `ssh-keygen -lf` prints it: bits, fingerprint, name, type."""
    from paramiko import PKey

    bits = PKey.from_type_string(server.kind, server.key).get_bits()
    name = "ECDSA" if server.kind.startswith("ecdsa") else server.kind.removeprefix("ssh-").upper()
    return f"{bits} {server.fingerprint} {server.name} ({name})"


def parse_fingerprint(text: str) -> str:
    """A fingerprint as ssh-keygen shows it.

    Raises:
        UsageError: it is none.
    """
    found = text.strip().rstrip("=")
    if not _FINGERPRINT.fullmatch(found):
        raise UsageError(
            f"{text!r} is no fingerprint",
            hint="SHA256: and 43 characters, as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` "
            "prints it on the host",
        )
    return found


def _cannot(server: ServerKey, why: str) -> HostKeyRefused:
    return HostKeyRefused(
        f"{server.shown}: its host key cannot be recorded in {server.file}: {why}",
        hint="UserKnownHostsFile in ~/.ssh/config names the file",
    )
