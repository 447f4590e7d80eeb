"""A new host before it is written down: what was said about it, its key, and the first login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from remote.config import ALWAYS_THERE, Config
from remote.errors import HostKeyRefused, UsageError
from remote.hosts.connect import route_to
from remote.hosts.ssh.destination import parse_destination
from remote.hosts.ssh.known_hosts import Accepts, ServerKey
from remote.model import HostConfig, RuntimeKind
from remote.schema import nearest


def candidate(
    name: str, destination: str, keys: Mapping[str, str | None]
) -> tuple[HostConfig, dict[str, str]]:
    """The host, and its entry for configs/hosts.yaml; keys that were not given are left out.

    Raises:
        UsageError: the destination or a path is none.
    """
    parse_destination(destination)
    given = {key: value for key, value in keys.items() if value is not None}
    for key in ("state_dir", "docker_binary"):
        value = given.get(key, "/")
        if not value.startswith(("/", "~/")) or not value.isprintable():
            raise UsageError(
                f"{key} {value!r} is no path on the host", hint="it begins with / or ~/"
            )
    state = Path(given.get("state_dir", "~/.workhorse"))
    runtime: RuntimeKind = "process" if given.get("runtime") == "process" else "docker"
    host = HostConfig(name, "ssh", runtime, "", state, destination=destination)
    host = replace(host, docker_binary=given.get("docker_binary"))
    if "base_image" in given:
        host = replace(host, base_image=given["base_image"])
    return host, {"destination": destination, **given}


def configured(config: Config, name: str, changes: Mapping[str, object]) -> HostConfig:
    """The host that configs/hosts.yaml has by that name, as it stands there.

    `changes` are the options that would make another entry of it; none of them may be given.

    Raises:
        UsageError: there is no such host, it is this machine, or something would change it.
    """
    host = config.hosts.get(name)
    if name in ALWAYS_THERE or (host and not host.destination):
        raise UsageError(
            f'"{name}" is this machine: it has no key and no login',
            hint=f"to check it: remote hosts doctor {name}",
        )
    if host is None:
        raise UsageError(
            f'no DESTINATION, and {config.path} has no host "{name}"{nearest(name, config.hosts)}',
            hint="a new host needs one: remote hosts add NAME user@host",
        )
    given = [f"--{key.replace('_', '-')}" for key, value in changes.items() if value]
    if given:
        raise UsageError(
            f"{config.path} has {name} already and stays as it is: no {', '.join(given)}",
            hint=f"change it there; to make it the default: remote hosts default {name}",
        )
    return host


def greet(
    host: HostConfig, accepts: Accepts, *, fingerprints: tuple[str, ...], login: bool
) -> ServerKey:
    """See to it that the host's key is known and, with `login`, that the user is let in; the key.

    Raises:
        HostKeyRefused: see `make_known`; or the known key is none of `fingerprints`, where some
            are given.
        HostUnreachable: nobody answers.
        LoginRefused: none of the user's keys is taken.
    """
    from remote.hosts.ssh.host_keys import make_known
    from remote.hosts.ssh.link import open_link

    route = route_to(host)
    server = make_known(route, accepts)
    if fingerprints and server.fingerprint not in fingerprints:
        raise HostKeyRefused(
            f"{server.shown}: its host key is {server.fingerprint}, known in {server.file}, and "
            "not the one given",
            hint=f"compare on the host: {server.where_it_lies()}",
        )
    if login:
        with open_link(route):
            pass
    return server
