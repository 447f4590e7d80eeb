"""Work for worker processes: functions of one task that they can import."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from remote.errors import InputUnusable


def square(task: int) -> int:
    """Something quick."""
    return task * task


def blocks(task: int) -> list[Any]:
    """Arrays of several sizes, one of which nothing can be sent beside."""
    whole = np.arange(task * 1000, dtype=np.float64)
    return [whole, whole[::3], whole[:0], {"count": task}]


def affinity(seconds: float) -> frozenset[int]:
    """The processors that the worker may use, after a while."""
    time.sleep(seconds)
    return frozenset(os.sched_getaffinity(0))


def failing(task: int) -> int:
    """Fails as a task does, or as a defect does."""
    if task == 1:
        raise InputUnusable("row 17 is bad", hint="Mend it.")
    return task // (task - 2)


def deadly(task: tuple[str, int]) -> int:
    """Dies as often as its first part is a file with lives left, one byte each."""
    path, value = Path(task[0]), task[1]
    if path.is_file() and path.stat().st_size:
        os.truncate(path, path.stat().st_size - 1)
        os.kill(os.getpid(), signal.SIGKILL)
    return value


def greedy(task: int) -> int:
    """Starts threads that stay."""
    for _ in range(task):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    return task


def busy(seconds: float) -> int:
    """Computes without a pause, for a while; the process that did it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(10_000))
    return os.getpid()


class Unopenable:
    """Work that cannot be opened in a worker."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def __call__(self, task: int) -> int:
        return task

    def __reduce__(self) -> tuple[object, ...]:
        return opened, (self.error,)


def opened(error: Exception | None) -> Unopenable:
    """Raises, or ends the process."""
    if error is None:
        os._exit(3)
    raise error
