"""How hosts look: the list, the question about a key, and what the doctor found, line by line."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import click

from remote.config import Config
from remote.errors import HostKeyRefused
from remote.figures import seconds
from remote.findings import COLOURS, LEVEL_WIDTH, Finding, exit_code, lines, summary
from remote.hosts.doctor import findings
from remote.hosts.ssh.host_keys import described, parse_fingerprint
from remote.hosts.ssh.known_hosts import ServerKey
from remote.model import HostConfig


@dataclass(frozen=True, slots=True)
class KeyQuestion:
    """Asks about a key: the fingerprints that were given, else the person at the terminal."""

    fingerprints: tuple[str, ...]

    def __call__(self, server: ServerKey) -> bool:
        click.echo(f"{server.shown}: no key is known for it here. It shows:", err=True)
        click.echo(f"  {described(server)}", err=True)
        if self.fingerprints:
            return server.fingerprint in self.fingerprints
        if not sys.stdin.isatty():
            raise HostKeyRefused(
                f"{server.shown}: nobody is here to say whether this is its key; nothing was sent "
                "or recorded",
                hint=f"on the host: {server.where_it_lies()}; if it prints the same: "
                f"--fingerprint {server.fingerprint}",
            )
        click.echo(f"On the host, this prints the same: {server.where_it_lies()}", err=True)
        return click.confirm("Is it the same?", err=True)


def key_question(fingerprints: Sequence[str]) -> KeyQuestion:
    """Refuses what is no fingerprint before anything is asked."""
    return KeyQuestion(tuple(map(parse_fingerprint, fingerprints)))


def show_hosts(config: Config) -> None:
    """One line a host; this machine needs none."""
    if not config.hosts:
        click.echo("no hosts yet; runs go to this machine", err=True)
        click.echo("add one: remote hosts add mini ana@mini.local", err=True)
    width = max(map(len, config.hosts), default=0)
    places = {host.name: host.destination or "this machine" for host in config.hosts.values()}
    wide = max(map(len, places.values()), default=0)
    for host in config.hosts.values():
        star = "*" if host.name == config.default_host else " "
        click.echo(f"{star} {host.name:<{width}}  {places[host.name]:<{wide}}  {host.runtime}")


def as_rows(config: Config) -> list[dict[str, Any]]:
    """The same for programs."""
    return [
        {
            "name": host.name,
            "destination": host.destination,
            "transport": host.transport,
            "runtime": host.runtime,
            "state_dir": str(host.state_dir),
            "docker_binary": host.docker_binary,
            "base_image": host.base_image,
            "default": host.name == config.default_host,
        }
        for host in config.hosts.values()
    ]


def show_findings(host: HostConfig) -> int:
    """Look at a host, a line for each check as it is answered; the exit code."""
    click.secho(f"{host.name} ({host.destination or 'this machine'})", bold=True)
    started = time.monotonic()
    found = []
    for finding in findings(host):
        _show(finding)
        found.append(finding)
    click.echo(f"{summary(found)}, {seconds(time.monotonic() - started)}")
    return exit_code(found)


def findings_as_json(host: HostConfig) -> dict[str, Any]:
    """The same for programs."""
    found = tuple(findings(host))
    return {
        "host": host.name,
        "destination": host.destination,
        "exit_code": exit_code(found),
        "checks": [asdict(finding) for finding in found],
    }


def _show(finding: Finding) -> None:
    level = click.style(f"{finding.level:<{LEVEL_WIDTH}}", fg=COLOURS.get(finding.level))
    for line in lines(finding, level):
        click.echo(line)
