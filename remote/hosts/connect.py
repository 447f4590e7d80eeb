"""From a host's configuration to something that can run: the transport times the runtime."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from remote.config import environment
from remote.errors import HostRefused
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.process import ProcessRuntime
from remote.hosts.runtime import Runtime
from remote.model import HostConfig


@dataclass(frozen=True, slots=True)
class Host:
    """An open host."""

    config: HostConfig
    transport: LocalTransport
    runtime: Runtime
    layout: StateLayout


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
        HostRefused: this version does not know the transport.
    """
    if config.transport != "local":
        raise HostRefused(
            f"host {config.name}: transport {config.transport!r} is not supported yet",
            hint="use a local host",
        )
    transport = LocalTransport()
    layout = StateLayout(config.state_dir)
    if config.runtime == "process":
        yield Host(config, transport, ProcessRuntime(transport), layout)
        return
    import_docker()
    from remote.hosts.docker import DockerRuntime
    from remote.hosts.engine import open_engine

    with open_engine(config, environment()) as engine:
        yield Host(config, transport, DockerRuntime(transport, engine), layout)
