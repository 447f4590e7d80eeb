"""What is timed: of each layout its stages, the floor and builds; and the other pipelines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from benchmarks.sharding.floor import Floor
from benchmarks.sharding.inputs import Inputs, Layout
from benchmarks.sharding.others.cases import OTHERS, other
from benchmarks.sharding.stages import Prepared
from benchmarks.sharding.timing import Case, Measured
from benchmarks.sharding.whole import can_bind, start_up, whole
from remote.workloads.shards.inputs.opening import open_source
from remote.workloads.shards.settings import Mode

Part = Literal["stages", "floor", "whole", "ways", "start-up", "others", "memory", "long"]
PARTS: tuple[Part, ...] = get_args(Part)
OTHER_GROUP, START_UP, WAYS_GROUP = "others", "start-up", "ways"


@dataclass(frozen=True)
class Way:
    """A way of running a build, and those that it is compared with.

    Attributes:
        one_core: the whole build is bound to one core.
    """

    name: str
    mode: Mode
    workers: int
    use_dask: bool = False
    one_core: bool = False
    beside: tuple[str, ...] = ()


def ways(workers: int) -> tuple[Way, ...]:
    """Threads and processes, one of them and several, and Dask with as many."""
    found: list[Way] = []
    kinds: tuple[tuple[str, Mode], ...] = (("threads", "local"), ("processes", "production"))
    for kind, mode in kinds:
        one, alone, many = f"{kind}, 1", f"{kind}, 1, on one core", f"{kind}, {workers}"
        bound = [Way(alone, mode, 1, one_core=True)] if can_bind() else []
        beside = (one, *(way.name for way in bound))
        found += [Way(one, mode, 1), *bound, Way(many, mode, workers, beside=beside)]
        found += [Way(f"Dask's {kind}, {workers}", mode, workers, True, beside=(many,))]
    return tuple(found)


@dataclass(frozen=True)
class Bench:
    """What is measured, on what, and where temporary output goes."""

    inputs: Inputs
    scratch: Path
    rows: int
    other_rows: int
    ways_rows: int
    workers: Sequence[int]
    parts: frozenset[Part]

    def builds(self) -> list[tuple[str, Mode, int]]:
        """(name, mode, workers): threads with each number of workers, processes with the last."""
        local: list[tuple[str, Mode, int]] = [
            (whole_name("local", count), "local", count) for count in self.workers
        ]
        most = self.workers[-1]
        return [*local, (whole_name("production", most), "production", most)]

    def layout(self, layout: Layout, stack: ExitStack) -> list[Case]:
        """The cases of one layout; the stack closes what they use."""
        path = self.inputs.file(layout, self.rows)
        works: dict[str, Callable[[], Measured]] = {}
        if "stages" in self.parts:
            source = stack.enter_context(open_source(path))
            works |= Prepared.of(source, self.scratch).works()
        if "floor" in self.parts:
            # A build tells how much is written, and fills the page cache.
            size = whole(path, self.rows, self.scratch, "local", self.workers[-1]).size
            floor = Floor(path, self.rows, size, self.scratch)
            works |= {floor_name(n): partial(floor, n) for n in self.workers}
        if "whole" in self.parts:
            for name, mode, count in self.builds():
                works[name] = partial(whole, path, self.rows, self.scratch, mode, count)
        return [Case(layout, name, work) for name, work in works.items()]

    def ways(self) -> list[Case]:
        """All ways of running a build, on a file that is large beside their start."""
        rows = self.ways_rows
        path = self.inputs.file("column-chunks", rows)
        whole(path, rows, self.scratch, "local", self.workers[-1])  # fills the page cache
        build = partial(whole, path, rows, self.scratch)
        return [
            Case(
                WAYS_GROUP,
                x.name,
                partial(build, x.mode, x.workers, use_dask=x.use_dask, one_core=x.one_core),
            )
            for x in ways(self.workers[-1])
        ]

    def start_up(self) -> list[Case]:
        """A process that shards one row; once before, so that kernels are compiled."""
        one_row = self.inputs.file("column-chunks", 1)
        start_up(one_row, self.scratch)
        return [Case(START_UP, START_UP, partial(start_up, one_row, self.scratch))]

    def others(self) -> list[Case]:
        """The other pipelines, and builds of the same few spectra."""
        rows, cache = self.other_rows, self.inputs.cache
        path = self.inputs.file("column-chunks", rows)
        whole(path, rows, self.scratch, "local", 1)  # compiles
        ours = [
            Case(OTHER_GROUP, name, partial(whole, path, rows, self.scratch, mode, count))
            for name, mode, count in self.builds()
        ]
        theirs = [
            Case(OTHER_GROUP, x.name, partial(other, x, path, rows, self.scratch, cache))
            for x in OTHERS
        ]
        return [*ours, *theirs]


def whole_name(mode: str, workers: int) -> str:
    """How a build is named in tables."""
    return f"whole, {mode}, {workers} worker{'s' if workers > 1 else ''}"


def floor_name(threads: int) -> str:
    """How the floor is named in tables."""
    return f"floor, {threads} thread{'s' if threads > 1 else ''}"
