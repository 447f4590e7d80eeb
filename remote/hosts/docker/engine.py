"""The Docker Engine of this machine: where its socket is, whether it may be used, its size."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote.errors import EngineForbidden, EngineTooOld, EngineUnusable
from remote.model import HostConfig

if TYPE_CHECKING:
    import docker

# The wall-clock limit of every engine call that has no longer one of its own.
CALL_SECONDS = 30
PING_SECONDS = 3
_UNIX = "unix://"
# The first whose images, builds and containers are as the rest of this package expects them.
OLDEST = (20, 10)
# What docker-py calls a socket, whatever its path.
_DOCKER = "http+docker://"
_CONTAINERD = "io.containerd.snapshotter.v1"


class Answer(StrEnum):
    """What came of knocking at an engine's socket."""

    ANSWERS = "answers"
    FORBIDDEN = "may not be used by you"
    SILENT = "does not answer"
    MISSING = "is not there"
    ELSEWHERE = "is not on this machine"


@dataclass(frozen=True, slots=True)
class Socket:
    """An engine's address and what came of knocking there."""

    url: str
    answer: Answer

    @property
    def path(self) -> Path:
        return Path(self.url.removeprefix(_UNIX))


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """The engine's real size: of the virtual machine it lives in, not of the controller.

    `image_store` says how it keeps images: "overlay2" and the like, or "containerd".
    """

    memory_bytes: int
    cpus: int
    architecture: str
    version: str
    rootless: bool
    id: str
    image_store: str


@dataclass(frozen=True, slots=True)
class Engine:
    """An open engine."""

    client: docker.DockerClient
    url: str
    facts: EngineFacts


def candidates(environment: Mapping[str, str], home: Path) -> tuple[str, ...]:
    """Where an engine's socket may be, best first: what is named, then where products put it."""
    named = environment.get("DOCKER_HOST") or _context_host(environment, home)
    if named:
        return (named,)
    runtime = environment.get("XDG_RUNTIME_DIR")
    paths = [
        Path("/var/run/docker.sock"),
        home / ".docker/run/docker.sock",
        home / ".orbstack/run/docker.sock",
        home / ".colima/default/docker.sock",
        *([Path(runtime) / "docker.sock"] if runtime else []),
    ]
    return tuple(f"{_UNIX}{path}" for path in paths)


def find_engine(environment: Mapping[str, str], home: Path | None = None) -> Socket:
    """The first socket that answers, else the one that tells most about why none does."""
    sockets = [Socket(url, knock(url)) for url in candidates(environment, home or Path.home())]
    order = list(Answer)
    return min(sockets, key=lambda found: order.index(found.answer))


def knock(url: str) -> Answer:
    """Ping an engine, within `PING_SECONDS`, without the client library."""
    if not url.startswith(_UNIX):
        return Answer.ELSEWHERE
    path = url.removeprefix(_UNIX)
    try:
        if not Path(path).exists():
            return Answer.MISSING
    except PermissionError:
        return Answer.FORBIDDEN
    if not os.access(path, os.R_OK | os.W_OK):
        return Answer.FORBIDDEN
    try:
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(PING_SECONDS)
            link.connect(path)
            link.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            status = http.client.HTTPResponse(link)
            status.begin()
            return Answer.ANSWERS if status.status == http.client.OK else Answer.SILENT
    except PermissionError:
        return Answer.FORBIDDEN
    except (OSError, http.client.HTTPException):
        return Answer.SILENT


def refuse_unusable(found: Socket) -> None:
    """Say why the docker runtime cannot serve and what to do.

    Raises:
        EngineUnusable: unless the engine answers.
    """
    if found.answer is Answer.ANSWERS:
        return
    hints = {
        Answer.FORBIDDEN: "sudo usermod -aG docker $USER, then log in again; "
        "or run without docker: --host local+process",
        Answer.SILENT: "start Docker (systemctl start docker, or the Docker application); "
        "or run without docker: --host local+process",
        Answer.MISSING: "install and start Docker; or run without docker: --host local+process",
        Answer.ELSEWHERE: "unset DOCKER_HOST, or `docker context use default`; "
        "engines of other machines are reached as hosts",
    }
    kind = EngineForbidden if found.answer is Answer.FORBIDDEN else EngineUnusable
    raise kind(f"the Docker Engine at {found.url} {found.answer.value}", hint=hints[found.answer])


@contextmanager
def open_engine(config: HostConfig, environment: Mapping[str, str]) -> Iterator[Engine]:
    """Connect to this machine's engine; the connection is closed at the end.

    Raises:
        EngineUnusable: none can be used.
    """
    found = find_engine(environment)
    refuse_unusable(found)
    with engine_at(found.url, config) as engine:
        yield engine


@contextmanager
def engine_at(url: str, config: HostConfig) -> Iterator[Engine]:
    """Connect to the engine at a socket; the connection is closed at the end.

    Raises:
        EngineTooOld: it is older than `OLDEST`.
        EngineUnusable: it cannot be used.
    """
    import docker

    with _answering(url, config):
        client = docker.DockerClient(base_url=url, timeout=CALL_SECONDS, version="auto")
    client.api.adapters[_DOCKER].close()
    client.api.mount(_DOCKER, _one_pool(url))
    try:
        with _answering(url, config):
            facts = facts_of(client.info())
        refuse_too_old(facts.version, config.name)
        yield Engine(client, url, facts)
    finally:
        client.close()


@contextmanager
def _answering(url: str, config: HostConfig) -> Iterator[None]:
    """An engine that gives no answer that can be used says so."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        yield
    except (DockerException, RequestException, KeyError) as error:
        raise EngineUnusable(
            f"host {config.name}: the Docker Engine at {url} cannot be used: {error}",
            hint="`docker info` shows what is wrong with it",
        ) from error


def refuse_too_old(version: str, host: str) -> None:
    """Refuse an engine older than `OLDEST`; a version that is no number (a build of one's own)
    is taken.

    Raises:
        EngineTooOld: with its version and what to do.
    """
    numbers = re.match(r"(\d+)(?:\.(\d+))?", version)
    if numbers and (int(numbers[1]), int(numbers[2] or 0)) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise EngineTooOld(
            f"host {host}: its Docker Engine is {version}; {oldest} is the oldest that can be used",
            hint="install a newer one on it (https://docs.docker.com/engine/install), or update "
            "Docker Desktop, OrbStack or colima",
        )


def _one_pool(url: str) -> Any:
    """docker-py's way to a socket, with its connections used again.

    Its own keeps up to 25 open, one for each path that was ever asked for. Over a link each is
    a command on the host, of which an SSH server allows ten.
    """
    from docker.transport import UnixHTTPAdapter

    class OnePool(UnixHTTPAdapter):  # type: ignore[misc]  # untyped
        def get_connection(self, url: str, proxies: object = None) -> Any:  # noqa: ARG002
            return super().get_connection(f"{_DOCKER}localhost")

    return OnePool(url.replace(_UNIX, "http+unix://"), CALL_SECONDS, pool_connections=1)


def facts_of(info: Mapping[str, Any]) -> EngineFacts:
    """The facts in an engine's own description of itself."""
    options = info.get("SecurityOptions") or []
    stores = [value for _, value in info.get("DriverStatus") or ()]
    return EngineFacts(
        memory_bytes=int(info["MemTotal"]),
        cpus=int(info["NCPU"]),
        architecture=str(info["Architecture"]),
        version=str(info["ServerVersion"]),
        rootless=any("rootless" in option for option in options),
        id=str(info["ID"]),
        image_store="containerd" if _CONTAINERD in stores else str(info["Driver"]),
    )


def _context_host(environment: Mapping[str, str], home: Path) -> str | None:
    """The endpoint of the docker CLI's current context, where it is not the default one."""
    folder = Path(environment.get("DOCKER_CONFIG") or home / ".docker")
    name = environment.get("DOCKER_CONTEXT") or _json(folder / "config.json").get("currentContext")
    if not name or name == "default":
        return None
    for path in sorted((folder / "contexts/meta").glob("*/meta.json")):
        meta = _json(path)
        if meta.get("Name") == name:
            return str(meta["Endpoints"]["docker"]["Host"])
    return None


def _json(path: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        return dict(json.loads(path.read_text(encoding="utf-8")))
    return {}
