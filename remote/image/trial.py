"""Whether an appended image is as good as a built one: tried once per environment and engine."""

from __future__ import annotations

import tarfile
from contextlib import suppress
from dataclasses import replace
from io import BytesIO
from threading import Thread

from docker.errors import APIError, BuildError, DockerException
from requests.exceptions import RequestException
from urllib3.exceptions import HTTPError

from remote.errors import ImageUnusable, WorkhorseError
from remote.hosts.command import CommandFailed
from remote.hosts.connect import engine_over
from remote.hosts.docker.engine import Engine
from remote.hosts.ssh import scripts as host_scripts
from remote.hosts.ssh.forward import find_docker
from remote.hosts.ssh.transport import SshTransport
from remote.image import loading, record
from remote.image.archive import Image
from remote.image.saved import DOCUMENT_BYTES, Saved, list_saved, parse
from remote.image.target import Target

_SAVE_SECONDS = 600
_START_SECONDS = 120


def try_image(target: Target, image: Image, environment_id: str) -> str:
    """Try an appended image and record what came of it; the fault, empty where there is none."""
    fault = fault_of(target, image)
    path = record.record_of(target.host, target.engine.facts, environment_id)
    known = record.read(target.host, path)
    if known is not None:
        way = record.WHOLE if fault else record.APPENDS
        record.write(target.host, path, replace(known, way=way))
    return fault


def try_in_background(target: Target, image: Image, environment_id: str) -> None:
    """The same beside a run, for as long as the host is open; what is not done then is done later.

    Saving takes an engine seconds, and nothing of a run depends on it. On this machine it would
    take them from the run that is watched: there `remote image build` tries.
    """
    transport, config = target.host.transport, target.host.config
    if not isinstance(transport, SshTransport):
        return
    link = transport.link

    def work() -> None:
        with (
            # The host is closed, or the link gone, while an answer is read.
            suppress(WorkhorseError, DockerException, RequestException, HTTPError, OSError),
            # A way of its own: the run's socket goes when the run is over.
            engine_over(link, find_docker(link, config.docker_binary), config) as own,
        ):
            try_image(replace(target, engine=own), image, environment_id)

    Thread(target=work, daemon=True, name="trial").start()


def fault_of(target: Target, image: Image) -> str:
    """Why an image on the engine is not as good as a built one; empty where it is.

    It starts, it can be saved whole, and it serves as FROM.
    """
    diff_ids = [layer.diff_id for layer in image.layers]
    try:
        command = ("python", "-c", "import remote")
        loading.run_once(target.engine, image.name, command, _START_SECONDS, target.where)
        missing = saved(target, image.name).missing(diff_ids)
        if missing:
            return f"it cannot be saved again: {missing}"
        serve_as_base(target.engine, image.name)
    except ImageUnusable as error:
        return error.problem
    except (CommandFailed, ValueError) as error:
        return f"it cannot be saved again: {error}"
    except (APIError, BuildError) as error:
        return f"it does not serve as FROM: {error}"
    return ""


def saved(target: Target, name: str) -> Saved:
    """What `docker save` of an image holds; over a link the bytes stay on the host.

    Raises:
        CommandFailed, ValueError: it could not be saved.
    """
    transport = target.host.transport
    if not isinstance(transport, SshTransport):
        with loading.patient(target.engine):
            return list_saved(target.engine.client.api.get_image(name))
    docker = find_docker(transport.link, target.host.config.docker_binary)
    pieces: list[bytes] = []
    argv = host_scripts.saved((docker,), name, DOCUMENT_BYTES)
    code, errors = transport.link.exchange(argv, pieces.append, timeout=_SAVE_SECONDS)
    if code:
        raise ValueError(errors.decode(errors="replace").strip())
    return parse(b"".join(pieces))


def serve_as_base(engine: Engine, name: str) -> None:
    """Build on an image, as a Dockerfile of the user's would.

    Raises:
        APIError, BuildError: it does not serve.
        RequestException: the engine has gone.
    """
    images = engine.client.images
    with loading.patient(engine, _SAVE_SECONDS):
        built, _ = images.build(
            fileobj=_context(f"FROM {name}\nRUN true\n".encode()),
            custom_context=True,  # one of docker-py's own stays open where the call fails
            rm=True,
            forcerm=True,
            network_mode="none",
        )
        images.remove(built.id, force=True)


def _context(dockerfile: bytes) -> BytesIO:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        member = tarfile.TarInfo("Dockerfile")
        member.size = len(dockerfile)
        tar.addfile(member, BytesIO(dockerfile))
    buffer.seek(0)
    return buffer
