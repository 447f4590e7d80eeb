"""What ~/.ssh/config says about a destination, as a value. `docs/ssh.md` lists what is read."""

from __future__ import annotations

import getpass
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from remote.errors import ConfigInvalid
from remote.hosts.ssh.destination import Destination, check_host, check_user, parse_destination

if TYPE_CHECKING:
    from paramiko import SSHConfig

PORT = 22
SYSTEM_CONFIG = Path("/etc/ssh/ssh_config")
SYSTEM_KNOWN_HOSTS = Path("/etc/ssh/ssh_known_hosts")
_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
_DEEPEST_INCLUDE = 16
_MOST_JUMPS = 8
_DIRECTIVE = re.compile(r"\s*(?P<name>[A-Za-z]+)(?:\s*=\s*|\s+)(?P<value>.*?)\s*$")


@dataclass(frozen=True, slots=True)
class Route:
    """How to reach and prove oneself to one SSH server.

    `name` is what the person calls it; `key_name` what its host key is known under. `jumps` are
    the servers that lead to it, nearest first; a `proxy_command` leads there instead.
    """

    name: str
    host: str
    port: int
    user: str
    key_name: str
    known_hosts: tuple[Path, ...]
    identities: tuple[Path, ...]
    identities_named: bool
    agent: Path | None
    jumps: tuple[Route, ...] = ()
    proxy_command: str | None = None


def read_route(destination: Destination, home: Path, agent_socket: str | None) -> Route:
    """The route to a destination, from the user's and the system's configuration.

    Raises:
        ConfigInvalid: the configuration cannot be understood.
        UsageError: it names a user or host that is none.
    """
    from paramiko import SSHConfig
    from paramiko.ssh_exception import ConfigParseError, CouldNotCanonicalize

    text = "\n".join(
        line
        for path in (home / ".ssh" / "config", SYSTEM_CONFIG)
        for line in (*_lines(path, home, 0), "Host *")
    )
    try:
        config = SSHConfig.from_text(text)
        return _route(config, destination, home, agent_socket, 0)
    except (ConfigParseError, CouldNotCanonicalize, ImportError, ValueError) as error:
        raise ConfigInvalid(
            f"{home / '.ssh/config'}: {error}", hint="`ssh -G HOST` shows what OpenSSH reads in it"
        ) from error


def _route(
    config: SSHConfig, destination: Destination, home: Path, agent_socket: str | None, depth: int
) -> Route:
    found = dict(config.lookup(destination.host))
    source = f"~/.ssh/config, {destination.host}"
    host = check_host(str(found["hostname"]), source)
    user = destination.user or check_user(str(found.get("user") or getpass.getuser()), source)
    port = destination.port or int(found.get("port") or PORT)
    alias = found.get("hostkeyalias")
    named = tuple(_paths(found.get("identityfile"), home))
    only = str(found.get("identitiesonly", "no")).lower() == "yes"
    agent = _agent(found.get("identityagent"), agent_socket, home)
    command = _unless_none(found.get("proxycommand"))
    jump = _unless_none(found.get("proxyjump"))
    return Route(
        name=str(destination),
        host=host,
        port=port,
        user=user,
        key_name=str(alias) if alias else known_as(host, port),
        known_hosts=_known_hosts(found, home),
        identities=named or tuple(home / ".ssh" / name for name in _DEFAULT_KEYS),
        identities_named=only,
        agent=agent,
        jumps=_jumps(config, jump, home, agent_socket, depth) if jump else (),
        proxy_command=None if jump else command,
    )


def ssh_hosts(home: Path) -> tuple[str, ...]:
    """The names, without wildcards, that the user's configuration has a Host for."""
    names: list[str] = []
    for line in _lines(home / ".ssh" / "config", home, 0):
        match = _DIRECTIVE.match(line)
        if match and match["name"].lower() == "host":
            names += [one for one in match["value"].split() if not set(one) & set("*?!")]
    return tuple(dict.fromkeys(names))


def known_as(host: str, port: int) -> str:
    """The name that known_hosts has a server under."""
    return host.lower() if port == PORT else f"[{host.lower()}]:{port}"


def _jumps(
    config: SSHConfig, text: str, home: Path, agent_socket: str | None, depth: int
) -> tuple[Route, ...]:
    """Each server of `ProxyJump a,b`; the first may itself be reached through others."""
    if depth >= _MOST_JUMPS:
        raise ConfigInvalid(
            f"{home / '.ssh/config'}: ProxyJump leads through more than {_MOST_JUMPS} servers",
            hint="a server may name itself: look for a circle",
        )
    servers = [parse_destination(part.strip()) for part in text.split(",")]
    first, *others = (_route(config, one, home, agent_socket, depth + 1) for one in servers)
    return (*first.jumps, _alone(first), *map(_alone, others))


def _alone(route: Route) -> Route:
    return replace(route, jumps=())


def _known_hosts(found: Mapping[str, object], home: Path) -> tuple[Path, ...]:
    given = found.get("userknownhostsfile")
    paths = tuple(_paths(given.split() if isinstance(given, str) else given, home))
    ours = paths or (home / ".ssh" / "known_hosts", home / ".ssh" / "known_hosts2")
    system = tuple(_paths(found.get("globalknownhostsfile"), home)) or (SYSTEM_KNOWN_HOSTS,)
    return (*ours, *system)


def _agent(given: object, agent_socket: str | None, home: Path) -> Path | None:
    text = str(given).strip('"') if given else agent_socket
    if given in ("SSH_AUTH_SOCK", "$SSH_AUTH_SOCK"):
        text = agent_socket
    return Path(_expanded(text, home)) if text and text != "none" else None


def _paths(given: object, home: Path) -> Iterator[Path]:
    values = given if isinstance(given, list) else [given] if given else []
    for value in values:
        if str(value) != "none":
            yield Path(_expanded(str(value).strip('"'), home))


def _expanded(text: str, home: Path) -> str:
    text = text.replace("%d", str(home))
    return str(home) + text[1:] if text == "~" or text.startswith("~/") else text


def _unless_none(value: object) -> str | None:
    return None if value is None or str(value).lower() == "none" else str(value)


def _lines(path: Path, home: Path, depth: int) -> Iterator[str]:
    """A configuration's lines with its Includes in their places (paramiko leaves them out)."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
    block = "Host *"
    for line in text.splitlines():
        match = _DIRECTIVE.match(line)
        name = match["name"].lower() if match and not line.lstrip().startswith("#") else ""
        if name != "include":
            if name in ("host", "match"):
                block = line
            yield line
            continue
        assert match is not None
        if block != "Host *" or depth >= _DEEPEST_INCLUDE:
            raise ConfigInvalid(
                f"{path}: Include below a Host or Match is not supported: {line.strip()}",
                hint="move it to the top of the file",
            )
        for included in _included(match["value"], path, home):
            yield from _lines(included, home, depth + 1)
            yield "Host *"


def _included(patterns: str, path: Path, home: Path) -> Iterator[Path]:
    base = path.parent if path == SYSTEM_CONFIG else home / ".ssh"
    for pattern in shlex.split(patterns):
        whole = Path(_expanded(pattern, home))
        if not whole.is_absolute():
            whole = base / whole
        anchor = Path(whole.anchor)
        yield from sorted(anchor.glob(str(whole.relative_to(anchor))))
