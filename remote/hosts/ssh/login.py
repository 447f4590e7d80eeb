"""Proving to a server who the user is: the agent's keys, then those of files. No passwords."""

from __future__ import annotations

import base64
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from remote.errors import LoginRefused
from remote.hosts.ssh.config import Route

if TYPE_CHECKING:
    from paramiko import PKey, Transport
    from paramiko.agent import AgentKey

_AGENT_SECONDS = 5
# A hardware key waits for its owner.
_TOUCH_SECONDS = 60
# Servers hang up after six refused keys, by default.
_MOST_KEYS = 6


def log_in(transport: Transport, route: Route) -> None:
    """Offer one key after the other.

    Raises:
        LoginRefused: the server takes none of them; names each.
    """
    from paramiko.ssh_exception import AuthenticationException, BadAuthenticationType

    tried: list[str] = []
    with _keys(route, tried) as keys:
        for key, where in keys:
            tried.append(f"{where}: refused")
            try:
                still_asked = transport.auth_publickey(route.user, key)
            except BadAuthenticationType as error:
                raise _refused(route, [f"the server asks for {error.allowed_types}"]) from error
            except AuthenticationException:
                if not transport.is_active() or len(tried) >= _MOST_KEYS:
                    break
                continue
            if still_asked:
                raise _refused(route, [f"the server asks for {', '.join(still_asked)} as well"])
            return
    raise _refused(route, tried or ["no key is in the agent or in ~/.ssh"])


def _refused(route: Route, tried: list[str]) -> LoginRefused:
    listed = "\n".join(f"  {line}" for line in tried)
    return LoginRefused(
        f"{route.host} does not let {route.user} in:\n{listed}",
        hint=f"ssh-copy-id {route.user}@{route.host}; a key with a passphrase goes into the agent: "
        "ssh-add; another user or key is named in ~/.ssh/config (User, IdentityFile)",
    )


@contextmanager
def _keys(route: Route, tried: list[str]) -> Iterator[Iterator[tuple[PKey | AgentKey, str]]]:
    """The agent's keys and those of files; the agent's connection is closed at the end."""
    with ExitStack() as stack:
        yield _each_key(route, tried, stack)


def _each_key(
    route: Route, tried: list[str], stack: ExitStack
) -> Iterator[tuple[PKey | AgentKey, str]]:
    held = list(_agent_keys(route.agent, stack)) if route.agent else []
    wanted = _public_keys(route.identities)
    # As OpenSSH: those that a file names first; with IdentitiesOnly no others.
    held.sort(key=lambda key: key.asbytes() not in wanted.values())
    offered = set()
    for key in held:
        if key.asbytes() in wanted.values() or not route.identities_named:
            offered.add(key.asbytes())
            yield key, f"{key.comment or key.fingerprint} (agent)"
    for path in route.identities:
        loaded = _load(path, tried, agent_has=wanted.get(path) in offered)
        if loaded is not None and loaded.asbytes() not in offered:
            yield loaded, str(path)


def _agent_keys(path: Path, stack: ExitStack) -> tuple[AgentKey, ...]:
    """None where no agent answers."""
    from paramiko.agent import AgentSSH
    from paramiko.ssh_exception import SSHException

    class AgentAt(AgentSSH):
        """An agent at a socket of its own; paramiko's looks at SSH_AUTH_SOCK alone."""

        def __init__(self, link: socket.socket) -> None:
            super().__init__()
            self._connect(link)  # type: ignore[attr-defined]  # not in the stubs

    link = stack.enter_context(socket.socket(socket.AF_UNIX))
    link.settimeout(_AGENT_SECONDS)
    try:
        link.connect(str(path))
        keys = AgentAt(link).get_keys()
    except (OSError, SSHException):
        return ()
    link.settimeout(_TOUCH_SECONDS)
    return keys


def _public_keys(identities: tuple[Path, ...]) -> dict[Path, bytes]:
    """The public keys that lie beside private ones, or are named in their place."""
    found = {}
    for path in identities:
        try:
            public = path if path.suffix == ".pub" else Path(f"{path}.pub")
            fields = public.read_text(encoding="utf-8").split()
            found[path] = base64.b64decode(fields[1])
        except (OSError, ValueError, IndexError):
            continue
    return found


def _load(path: Path, tried: list[str], *, agent_has: bool) -> PKey | None:
    """A private key; what cannot be used is noted in `tried`, a missing file is not."""
    from paramiko import PKey
    from paramiko.pkey import UnknownKeyType
    from paramiko.ssh_exception import PasswordRequiredException, SSHException

    if agent_has or path.suffix == ".pub" or not path.exists():
        return None
    try:
        return PKey.from_path(path)
    except (PasswordRequiredException, TypeError):
        tried.append(f"{path}: has a passphrase and is not in the agent")
    except (OSError, ValueError, SSHException, UnknownKeyType) as error:
        tried.append(f"{path}: cannot be used: {error}")
    return None
