"""A host's Docker Engine as a socket of this machine: each connection is a `docker system
dial-stdio` on the host, so that whatever socket its docker command finds is the one."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from remote.errors import DockerMissing, EngineForbidden, EngineUnusable, WorkhorseError
from remote.hosts.command import CommandFailed
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.link import Link

if TYPE_CHECKING:
    from paramiko import Channel

# Where docker is; a Mac's PATH is short for commands over SSH.
DOCKER_PLACES = (
    "docker",
    "/usr/bin/docker",
    "/usr/local/bin/docker",
    "/opt/homebrew/bin/docker",
    "~/.docker/bin/docker",
    "~/.orbstack/bin/docker",
    "/snap/bin/docker",
)
_FIND_SECONDS = 15
_ASK_SECONDS = 20
_BLOCK = 1 << 16


def find_docker(link: Link, named: str | None) -> str:
    """The docker command on the host.

    Raises:
        DockerMissing: there is none where it was looked for.
    """
    places = (named,) if named else DOCKER_PLACES
    found = link.run(host_scripts.program(places), timeout=_FIND_SECONDS, check=False)
    if found.returncode:
        raise DockerMissing(
            f"{link.route.name} has no docker command; looked for {', '.join(places)}",
            hint="install Docker on it, or name the command: `docker_binary` of the host in "
            "configs/hosts.yaml",
        )
    return found.stdout.splitlines()[-1]


def why_unusable(link: Link, docker: str) -> EngineUnusable:
    """Ask the host's docker command what is wrong with its engine."""
    argv = (docker, "version", "--format", "{{.Server.Version}}")
    try:
        said = link.run(argv, timeout=_ASK_SECONDS, check=False).text
    except CommandFailed as error:
        said = error.problem
    user, name = link.route.user, link.route.name
    if "permission denied" in said.lower():
        return EngineForbidden(
            f"{name}: the Docker Engine may not be used by {user}",
            hint=f"on the host: sudo usermod -aG docker {user}, then try again",
        )
    return EngineUnusable(
        f"{name}: the Docker Engine does not answer: {said}",
        hint="start it on the host: systemctl start docker; on a Mac open Docker Desktop or "
        "OrbStack once, somebody has to be logged in",
    )


@contextmanager
def forwarded(link: Link, argv: Sequence[str]) -> Iterator[str]:
    """The url of a local socket, ours alone, whose connections each lead to a command there."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="workhorse-engine-"))  # 0700
        path = Path(folder) / "engine.sock"
        listening = stack.enter_context(socket.socket(socket.AF_UNIX))
        listening.bind(str(path))
        listening.listen(64)
        over = threading.Event()
        accepting = threading.Thread(
            target=_accept, args=(listening, link, argv, over), daemon=True
        )
        accepting.start()
        stack.callback(_stop, over, path)
        yield f"unix://{path}"


def _stop(over: threading.Event, path: Path) -> None:
    """Closing alone does not wake whoever waits for a connection."""
    over.set()
    with suppress(OSError), socket.socket(socket.AF_UNIX) as knock:
        knock.connect(str(path))


def _accept(
    listening: socket.socket, link: Link, argv: Sequence[str], over: threading.Event
) -> None:
    while not over.is_set():
        try:
            here, _ = listening.accept()
        except OSError:
            return
        threading.Thread(target=_join, args=(here, link, argv), daemon=True).start()


def _join(here: socket.socket, link: Link, argv: Sequence[str]) -> None:
    """Carry bytes both ways until both have ended; a link that fails ends the connection."""
    with here, suppress(WorkhorseError, OSError), link.command(argv) as channel:
        channel.settimeout(None)  # an idle connection is kept; a dead link closes it
        sending = threading.Thread(target=_send, args=(here, channel), daemon=True)
        sending.start()
        while data := channel.recv(_BLOCK):
            here.sendall(data)
        here.shutdown(socket.SHUT_WR)
        # Closing before the other side has would throw away what it has not read yet.
        sending.join()


def _send(here: socket.socket, channel: Channel) -> None:
    """Until the local side has ended; what nobody takes any more is dropped."""
    with suppress(OSError):
        while data := here.recv(_BLOCK):
            with suppress(OSError, EOFError):
                channel.sendall(data)
    with suppress(OSError, EOFError):
        channel.shutdown_write()
