"""How much memory the run has, uses and used; and whether the system killed for it.

Everything is read from files, so that a test can lay out a machine in a directory.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

# cgroup v1 says "no limit" with a number near 2**63.
_NO_LIMIT = 1 << 60


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The memory control group of this process. Sizes in bytes; None where not recorded."""

    version: int
    directory: Path

    def limit(self) -> int | None:
        """The lowest limit of the group and those above it."""
        if self.version == 1:
            limit = _field(self.directory / "memory.stat", "hierarchical_memory_limit")
            limit = limit or _number(self.directory / "memory.limit_in_bytes")
            return limit if limit is not None and limit < _NO_LIMIT else None
        above = [self.directory, *self.directory.parents]
        limits = [_number(directory / "memory.max") for directory in above]
        return min((limit for limit in limits if limit is not None), default=None)

    def room(self) -> int | None:
        """What is left under the tightest limit of the group and those above it.

        File cache that the kernel can give back at once counts as room.
        """
        if self.version == 1:
            limit_name, used_name = "memory.limit_in_bytes", "memory.usage_in_bytes"
            cache_name = "total_inactive_file"
        else:
            limit_name, used_name = "memory.max", "memory.current"
            cache_name = "inactive_file"
        rooms = []
        for directory in (self.directory, *self.directory.parents):
            limit, used = _number(directory / limit_name), _number(directory / used_name)
            if limit is not None and used is not None:
                cache = _field(directory / "memory.stat", cache_name) or 0
                rooms.append(max(0, limit - used + min(cache, used)))
        return min(rooms, default=None)

    def peak(self) -> int | None:
        """The most that was ever charged to the group, the page cache included."""
        name = "memory.max_usage_in_bytes" if self.version == 1 else "memory.peak"
        return _number(self.directory / name)

    def oom_kills(self) -> int:
        """How many processes of the group were killed for memory so far."""
        name = "memory.oom_control" if self.version == 1 else "memory.events"
        return _field(self.directory / name, "oom_kill") or 0


def find_cgroup(root: Path = Path("/")) -> Cgroup | None:
    """The memory cgroup of this process; None on macOS or where none is mounted.

    In a container the path of /proc/self/cgroup may be the host's; the container's own group
    is then what is mounted.
    """
    paths = _cgroup_paths(root / "proc/self/cgroup")
    mount = root / "sys/fs/cgroup"
    candidates = [
        (1, mount / "memory" / paths.get("memory", "").lstrip("/"), "memory.limit_in_bytes"),
        (1, mount / "memory", "memory.limit_in_bytes"),
        (2, mount / paths.get("", "").lstrip("/"), "memory.events"),
        (2, mount, "memory.stat"),
    ]
    for version, directory, proof in candidates:
        if (directory / proof).is_file():
            return Cgroup(version, directory)
    return None


def _cgroup_paths(path: Path) -> dict[str, str]:
    """controller -> path; the unified hierarchy under the empty name."""
    found: dict[str, str] = {}
    with suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, controllers, group = line.split(":", 2)
            found |= dict.fromkeys(controllers.split(","), group)
    return found


def _number(path: Path) -> int | None:
    """A file that holds one number; None for "max" and where there is none."""
    with suppress(OSError, ValueError):
        return int(path.read_text(encoding="ascii"))
    return None


def _field(path: Path, name: str) -> int | None:
    """The number after `name` in a file of "name number" lines."""
    with suppress(OSError, ValueError):
        for line in path.read_text(encoding="ascii").splitlines():
            key, _, value = line.partition(" ")
            if key == name:
                return int(value)
    return None


def machine_memory() -> int:
    """The machine's memory, in bytes."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def memory_limit() -> int:
    """What may be used at all: the lower of the control group's limit and the machine's memory."""
    machine = machine_memory()
    cgroup = find_cgroup()
    limit = cgroup.limit() if cgroup else None
    return min(machine, limit) if limit is not None else machine


def available_memory() -> int:
    """Bytes that can be taken before something has to give: the machine's or the group's."""
    import psutil

    machine = int(psutil.virtual_memory().available)
    cgroup = find_cgroup()
    room = cgroup.room() if cgroup else None
    return min(machine, room) if room is not None else machine


def system_oom_kills(root: Path = Path("/")) -> int:
    """Processes that Linux killed for memory since boot, anywhere on the machine; else 0."""
    return _field(root / "proc/vmstat", "oom_kill") or 0


def tree_bytes(pid: int) -> int:
    """Resident bytes of a process and all its descendants; 0 when it is gone."""
    import psutil  # not before a kernel is on its way: it takes a twentieth of a second

    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                total += member.memory_info().rss
    return total
