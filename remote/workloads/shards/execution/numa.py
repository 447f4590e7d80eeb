"""Which processors each worker is bound to, on machines with more than one memory node.

Memory belongs to the node of the processor that first writes to it. A worker that stays on one
node finds its blocks near. Linux tells of nodes in sysfs; elsewhere nothing is bound.
"""

from __future__ import annotations

import os
from pathlib import Path

from remote.workloads.hostfacts import cores

Pin = frozenset[int] | None


def pins(workers: int, root: Path = Path("/")) -> tuple[Pin, ...]:
    """By worker, the processors that it is bound to; None where it may use all.

    Worker i belongs to node i modulo the nodes. Only processors that this process may use count,
    and only nodes that have some.

    Args:
        workers: how many there are.
        root: where sysfs is looked for.
    """
    nodes = usable(node_cpus(root), allowed())
    if len(nodes) < 2:
        return (None,) * workers
    return tuple(nodes[index % len(nodes)] for index in range(workers))


def usable(nodes: tuple[frozenset[int], ...], among: frozenset[int]) -> tuple[frozenset[int], ...]:
    """What is left of the nodes' processors; nodes without any are left out."""
    return tuple(left for node in nodes if (left := node & among))


def allowed() -> frozenset[int]:
    """The processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(cores()))


def node_cpus(root: Path) -> tuple[frozenset[int], ...]:
    """Processors by node, in the order of the nodes' numbers; empty where nothing tells."""
    folders = (root / "sys/devices/system/node").glob("node[0-9]*")
    found = sorted((int(folder.name.removeprefix("node")), folder) for folder in folders)
    return tuple(_cpulist(folder / "cpulist") for _, folder in found)


def _cpulist(path: Path) -> frozenset[int]:
    """The numbers of a list such as "0-11,24-35"; none where it cannot be read."""
    try:
        spans = [span for span in path.read_text(encoding="ascii").strip().split(",") if span]
        bounds = [tuple(map(int, span.split("-"))) for span in spans]
    except (OSError, ValueError):
        return frozenset()
    return frozenset(cpu for bound in bounds for cpu in range(bound[0], bound[-1] + 1))


def bind(cpus: Pin) -> None:
    """Bind this process, before it has memory or threads of any size."""
    if cpus and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cpus)
