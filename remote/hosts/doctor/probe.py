"""A container with the user and the limits of a run, which looks around and writes one file."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from remote.errors import EngineUnusable, HostRefused
from remote.hosts.docker.container import HARDENED, PLACES, ContainerUser
from remote.hosts.transport import FileStatus, HostUser

if TYPE_CHECKING:
    from remote.hosts.doctor.visit import Visit

ENVIRONMENTS = "workhorse-env"
SECONDS = 20
_FILE = "written"
# Prints user, disk and time; then writes its argument through the mount.
_SCRIPT = """
id -u; df -Pk / | tail -n 1; date +%s
printf %s "$1" > "$2"
"""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a container said, and what the host then saw of the file that it wrote.

    `clock` is the container's, `asked_at` ours, both seconds since 1970.
    """

    image: str
    user: ContainerUser
    directory: Path
    seconds: float
    free_bytes: int
    clock: int
    asked_at: tuple[float, float]
    said: str
    wrote: bytes
    seen: bytes | None
    status: FileStatus | None


def image_of(images: Sequence[Mapping[str, Any]], base_image: str) -> str | None:
    """The newest environment's image, else the base image; None where an engine has neither."""
    tagged = [
        (int(image["Created"]), str(tag))
        for image in images
        for tag in image.get("RepoTags") or ()
        if str(tag).startswith(f"{ENVIRONMENTS}:") or tag == base_image
    ]
    ours = [pair for pair in tagged if pair[1] != base_image]
    return max(ours or tagged, default=(0, None))[1]


def probe_spec(
    image: str, user: ContainerUser, directory: Path, content: str, uuid: str
) -> dict[str, Any]:
    """The keyword arguments of docker-py's `containers.create`."""
    mount = {
        "Type": "bind",
        "Source": str(directory),
        "Target": str(PLACES.output),
        "ReadOnly": False,
    }
    return {
        **HARDENED,
        "image": image,
        "name": f"workhorse-doctor-{uuid}",
        "entrypoint": ["/bin/sh", "-c", _SCRIPT.strip(), "sh"],
        "command": [content, str(PLACES.output / _FILE)],
        "user": str(user),
        "working_dir": "/",
        "mounts": [mount],
        "network_mode": "none",
        "mem_limit": 256 << 20,
        "pids_limit": 64,
        "labels": {"workhorse.doctor": uuid},
    }


def probe(visit: Visit) -> Probed | None:
    """Start a container as a run would; None where there is no image for it.

    Raises:
        EngineUnusable: the engine does not answer any more.
        HostRefused: it cannot be started, or says nothing.
    """
    uuid = uuid4().hex[:12]
    with _engine_errors(), _directory(visit, uuid) as directory:
        image = image_of(visit.engine.client.api.images(), visit.config.base_image)
        if image is None:
            return None
        content = f"doctor {uuid}"
        started = time.time()
        said = _said(visit, probe_spec(image, visit.run_user, directory, content, uuid))
        ended = time.time()
        path = directory / _FILE
        free, clock = _parsed(said)
        return Probed(
            image=image,
            user=visit.run_user,
            directory=directory.parent,
            seconds=ended - started,
            free_bytes=free,
            clock=clock,
            asked_at=(started, ended),
            said=said,
            wrote=content.encode(),
            seen=visit.transport.read(path),
            status=visit.transport.status(path),
        )


def _said(visit: Visit, spec: dict[str, Any]) -> str:
    container = visit.engine.client.containers.create(**spec)
    try:
        container.start()
        container.wait(timeout=SECONDS)
        return str(container.logs().decode(errors="replace"))
    finally:
        with suppress(DockerException, RequestException):
            container.remove(force=True, v=True)


@contextmanager
def _directory(visit: Visit, uuid: str) -> Iterator[Path]:
    """A directory of the run's user, as a run's is; removed at the end."""
    directory = visit.layout.root / f"doctor-{uuid}"
    transport, user = visit.transport, visit.run_user
    transport.make_directory(directory)
    try:
        if transport.user.uid == 0 and not visit.engine.facts.rootless:
            transport.give_to(directory, HostUser(user.uid, user.gid))
        yield directory
    finally:
        transport.remove(directory)


@contextmanager
def _engine_errors() -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise HostRefused(
            f"the Docker Engine cannot start a container: {error.explanation or error}",
            hint="`docker run --rm hello-world` on the host, and the engine's log, say more",
        ) from error
    except (DockerException, RequestException) as error:
        raise EngineUnusable(
            f"the Docker Engine does not answer any more: {error}", hint="`docker info` there"
        ) from error


def _parsed(said: str) -> tuple[int, int]:
    """Free bytes and time; the lines that come first."""
    try:
        _, disk, clock, *_ = said.splitlines()
        return int(disk.split()[3]) * 1024, int(clock)
    except (ValueError, IndexError) as error:
        raise HostRefused(
            f"a container on it says: {said.strip() or 'nothing'}",
            hint="`docker run --rm hello-world` on the host says more",
        ) from error
