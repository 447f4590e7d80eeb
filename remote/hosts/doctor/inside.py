"""What a container sees: the engine's disk, its clock, and whether a mount leads to the host."""

from __future__ import annotations

from remote.errors import HostRefused
from remote.hosts.docker.container import ContainerUser
from remote.hosts.doctor.check import Finding, note, ok
from remote.hosts.doctor.probe import Probed
from remote.hosts.doctor.visit import Visit
from remote.hosts.doctor.way import of_clock, of_disk

_NO_IMAGE = "no image yet; after the first run"


def container(visit: Visit) -> Finding:
    found = visit.probed
    if found is None:
        return note(_NO_IMAGE)
    return ok(f"one of {found.image} took {found.seconds:.1f} s")


def disk(visit: Visit) -> Finding:
    """On a Mac the engine's disk is a file: `df` of the Mac says nothing about it."""
    found = visit.probed
    if found is None:
        return note(_NO_IMAGE)
    return of_disk(
        found.free_bytes,
        "the engine's disk",
        "docker system prune; on a Mac a larger disk in Docker Desktop's settings, Resources",
    )


def clock(visit: Visit) -> Finding:
    """A virtual machine's clock stands still while its Mac sleeps."""
    found = visit.probed
    if found is None:
        return note(_NO_IMAGE)
    before, after = found.asked_at
    off = max(before - found.clock - 1, found.clock - after, 0.0)
    return of_clock(off, "the containers' clock and this machine's")


def mount(visit: Visit) -> Finding:
    found = visit.probed
    return note(_NO_IMAGE) if found is None else of_mount(found, owner(visit))


def owner(visit: Visit) -> int:
    """The uid that a run's files have on the host."""
    user: ContainerUser = visit.run_user
    return visit.transport.user.uid if visit.engine.facts.rootless else user.uid


def of_mount(found: Probed, uid: int) -> Finding:
    """A verdict on the file that a container wrote below the state directory."""
    fix = (
        f"{found.directory} must be a directory that the engine may mount: on a Mac in Docker "
        "Desktop's settings, Resources, File sharing (colima: `mounts`); or set `state_dir`"
    )
    if found.seen is None or found.status is None:
        told = "".join(found.said.splitlines(keepends=True)[3:]).strip()
        raise HostRefused(
            f"what a container writes as {found.user} does not arrive in {found.directory}"
            + (f": {told}" if told else ""),
            hint=fix,
        )
    if found.seen != found.wrote:
        raise HostRefused(
            f"a container wrote {found.wrote!r}, {found.directory} has {found.seen!r}", hint=fix
        )
    if found.status.uid != uid:
        raise HostRefused(
            f"what a container writes as {found.user} belongs to uid {found.status.uid} on the "
            f"host, not to {uid}",
            hint="the engine maps users (userns-remap): switch that off for this host",
        )
    return ok(f"what a run writes as {found.user} arrives in {found.directory}, owner {uid}")
