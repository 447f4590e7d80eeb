"""The Docker Engine of a host: its command, its socket, its version and store, its real size."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from pathlib import Path

from remote.config import environment
from remote.errors import EngineForbidden, EngineUnusable, MemoryTooSmall
from remote.hosts.docker.engine import Answer, find_engine, open_engine, refuse_unusable
from remote.hosts.doctor.check import Finding, note, ok, warn
from remote.hosts.doctor.visit import Visit
from remote.hosts.doctor.way import SECONDS
from remote.hosts.select import local_host

LEAST_BYTES = 1 << 30
SMALL_BYTES = 4 << 30
_GOOD_STORES = ("overlay2", "containerd", "fuse-overlayfs", "btrfs", "zfs")
_ALIKE = {"amd64": "x86_64", "arm64": "aarch64"}
# Where the engine's socket is, in the words of the docker command, and what this user may do there.
_SOCKET = """
at=$("$1" context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null | head -n 1)
case $at in
  unix://*) path=${at#unix://} ;;
  *) echo elsewhere; echo "$at"; exit 0 ;;
esac
if [ -r "$path" ] && [ -w "$path" ]; then echo usable
elif [ -e "$path" ]; then echo forbidden
else echo missing
fi
echo "$at"
"""


def docker(visit: Visit) -> Finding:
    return ok(visit.docker)


def permission(visit: Visit) -> Finding:
    """Whether the user may open the engine's socket."""
    user = visit.link.route.user
    argv = ["/bin/sh", "-c", _SOCKET, "sh", visit.docker]
    answer, where, *_ = [*visit.transport.run(argv, timeout=SECONDS).stdout.splitlines(), "", ""]
    return of_socket(answer, where, user)


def of_socket(answer: str, where: str, user: str) -> Finding:
    """A verdict on what the host's shell said of the engine's socket."""
    if answer == "forbidden":
        raise EngineForbidden(
            f"{user} may not use {where}",
            hint=f"on the host: sudo usermod -aG docker {user}, then log in anew",
        )
    if answer == "missing":
        raise EngineUnusable(
            f"{where} is not there: no engine runs",
            hint="start it on the host: sudo systemctl enable --now docker; on a Mac open Docker "
            "Desktop, OrbStack or colima, somebody has to be logged in",
        )
    return ok(f"{user} may use {where}") if answer == "usable" else note(f"{where}, no socket file")


def engine(visit: Visit) -> Finding:
    facts = visit.engine.facts
    rootless = ", rootless" if facts.rootless else ""
    return ok(f"Docker Engine {facts.version}{rootless} answers")


def engine_here(visit: Visit) -> Finding:  # noqa: ARG001 - asks this machine, whatever the host
    """This machine does without."""
    found = find_engine(environment())
    if found.answer is Answer.ANSWERS:
        return note("one answers, and this host goes without")
    try:
        refuse_unusable(found)
    except EngineUnusable as error:
        return note(f"{error.problem}; runs go without a container")
    raise AssertionError


def store(visit: Visit) -> Finding:
    return of_store(visit.engine.facts.image_store)


def of_store(name: str) -> Finding:
    """A verdict on how an engine keeps its images."""
    if name in _GOOD_STORES:
        return ok(f"{name} image store" if name == "containerd" else name)
    return warn(
        f"{name}: slow, or takes much disk",
        "overlay2 is what Docker uses by itself on ext4 and xfs: docker info says why it is not",
    )


def architecture(visit: Visit) -> Finding:
    return of_architecture(visit.engine.facts.architecture, _architecture_here())


def of_architecture(there: str, here: str) -> Finding:
    """What differs is said, and is no fault."""
    there, here = _ALIKE.get(there, there), _ALIKE.get(here, here)
    if there == here:
        return ok(f"{there}, as here")
    return note(f"{there}, here it is {here}: the environment is made on the host, for the host")


def _architecture_here() -> str:
    """Of this machine's engine where there is one: a Mac's is not the Mac's own."""
    with suppress(EngineUnusable), open_engine(local_host("docker", ""), environment()) as own:
        return own.facts.architecture
    return platform.machine()


def cores(visit: Visit) -> Finding:
    return ok(f"{visit.engine.facts.cpus} for containers")


def memory(visit: Visit) -> Finding:
    return of_memory(visit.engine.facts.memory_bytes, "for containers")


def of_memory(count: int, whose: str) -> Finding:
    """A verdict on memory."""
    said = f"{count / 2**30:.1f} GiB {whose}"
    fix = "give it more: on a Mac in the settings of Docker Desktop, OrbStack or colima, Resources"
    if count < LEAST_BYTES:
        raise MemoryTooSmall(said, hint=fix)
    return warn(said, fix) if count < SMALL_BYTES else ok(said)


def cores_here(visit: Visit) -> Finding:  # noqa: ARG001 - this machine's
    return ok(f"{os.cpu_count()}, {platform.machine()}")


def memory_here(visit: Visit) -> Finding:  # noqa: ARG001 - this machine's
    return of_memory(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), "in this machine")


def docker_here(visit: Visit) -> Finding:
    """The command that builds for this machine's engine."""
    from remote.hosts.docker.cli import docker_cli

    path, named = environment().get("PATH", ""), visit.config.docker_binary
    with docker_cli(visit.engine.url, path, Path.home(), named) as cli:
        return ok(f"{cli.binary} can build")
