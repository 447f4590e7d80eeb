"""How much memory a build will take at most, and how many workers fit into what there is.

Anonymous memory, over all processes of this machine. A task holds its block of rows as stored,
room to clean and encode one row group, and what it made of the block; results wait in the parent
until they are written. The constants were measured (`benchmarks`), and are those of 64-bit
CPython with the libraries of the lock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from typing import Protocol

from remote.errors import MemoryTooSmall
from remote.workloads.shards.plan import Task
from remote.workloads.shards.repeats import AT_ONCE, BYTES_PER_VALUE
from remote.workloads.shards.settings import GIB, Execution

MB = 1_000_000

# The parent with its libraries and compiled kernels; more with Dask in it.
_PARENT, _DASK = 145 * MB, 25 * MB
# A worker process with its libraries, and with Dask's nanny; a worker's small change.
_CHILD, _DASK_CHILD, _WORKER = 110 * MB, 125 * MB, 22 * MB
# Of a row group that is cleaned and encoded: bytes for each place that a peak can take.
GROUP_BYTES_PER_PLACE = 12
# Of a spectrum that is ranked: its answer, in the parent; its score, in each process.
_ANSWER_BYTES, _SCORE_BYTES = 390, 12
# What a worker may take by default, however much there is.
DEFAULT_GB_PER_WORKER = 3.0
_FEWER_RANKED = "; or have fewer spectra scored: quality/ranker/max_spectra"


class Stored(Protocol):
    """What has to be known of an input."""

    def blocks(self, row_start: int, row_stop: int, bytes_per_row: float) -> Blocks:
        """What a task of these rows takes; `bytes_per_row` is what a spectrum takes in a shard."""
        ...


@dataclass(frozen=True, slots=True)
class Blocks:
    """The largest task of a build.

    Attributes:
        raw: bytes of its rows as stored.
        group: bytes of a row group that is cleaned and encoded.
        result: bytes that come of it.
        counting: bytes that counting repeats takes at the end, when the workers' memory has not
            been given back.
        joined: bytes of a row group that is joined of several tasks' parts, in the parent.
        reader: bytes that reading takes in each process beside the rows: libraries, an index.
        ranked: spectra that the ranker is asked about at most.
    """

    raw: int
    group: int
    result: int
    counting: int = 0
    joined: int = 0
    reader: int = 0
    ranked: int = 0

    @classmethod
    def of(cls, sources: Sequence[Stored], tasks: Sequence[Task], bytes_per_row: float) -> Blocks:
        """Those of a plan; `bytes_per_row` are what a spectrum takes in a shard."""
        most = cls(0, 0, 0)
        for task in tasks:
            source = sources[task.input_index]
            found = source.blocks(task.row_start, task.row_stop, bytes_per_row)
            most = cls(*map(max, zip(astuple(most), astuple(found), strict=True)))
        return replace(most, counting=min(sum(map(len, tasks)), AT_ONCE) * BYTES_PER_VALUE)


@dataclass(frozen=True, slots=True)
class MemoryPlan:
    """How a build is run within a limit.

    Attributes:
        execution: with the workers and the read-ahead that fit.
        peak: the most memory it is expected to take, in bytes.
        lowered: what had to be lowered, in words; empty where nothing had.
    """

    execution: Execution
    peak: int
    lowered: str = ""


def peak_bytes(execution: Execution, blocks: Blocks) -> int:
    """The most memory that a build is expected to take on this machine."""
    workers = execution.local_workers
    task = blocks.raw + blocks.group + _WORKER
    if execution.processes:
        task += (_DASK_CHILD if execution.dask else _CHILD) + blocks.reader
        task += blocks.ranked * _SCORE_BYTES
    parent = _PARENT + (_DASK if execution.dask else 0) + blocks.reader + blocks.joined
    parent += blocks.ranked * (_ANSWER_BYTES + _SCORE_BYTES)
    return parent + workers * task + execution.read_ahead * blocks.result + blocks.counting


def default_limit(execution: Execution, available: int) -> int:
    """What a build may take where nothing is said: what there is, within reason."""
    return min(available, int(DEFAULT_GB_PER_WORKER * GIB) * max(1, execution.local_workers))


def within(execution: Execution, blocks: Blocks, limit: int) -> MemoryPlan:
    """Fewer tasks ahead, then fewer workers, until a build fits into `limit` bytes.

    Raises:
        MemoryTooSmall: one worker is too much.
    """
    tried = execution
    while (peak := peak_bytes(tried, blocks)) > limit:
        if tried.read_ahead > max(1, tried.workers):
            tried = replace(tried, ahead=max(1, tried.workers))
        elif tried.local_workers > 1:
            tried = replace(tried, workers=tried.workers - 1, ahead=tried.workers - 1)
        else:
            raise MemoryTooSmall(
                f"a build with one worker takes about {_gb(peak)} of memory, and it may take "
                f"{_gb(limit)}",
                hint="Raise --max-memory-gb, close other programs, or raise the container's "
                "memory limit; or give a smaller --batch-size, where the input is not stored in "
                f"larger chunks{_FEWER_RANKED if blocks.ranked else ''}.",
            )
    return MemoryPlan(tried, peak, _lowered(execution, tried, limit))


def _lowered(asked: Execution, found: Execution, limit: int) -> str:
    parts = []
    if found.workers < asked.workers:
        parts.append(f"{found.workers} of {asked.workers} workers")
    if found.read_ahead < asked.read_ahead:
        parts.append(f"{found.read_ahead} tasks ahead instead of {asked.read_ahead}")
    return f"To stay within {_gb(limit)} of memory: {', '.join(parts)}." if parts else ""


def _gb(size: int) -> str:
    return f"{size / GIB:.2f} GB"
