"""A new host before it is written down: what was said about it, its key, and the first login."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from remote.errors import HostKeyRefused, UsageError
from remote.hosts.connect import route_to
from remote.hosts.destination import parse_destination
from remote.hosts.known_hosts import Accepts, ServerKey
from remote.model import HostConfig, RuntimeKind


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
    from remote.hosts.host_keys import make_known
    from remote.hosts.link import open_link

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
