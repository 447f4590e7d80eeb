"""A host that is opened step by step, each thing at its first use: what checks ask."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING

from remote.config import environment
from remote.errors import HostKeyRefused, HostUnreachable, LoginRefused, WorkhorseError
from remote.hosts.connect import engine_over, import_docker, in_home, route_to
from remote.hosts.docker.container import ContainerUser, container_user
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.transport import Transport
from remote.model import HostConfig

if TYPE_CHECKING:
    from remote.hosts.docker.engine import Engine
    from remote.hosts.doctor.probe import Probed
    from remote.hosts.ssh.config import Route
    from remote.hosts.ssh.link import Link


class Visit:
    """One host. Whatever is asked for raises what stands in its way."""

    def __init__(self, config: HostConfig, stack: ExitStack) -> None:
        self.config = config
        self._stack = stack

    @cached_property
    def route(self) -> Route:
        return route_to(self.config)

    @cached_property
    def _opened(self) -> Link | WorkhorseError:
        from remote.hosts.ssh.link import open_link

        try:
            return self._stack.enter_context(open_link(self.route))
        except (HostUnreachable, HostKeyRefused, LoginRefused) as error:
            return error

    @property
    def refusal(self) -> WorkhorseError | None:
        """Why there is no link: one connection answers three questions."""
        return self._opened if isinstance(self._opened, WorkhorseError) else None

    @property
    def link(self) -> Link:
        if isinstance(self._opened, WorkhorseError):
            raise self._opened
        return self._opened

    @cached_property
    def transport(self) -> Transport:
        if self.config.transport == "local":
            return LocalTransport()
        from remote.hosts.ssh.transport import SshTransport

        return SshTransport(self.link)

    @cached_property
    def layout(self) -> StateLayout:
        if self.config.transport == "local":
            return StateLayout(self.config.state_dir)
        from remote.hosts.ssh.transport import SshTransport

        assert isinstance(self.transport, SshTransport)
        return StateLayout(in_home(self.config.state_dir, self.transport.home))

    @cached_property
    def docker(self) -> str:
        """Where the host's docker command is."""
        from remote.hosts.ssh.forward import find_docker

        return find_docker(self.link, self.config.docker_binary)

    @cached_property
    def engine(self) -> Engine:
        import_docker()
        from remote.hosts.docker.engine import open_engine

        if self.config.transport == "local":
            return self._stack.enter_context(open_engine(self.config, environment()))
        return self._stack.enter_context(engine_over(self.link, self.docker, self.config))

    @property
    def run_user(self) -> ContainerUser:
        """Who a run would be inside its container."""
        user = self.transport.user
        return container_user(user.uid, user.gid, rootless=self.engine.facts.rootless)

    @cached_property
    def probed(self) -> Probed | None:
        """What a container saw; None where there is no image to start one from."""
        from remote.hosts.doctor.probe import probe

        return probe(self)
