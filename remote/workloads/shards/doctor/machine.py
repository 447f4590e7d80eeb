"""Cores, memory, threads, open files, and the disk of the shards."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Mapping
from pathlib import Path

from remote.errors import DiskTooSmall, MemoryTooSmall
from remote.findings import Finding, ok, warn
from remote.workloads.durable import exclusive, fsync_directory, write_atomic, writing_errors
from remote.workloads.hostfacts import THREAD_CAPS, cores
from remote.workloads.memory import available_memory, machine_memory, memory_limit
from remote.workloads.shards.doctor.place import Place
from remote.workloads.shards.execution.numa import allowed, node_cpus, usable
from remote.workloads.shards.preflight import (
    DEFAULT_MIN_DISK_GB,
    DEFAULT_MIN_MEMORY_GB,
    free_disk,
)
from remote.workloads.shards.settings import GIB

# A worker process has some pipes and files, each input is open twice in each of them.
_FEW_FILES = 1_024


def cores_here(_: Place) -> Finding:
    return of_cores(cores(), os.cpu_count() or 1)


def of_cores(usable_cores: int, machine: int) -> Finding:
    """A verdict on the cores that may be used."""
    if usable_cores < machine:
        return ok(f"{usable_cores} of {machine} may be used (affinity, or the container's limit)")
    return ok(f"{machine}")


def nodes(place: Place) -> Finding:
    found = usable(node_cpus(place.root), allowed())
    if len(found) < 2:
        return ok("one")
    sizes = ", ".join(str(len(cpus)) for cpus in found)
    return ok(f"{len(found)}, with {sizes} cores: --mode production binds its workers to them")


def memory(_: Place) -> Finding:
    return of_memory(available_memory(), memory_limit(), machine_memory())


def of_memory(available: int, limit: int, machine: int) -> Finding:
    """A verdict on memory, as preflight has it."""
    said = f"{available / GIB:.1f} GB available of {machine / GIB:.1f}"
    said += f", {limit / GIB:.1f} may be used here" if limit < machine else ""
    if available < DEFAULT_MIN_MEMORY_GB * GIB:
        raise MemoryTooSmall(
            f"{said}; build-shards wants {DEFAULT_MIN_MEMORY_GB:.0f} GB",
            hint="close other programs, raise the container's limit, or accept less: "
            "--min-memory-gb and --max-memory-gb",
        )
    return ok(said)


def threads(_: Place) -> Finding:
    return of_threads(os.environ)


def of_threads(environment: Mapping[str, str]) -> Finding:
    """A verdict on how many threads libraries may start; worker processes get one each."""
    many = {
        name: environment[name]
        for name in THREAD_CAPS
        if environment.get(name, "1") not in ("", "1")
    }
    if many:
        listing = ", ".join(f"{name}={value}" for name, value in many.items())
        return warn(
            f"{listing}: libraries may start threads of their own beside the workers",
            f"unset {' '.join(many)}, or set them to 1",
        )
    return ok("no library is told to start more than one; worker processes get one each")


def open_files(_: Place) -> Finding:
    return of_open_files(resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def of_open_files(limit: int) -> Finding:
    """A verdict on how many files may be open at a time."""
    if limit == resource.RLIM_INFINITY:
        return ok("any number")
    if limit < _FEW_FILES:
        return warn(f"{limit:,} at a time", "ulimit -n 4096, before the build")
    return ok(f"{limit:,} at a time")


def output(place: Place) -> Finding:
    """Write, sync, rename and lock where the shards will be."""
    folder = place.nearest
    with (
        writing_errors(folder),
        tempfile.TemporaryDirectory(prefix=".doctor-", dir=folder) as made,
        exclusive(Path(made)),
    ):
        write_atomic(Path(made) / "written", b"")
        fsync_directory(folder)
    return ok(f"{folder} can be written and locked")


def disk(place: Place) -> Finding:
    return of_disk(free_disk(place.nearest), place.nearest)


def of_disk(free: int, where: Path) -> Finding:
    """A verdict on free disk, as preflight has it."""
    said = f"{free / GIB:.1f} GB free on {where}"
    if free < DEFAULT_MIN_DISK_GB * GIB:
        raise DiskTooSmall(
            f"{said}; build-shards wants {DEFAULT_MIN_DISK_GB:.0f} GB",
            hint="free some, name another --output-root, or accept less: --min-disk-gb",
        )
    return ok(said)
