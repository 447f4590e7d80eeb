"""Where a host's environment is built: on this machine's engine and pushed, or on the host's own.

Nothing is ever run under emulation unawares: an environment is built for the architecture that
the host's daemon names, and by an engine of that architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from remote.errors import ConfigInvalid, HostRefused
from remote.hosts.docker.engine import EngineFacts
from remote.model import BuildPlace

# What engines call their machine, and what images call it.
_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True, slots=True)
class Choice:
    """`where` it is built, and why, in one clause."""

    where: Literal["here", "host"]
    reason: str


def image_architecture(machine: str) -> str:
    """An engine's architecture in the words of images: "x86_64" is "amd64"."""
    return _NAMES.get(machine, machine)


def choose_place(asked: BuildPlace, host: EngineFacts, here: EngineFacts | None) -> Choice:
    """Decide from what both engines told; `here` is None where this machine has none.

    Raises:
        ConfigInvalid: `build: here` was asked for and cannot serve this host.
    """
    theirs = image_architecture(host.architecture)
    ours = image_architecture(here.architecture) if here else None
    if asked == "host":
        return Choice("host", "`build: host`")
    if ours == theirs:
        return Choice("here", f"both engines are {theirs}")
    reason = (
        "this machine has no Docker Engine that can be used"
        if ours is None
        else f"this machine's engine is {ours}, the host's {theirs}"
    )
    if asked == "here":
        raise ConfigInvalid(
            f"`build: here` cannot serve this host: {reason}",
            hint="leave `build` out: the environment is then built on the host's own engine",
        )
    return Choice("host", reason)


def refuse_emulated(image: str, image_machine: str, host: EngineFacts, where: str) -> None:
    """An image of another architecture would run, slowly and in silence.

    Raises:
        HostRefused: it is for another architecture than the host's engine.
    """
    theirs = image_architecture(host.architecture)
    if image_architecture(image_machine) != theirs:
        raise HostRefused(
            f"{where}: the image {image} is for {image_machine}, the Docker Engine is {theirs}; "
            "it would run under emulation",
            hint=f"on that machine: docker image rm {image}, and pull the base image anew for "
            f"linux/{theirs}",
        )
