"""What `--host user@host` may be: names by an allow-list, so that none can be an option."""

from __future__ import annotations

import re
from dataclasses import dataclass

from remote.errors import UsageError

# Letters, digits and what real names hold; an IPv6 address in brackets. Never a leading dash.
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_HOST = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,252}|\[[0-9A-Fa-f:.]{2,45}\]"
_DESTINATION = re.compile(
    rf"(?:ssh://)?(?:(?P<user>{_USER})@)?(?P<host>{_HOST})(?::(?P<port>[0-9]{{1,5}}))?"
)
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True)
class Destination:
    """Who and where, as far as the person said; the rest is in ~/.ssh/config."""

    host: str
    user: str | None = None
    port: int | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        return user + host + (f":{self.port}" if self.port else "")


def parse_destination(text: str) -> Destination:
    """`[ssh://][user@]host[:port]`.

    Raises:
        UsageError: it is something else.
    """
    match = _DESTINATION.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or (port is not None and not 0 < port <= _LAST_PORT):
        raise UsageError(
            f"{text!r} is no SSH destination",
            hint="write user@host, user@host:port, or a Host of ~/.ssh/config",
        )
    return Destination(match["host"].strip("[]"), match["user"], port)


def check_user(user: str, source: str) -> str:
    """A user name that came from a configuration.

    Raises:
        UsageError: it has characters that no user name has.
    """
    return _checked(_USER, user, "user", source)


def check_host(host: str, source: str) -> str:
    """A host name or address that came from a configuration.

    Raises:
        UsageError: it has characters that no host name has.
    """
    pattern = _HOST if ":" not in host else r"[0-9A-Fa-f:.]{2,45}"
    return _checked(pattern, host, "host", source)


def _checked(pattern: str, text: str, what: str, source: str) -> str:
    if not re.fullmatch(pattern, text):
        raise UsageError(
            f"{source}: {text!r} is no {what} name",
            hint="letters, digits, dots, dashes and underscores; no leading dash",
        )
    return text
