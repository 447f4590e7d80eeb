"""Running tasks: any number at a time, results in the order of the tasks.

The seam is a `submit` that takes a task and returns a `concurrent.futures.Future`: of threads
here, of processes and Dask workers in `execution`. Only results within the read-ahead exist at
any time, so that memory is bounded by the workers and not by the input.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from typing import ParamSpec, TypeVar

T = TypeVar("T")
R = TypeVar("R")
P = ParamSpec("P")


class SerialExecutor(Executor):
    """Runs each call at once, in the caller's thread."""

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Call `fn`; the future is done, with its result or its error."""
        future: Future[R] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # as an executor does; an interrupt goes on at once
            if not isinstance(error, Exception):
                raise
            future.set_exception(error)
        return future


@contextmanager
def executor(workers: int) -> Iterator[Executor]:
    """Threads for more than one worker, else the caller's own.

    On leaving, tasks that have not begun are dropped and those under way are waited for.
    """
    if workers <= 1:
        yield SerialExecutor()
        return
    pool = ThreadPoolExecutor(workers, thread_name_prefix="shards")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def in_order(submit: Callable[[T], Future[R]], tasks: Iterable[T], ahead: int) -> Iterator[R]:
    """Results of each task, in the order of the tasks.

    At most `ahead` tasks are under way or waiting to be taken. An error of a task is raised at
    its place in the order, after the results before it.
    """
    source = iter(tasks)
    waiting: deque[Future[R]] = deque(map(submit, islice(source, ahead)))
    try:
        while waiting:
            result = waiting.popleft().result()
            waiting.extend(map(submit, islice(source, 1)))
            yield result
    finally:
        for future in waiting:
            future.cancel()
