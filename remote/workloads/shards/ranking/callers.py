"""Threads that ask. Nobody waits for them at the end, so that no answer can hold it up."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Generic, Self, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Callers(Generic[T, R]):
    """Calls of one function in so many threads."""

    def __init__(self, call: Callable[[T], R], count: int) -> None:
        self._call = call
        self._count = count
        self._queue: SimpleQueue[tuple[T, Future[R]] | None] = SimpleQueue()
        for _ in range(count):
            threading.Thread(target=self._serve, name="ranking", daemon=True).start()

    def submit(self, argument: T) -> Future[R]:
        """Have a thread call it."""
        future: Future[R] = Future()
        self._queue.put((argument, future))
        return future

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        for _ in range(self._count):
            self._queue.put(None)

    def _serve(self) -> None:
        while (given := self._queue.get()) is not None:
            argument, future = given
            try:
                future.set_result(self._call(argument))
            except BaseException as error:  # noqa: BLE001 - as an executor does
                future.set_exception(error)
