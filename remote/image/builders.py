"""What can build an image for an engine: a docker command here, or the host's own.

On a host the build context travels and nothing else; this machine needs no docker command then.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Protocol

from remote.config import environment
from remote.errors import EngineUnusable
from remote.hosts.command import CommandFailed, Completed, follow
from remote.hosts.connect import Host
from remote.hosts.docker.cli import docker_cli, has_buildkit, private_configuration
from remote.hosts.docker.runtime import DockerRuntime
from remote.hosts.process.environment import BUILD_SECONDS
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.forward import DOCKER_PLACES
from remote.hosts.ssh.transport import SshTransport

OnLine = Callable[[str], None]
_LOOK_SECONDS = 30
_TAIL_LINES = 200


class Builder(Protocol):
    """A docker command that has BuildKit and talks to the engine that the image is for."""

    def build(self, context: Path, arguments: Sequence[str], on_line: OnLine) -> None:
        """`docker build` of a folder; `arguments` come between `build` and the context.

        Raises:
            CommandFailed: it did not succeed; `completed.text` has its last lines.
        """
        ...

    def pull(self, image: str, on_line: OnLine, seconds: float) -> None:
        """`docker pull`.

        Raises:
            CommandFailed: it did not succeed.
        """
        ...


@contextmanager
def builder_for(host: Host) -> Iterator[Builder]:
    """The host's own docker command where it can build, else one of this machine.

    Raises:
        EngineUnusable: neither can.
    """
    if isinstance(host.transport, SshTransport):
        binary = _on_host(host.transport, host.config.docker_binary)
        if binary is not None:
            yield _HostBuilder(host, host.transport, binary)
            return
    assert isinstance(host.runtime, DockerRuntime)
    local = host.transport.kind == "local"
    named = host.config.docker_binary if local else None  # else it is the host's
    url = host.runtime.engine.url
    try:
        with docker_cli(url, environment().get("PATH", ""), Path.home(), named) as cli:
            yield _LocalBuilder(cli.binary, cli.variables)
    except EngineUnusable as error:
        if local:
            raise
        raise EngineUnusable(
            f"{host.config.name}: its docker command cannot build images with BuildKit, "
            f"and {error.problem}",
            hint="install buildx on the host (apt-get install docker-buildx, or Docker Desktop)",
        ) from error


class _LocalBuilder:
    def __init__(self, binary: Path, variables: Mapping[str, str]) -> None:
        self._binary = str(binary)
        self._variables = {**variables, **host_scripts.PLAIN_IMAGES}

    def build(self, context: Path, arguments: Sequence[str], on_line: OnLine) -> None:
        argv = [self._binary, "build", *arguments, "--", str(context)]
        follow(argv, on_line, timeout=BUILD_SECONDS, extra_env=self._variables)

    def pull(self, image: str, on_line: OnLine, seconds: float) -> None:
        argv = [self._binary, "pull", "--", image]
        follow(argv, on_line, timeout=seconds, extra_env=self._variables)


class _HostBuilder:
    def __init__(self, host: Host, transport: SshTransport, binary: str) -> None:
        self._transport = transport
        self._binary = binary
        self._configuration = host.layout.root / "docker"

    def build(self, context: Path, arguments: Sequence[str], on_line: OnLine) -> None:
        argv = host_scripts.build(self._binary, self._configuration, arguments)
        self._call(argv, _packed(context), on_line, BUILD_SECONDS)

    def pull(self, image: str, on_line: OnLine, seconds: float) -> None:
        argv = host_scripts.pull(self._binary, self._configuration, image)
        self._call(argv, b"", on_line, seconds)

    def _call(self, argv: Sequence[str], data: bytes, on_line: OnLine, seconds: float) -> None:
        self._configure()
        lines = _Lines(on_line)
        code, _ = self._transport.link.exchange(argv, lines.take, [data], timeout=seconds)
        if code:
            done = Completed(tuple(argv), code, "\n".join(lines.tail()), "")
            raise CommandFailed(done, f"{self._transport.link.route.name}: exit status {code}")

    def _configure(self) -> None:
        """A configuration of our own: no credential store is asked, a Mac's keychain is locked."""
        home = self._transport.home
        theirs = self._transport.read(home / ".docker" / "config.json")
        configuration = private_configuration(home, theirs)
        self._transport.make_directory(self._configuration)
        data = json.dumps(configuration).encode()
        if self._transport.read(self._configuration / "config.json") != data:
            self._transport.write(self._configuration / "config.json", data)


class _Lines:
    """Output in pieces, told line by line."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self._rest = b""
        self._tail: list[str] = []

    def take(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            self._tell(line)

    def tail(self) -> list[str]:
        """The last lines."""
        if self._rest:
            self._tell(self._rest)
            self._rest = b""
        return self._tail

    def _tell(self, line: bytes) -> None:
        text = line.decode(errors="replace").rstrip("\r")
        self._tail = [*self._tail[-_TAIL_LINES:], text]
        self._on_line(text)


def _on_host(transport: SshTransport, named: str | None) -> str | None:
    """A docker command of the host that has BuildKit."""
    places = (named,) if named else DOCKER_PLACES
    said = transport.run(host_scripts.builders(places), timeout=_LOOK_SECONDS).stdout
    for line in said.splitlines():
        binary, buildx, version = line.split("\t", 2)
        number = version.partition("version ")[2].partition(",")[0]
        if has_buildkit(number, buildx=buildx == "buildx"):
            return binary
    return None


def _packed(context: Path) -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in sorted(context.iterdir()):
            tar.add(path, path.name)
    return gzip.compress(buffer.getvalue(), mtime=0)
