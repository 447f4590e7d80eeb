"""From a host's configuration to something that can run: the transport times the runtime."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from remote.config import environment
from remote.errors import BuildFailed, EngineTooOld, EngineUnusable, HostRefused
from remote.hosts.command import CommandFailed
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.process.runtime import ProcessRuntime
from remote.hosts.runtime import Runtime
from remote.hosts.transport import Transport
from remote.model import HostConfig

if TYPE_CHECKING:
    from remote.hosts.docker.engine import Engine
    from remote.hosts.ssh.config import Route
    from remote.hosts.ssh.link import Link


@dataclass(frozen=True, slots=True)
class Host:
    """An open host."""

    config: HostConfig
    transport: Transport
    runtime: Runtime
    layout: StateLayout

    def results_seen(self, results_root: Path) -> Path | None:
        """What a run on this host sees as the results directory: all of this machine's; on another
        one None, for it sees the earlier runs alone that it is given."""
        return results_root.resolve() if self.transport.kind == "local" else None


def import_docker() -> None:
    """Import docker-py without paramiko, which is most of its time to import.

    docker-py takes it for its own ssh:// addresses and does without where it is missing; ours
    are always sockets of this machine.
    """
    if "docker" in sys.modules or "paramiko" in sys.modules:
        return
    sys.modules["paramiko"] = None  # type: ignore[assignment]  # makes its import fail
    try:
        import docker  # noqa: F401
    finally:
        del sys.modules["paramiko"]


@contextmanager
def connect(config: HostConfig) -> Iterator[Host]:
    """Open a host; its connections are closed at the end.

    Raises:
        EngineUnusable: the docker runtime was chosen and no engine can be used.
        HostKeyRefused, HostUnreachable, LoginRefused: see `link.open_link`.
        HostRefused: this version does not know the cell.
    """
    if config.transport == "ssh":
        with _over_ssh(config) as host:
            yield host
        return
    transport = LocalTransport()
    layout = StateLayout(config.state_dir)
    if config.runtime == "process":
        yield Host(config, transport, ProcessRuntime(transport), layout)
        return
    import_docker()
    from remote.hosts.docker.engine import open_engine
    from remote.hosts.docker.runtime import DockerRuntime

    with open_engine(config, environment()) as engine:
        yield Host(config, transport, DockerRuntime(transport, engine), layout)


@contextmanager
def _over_ssh(config: HostConfig) -> Iterator[Host]:
    if config.runtime == "process":
        raise HostRefused(
            f"host {config.name}: runs without a container are not supported over SSH yet",
            hint="leave `runtime: process` out, or run it here: --host local+process",
        )
    import_docker()
    from remote.hosts.docker.runtime import DockerRuntime
    from remote.hosts.ssh.forward import find_docker
    from remote.hosts.ssh.link import open_link
    from remote.hosts.ssh.transport import SshTransport

    with open_link(route_to(config)) as link:
        transport = SshTransport(link)
        layout = StateLayout(in_home(config.state_dir, transport.home))
        docker = find_docker(link, config.docker_binary)
        with engine_over(link, docker, config) as engine, _told_apart(link):
            yield Host(config, transport, DockerRuntime(transport, engine), layout)


def route_to(config: HostConfig) -> Route:
    """How a host over SSH is reached.

    Raises:
        ConfigInvalid, UsageError: see `ssh_config.read_route`.
    """
    from remote.hosts.ssh.config import read_route
    from remote.hosts.ssh.destination import parse_destination

    destination = parse_destination(config.destination or config.name)
    return read_route(destination, Path.home(), environment().get("SSH_AUTH_SOCK"))


@contextmanager
def engine_over(link: Link, docker: str, config: HostConfig) -> Iterator[Engine]:
    """The engine that a host's docker command finds; its connection is closed at the end.

    Raises:
        EngineUnusable: it cannot be used; says why.
    """
    from remote.hosts.docker.engine import engine_at
    from remote.hosts.ssh.forward import forwarded, why_unusable

    with forwarded(link, (docker, "system", "dial-stdio")) as url, ExitStack() as stack:
        try:
            engine = stack.enter_context(engine_at(url, config))
        except EngineTooOld:
            raise
        except EngineUnusable as error:
            raise why_unusable(link, docker) from error
        yield engine


@contextmanager
def _told_apart(link: Link) -> Iterator[None]:
    """What fails because the link is down says so, and blames no engine and no build."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (RequestException, DockerException, BuildFailed, CommandFailed, HostRefused) as error:
        if not link.has_gone():
            raise
        raise link.down("") from error


def in_home(path: Path, home: Path) -> Path:
    """`~/...` in a host's configuration is its user's home there."""
    return home.joinpath(*path.parts[1:]) if path.parts[:1] == ("~",) else path
