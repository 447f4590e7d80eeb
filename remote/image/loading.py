"""Giving an engine an image, and asking it what it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from docker.errors import APIError, ImageNotFound, NotFound
from requests.exceptions import ReadTimeout

from remote.errors import DiskTooSmall, ImageUnusable
from remote.hosts.docker.engine import Engine
from remote.hosts.process.environment import NO_SPACE

# An engine says nothing while it unpacks a layer.
LOAD_SECONDS = 1_800


class NotLoaded(Exception):
    """The engine did not take an image; the text is what it said."""


def inspect(engine: Engine, name: str) -> Mapping[str, Any] | None:
    """What an engine tells of an image; None where it has none of that name or id."""
    try:
        found: Mapping[str, Any] = engine.client.api.inspect_image(name)
    except ImageNotFound:
        return None
    return found


def load(engine: Engine, pieces: Iterator[bytes], where: str) -> None:
    """`docker load` of an archive; `where` names the engine's machine in errors.

    Raises:
        DiskTooSmall: the engine's disk is full.
        NotLoaded: it refuses the archive.
    """
    try:
        with patient(engine):
            said = [one for one in engine.client.api.load_image(pieces) if _tells(one)]
    except APIError as error:
        said = [{"error": str(error.explanation or error)}]
    faults = [text for one in said if (text := _fault(one))]
    if any(NO_SPACE in text.lower() for text in faults):
        raise DiskTooSmall(
            f"the disk of the Docker Engine of {where} is full",
            hint="on that machine: docker system df; docker system prune",
        )
    if faults:
        raise NotLoaded(faults[0])


@contextmanager
def patient(engine: Engine, seconds: float = LOAD_SECONDS) -> Iterator[None]:
    """Calls inside may take longer than others."""
    usual = engine.client.api.timeout
    engine.client.api.timeout = seconds
    try:
        yield
    finally:
        engine.client.api.timeout = usual


def run_once(engine: Engine, image: str, command: Sequence[str], seconds: float, where: str) -> str:
    """What a command prints in a container that can do nothing else.

    Raises:
        ImageUnusable: it cannot be started, or fails; with its last lines.
    """
    containers = engine.client.containers
    try:
        container = containers.create(
            image,
            list(command),
            network_mode="none",
            cap_drop=["ALL"],
            security_opt=["no-new-privileges:true"],
            read_only=True,
        )
    except APIError as error:
        raise _unusable(image, where, str(error.explanation or error)) from error
    try:
        container.start()
        code = int(container.wait(timeout=seconds)["StatusCode"])
        output = str(container.logs(stdout=True, stderr=bool(code)).decode(errors="replace"))
    except APIError as error:
        raise _unusable(image, where, str(error.explanation or error)) from error
    except ReadTimeout as error:
        raise _unusable(image, where, f"no end within {seconds:g} s") from error
    finally:
        with suppress(NotFound, APIError):
            container.remove(force=True, v=True)
    if code:
        last = "\n".join(output.strip().splitlines()[-5:])
        raise _unusable(image, where, f"exit status {code}\n{last}".rstrip())
    return output


def _unusable(image: str, where: str, why: str) -> ImageUnusable:
    return ImageUnusable(
        f"the image {image} does not run on {where}: {why}",
        hint="is it made for another processor? `remote hosts doctor` shows the host's; "
        f"`docker image rm {image}` there has it made anew",
    )


def _tells(message: Mapping[str, Any]) -> bool:
    return "error" in message or "stream" in message


def _fault(message: Mapping[str, Any]) -> str:
    """An error, also one that is told among the other lines."""
    if "error" in message:
        return str(message["error"])
    text = str(message.get("stream", ""))
    return text.strip() if text.startswith("Error") else ""
