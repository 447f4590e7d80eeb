"""Who does the tasks of a build: the one place that knows every way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from remote.workloads.shards.execution.numa import pins
from remote.workloads.shards.execution.processes import Processes
from remote.workloads.shards.settings import Execution
from remote.workloads.shards.tasks import executor

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Crew(Generic[T, R]):
    """Workers that have been told what to do with tasks.

    Attributes:
        submit: hands over a task.
        ahead: how many tasks to hand over before the first result is taken.
    """

    submit: Callable[[T], Future[R]]
    ahead: int


@contextmanager
def crew(
    execution: Execution,
    work: Callable[[T], R],
    describe: Callable[[T], str],
    inputs: Sequence[Path],
) -> Iterator[Crew[T, R]]:
    """Workers for `work`; on leaving, whatever they still do is dropped.

    Args:
        execution: which workers, and how many.
        work: what is done with a task; sent once to each process.
        describe: names a task in messages.
        inputs: the files that workers elsewhere have to see too.

    Raises:
        SchedulerUnusable, WorkersRefused: the Dask scheduler or its workers cannot serve.
    """
    workers = execution.workers
    if execution.dask:
        from remote.workloads.shards.execution.dask import dask_crew  # slow to import

        with dask_crew(
            execution.dask,
            workers=workers,
            processes=execution.processes,
            work=work,
            inputs=inputs,
            describe=describe,
        ) as (dask, threads):
            yield Crew(dask.submit, execution.read_ahead or 2 * threads)
    elif execution.processes:
        with Processes(work, pins(workers), describe) as processes:
            yield Crew(processes.submit, execution.read_ahead)
    else:
        with executor(workers) as threads:
            yield Crew(lambda task: threads.submit(work, task), execution.read_ahead)
