"""How much memory and disk there is for this process: the container's, where it has limits."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import psutil

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


def available_memory() -> int:
    """Bytes that can be taken before something has to give: the machine's or the cgroup's."""
    machine = int(psutil.virtual_memory().available)
    return min([machine, *cgroup_rooms(_CGROUP_ROOT, _OWN_CGROUPS)])


def cgroup_rooms(root: Path, own: Path) -> list[int]:
    """Bytes left under each memory limit that applies, cgroup v1 and v2; none without limits.

    File cache that the kernel can give back at once counts as room.
    """
    rooms = []
    for folder in _memory_cgroups(root, own):
        v2 = (folder / "memory.max").exists()
        limit = _number(folder / ("memory.max" if v2 else "memory.limit_in_bytes"))
        used = _number(folder / ("memory.current" if v2 else "memory.usage_in_bytes"))
        if limit is not None and used is not None:
            cache = _inactive_file(folder / "memory.stat", v2)
            rooms.append(max(0, limit - used + min(cache, used)))
    return rooms


def free_disk(path: Path) -> int:
    """Bytes that this user can still write at `path`, or where it will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _memory_cgroups(root: Path, own: Path) -> Iterator[Path]:
    """Every cgroup directory whose limits hold for this process, innermost first."""
    for mount, path in _placements(root, own):
        folder = mount / path.lstrip("/")
        # Inside a container the path can be the host's: then only the mount's top is there.
        while folder != mount:
            if folder.is_dir():
                yield folder
            folder = folder.parent
        yield mount


def _placements(root: Path, own: Path) -> Iterator[tuple[Path, str]]:
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if ".." in path:
            path = "/"
        if not controllers and (root / "cgroup.controllers").exists():
            yield root, path
        elif "memory" in controllers.split(","):
            yield root / "memory", path


def _number(path: Path) -> int | None:
    try:
        text = path.read_text().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None  # "max": no limit


def _inactive_file(path: Path, v2: bool) -> int:
    wanted = "inactive_file" if v2 else "total_inactive_file"
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return 0
    found = dict(line.split(" ", 1) for line in lines if " " in line)
    return int(found.get(wanted, 0))
