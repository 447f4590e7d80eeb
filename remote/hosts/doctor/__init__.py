"""Whether a host can run notebooks: reach, key, login, shell, engine, size, disk, clock, mounts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

from remote.errors import HostRefused
from remote.hosts.doctor import engine_checks, mac, way
from remote.hosts.doctor.check import Check, Finding, examine
from remote.hosts.doctor.visit import Visit
from remote.model import HostConfig

_WAY = (
    Check("reach", way.reach),
    Check("host key", way.host_key, ("reach",)),
    Check("login", way.login, ("host key",)),
    Check("shell", way.shell, ("login",)),
    Check("programs", way.programs, ("shell",)),
    Check("state directory", way.state, ("programs",)),
    Check("disk of the host", way.disk, ("programs",)),
    Check("clock", way.clock, ("programs",)),
    Check("sleep", mac.sleep, ("shell",)),
)
_ENGINE = (
    Check("image store", engine_checks.store, ("engine",)),
    Check("architecture", engine_checks.architecture, ("engine",)),
    Check("cores", engine_checks.cores, ("engine",)),
    Check("memory", engine_checks.memory, ("engine",)),
)


def findings(config: HostConfig) -> Iterator[Finding]:
    """Ask everything that applies to a host, one finding at a time.

    What was opened is closed at the end; nothing stays on the host, unless the link dies meanwhile.
    """
    with ExitStack() as stack:
        yield from examine(checks_for(config), Visit(config, stack))


def checks_for(config: HostConfig) -> tuple[Check[Visit], ...]:
    """The checks that apply to a transport and a runtime, in their order."""
    match (config.transport, config.runtime):
        case ("ssh", "docker"):
            return (
                *_WAY,
                Check("docker command", engine_checks.docker, ("shell",)),
                Check("permission", engine_checks.permission, ("docker command",)),
                Check("engine", engine_checks.engine, ("permission",)),
                Check("start-up", mac.autostart, ("shell",)),
                *_ENGINE,
                *_inside(),
            )
        case ("ssh", _):
            return (*_WAY, Check("runtime", _unsupported, ("login",)))
        case (_, "docker"):
            return (
                Check("engine", engine_checks.engine),
                Check("docker command", engine_checks.docker_here, ("engine",)),
                *_ENGINE,
                Check("state directory", way.state),
                Check("disk of the host", way.disk),
                Check("sleep", mac.sleep),
                *_inside(),
            )
        case _:
            return (
                Check("engine", engine_checks.engine_here),
                Check("cores", engine_checks.cores_here),
                Check("memory", engine_checks.memory_here),
                Check("state directory", way.state),
                Check("disk of the host", way.disk),
                Check("sleep", mac.sleep),
            )


def _inside() -> tuple[Check[Visit], ...]:
    from remote.hosts.connect import import_docker

    import_docker()
    from remote.hosts.doctor import inside

    return (
        Check("container", inside.container, ("engine", "state directory")),
        Check("disk of the engine", inside.disk, ("container",)),
        Check("clock of the engine", inside.clock, ("container",)),
        Check("mount", inside.mount, ("container",)),
    )


def _unsupported(visit: Visit) -> Finding:
    raise HostRefused(
        "runs without a container are not supported over SSH yet",
        hint=f"leave `runtime: process` out of host {visit.config.name}",
    )
