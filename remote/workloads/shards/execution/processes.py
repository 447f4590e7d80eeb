"""Worker processes of this machine, each with a thread here that feeds it.

A worker has one task under way and the next one at hand. One that dies is replaced and its tasks
are done again; the task that was under way when workers died three times ends the build.

They are started as programs of their own, not through `multiprocessing`: so each gets its own
environment, and the caller's main module, a notebook or a script without a guard, is not run
again in it.
"""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Generic, Self, TypeVar

import remote
from remote.errors import WorkerLost, WorkhorseError
from remote.workloads.progress import notice
from remote.workloads.shards.execution.caps import capped
from remote.workloads.shards.execution.numa import Pin
from remote.workloads.shards.execution.wire import Outcome, receive, send

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("workhorse.shards")

MOST_DEATHS = 3
_AT_HAND = 2
_SECONDS_TO_END = 5
_WORKER = "remote.workloads.shards.execution.worker"


@dataclass(slots=True)
class _Call(Generic[T, R]):
    task: T
    future: Future[R] = field(default_factory=Future)
    deaths: int = 0


class Worker:
    """A running worker process and the link to it."""

    def __init__(self, work: bytes, cpus: Pin) -> None:
        """Start it; its work is on the way, and it answers when it is ready."""
        self.link, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                _command(theirs.fileno(), cpus),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=capped(_environment()),
            )
        self._work = work

    def ready(self) -> None:
        """Return when it has opened its work.

        Raises:
            WorkhorseError: it cannot.
            EOFError, OSError: it is dead.
        """
        send(self.link, self._work)
        outcome: Outcome = receive(self.link)
        if outcome.error:
            raise outcome.error

    def kill(self) -> None:
        """End it; it writes nothing, so that nothing is lost."""
        self.process.kill()

    def gone(self) -> str:
        """Take leave of one that is dead or dying; how it ended."""
        self.link.close()
        try:
            status = self.process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self.kill()
            status = self.process.wait()
        return f"signal {-status}" if status < 0 else f"exit status {status}"


def _command(descriptor: int, cpus: Pin) -> list[str]:
    bound = [",".join(map(str, sorted(cpus)))] if cpus else []
    return [sys.executable, "-P", "-m", _WORKER, str(descriptor), str(os.getpid()), *bound]


def _environment() -> dict[str, str]:
    """This process's, with the place of our own package."""
    home = str(Path(remote.__file__).parents[1])
    path = [home, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


class Processes(Generic[T, R]):
    """Calls of one function in worker processes; the function is sent once to each of them."""

    def __init__(
        self, work: Callable[[T], R], pins: Sequence[Pin], describe: Callable[[T], str] = str
    ) -> None:
        """Start a worker for each of `pins`.

        Args:
            work: what is done with a task; has to be picklable.
            pins: by worker, the processors that it is bound to.
            describe: names a task in messages.
        """
        self._work = pickle.dumps(work, protocol=5)
        self._describe = describe
        self._calls: SimpleQueue[_Call[T, R] | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._workers: dict[int, Worker] = {}
        self._closing = False
        self._feeders = [
            threading.Thread(
                target=self._feed, args=(index, pin), name=f"shards-feed-{index}", daemon=True
            )
            for index, pin in enumerate(pins)
        ]
        for feeder in self._feeders:
            feeder.start()

    def submit(self, task: T) -> Future[R]:
        """Have a task done by the next worker that is free."""
        call: _Call[T, R] = _Call(task)
        self._calls.put(call)
        return call.future

    def pids(self) -> list[int]:
        """The worker processes of this moment."""
        with self._lock:
            return [worker.process.pid for worker in self._workers.values()]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers at once, whatever they do."""
        with self._lock:
            self._closing = True
            for worker in self._workers.values():
                worker.kill()
        for _ in self._feeders:
            self._calls.put(None)
        for feeder in self._feeders:
            feeder.join()

    def _feed(self, index: int, pin: Pin) -> None:
        # Inherited by the worker: Ctrl-C is not for it, not even before it can say so.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT, signal.SIGTERM])
        waiting: deque[_Call[T, R]] = deque()
        try:
            while worker := self._started(index, pin):
                try:
                    self._serve(worker, waiting)
                except (EOFError, OSError):
                    self._mourn(worker, waiting)
                finally:
                    worker.gone()
        except Exception as error:  # noqa: BLE001 - raised where a result is asked for
            self._refuse(waiting, error)

    def _started(self, index: int, pin: Pin) -> Worker | None:
        """A worker that is ready; None when there is no need of one any more."""
        ends: list[str] = []
        while len(ends) < MOST_DEATHS:
            with self._lock:
                if self._closing:
                    return None
                worker = self._workers[index] = Worker(self._work, pin)
            try:
                worker.ready()
            except (EOFError, OSError):
                ends.append(worker.gone())
            except WorkhorseError:
                worker.gone()
                raise
            else:
                return worker
        raise WorkerLost(
            f"Worker processes end before they can begin ({', '.join(ends)})",
            hint="What they said is above. --mode local does without worker processes.",
        )

    def _serve(self, worker: Worker, waiting: deque[_Call[T, R]]) -> None:
        """Keep a worker busy until there is nothing more to do."""
        for call in waiting:
            send(worker.link, call.task)
        while self._take(worker, waiting):
            outcome: Outcome = receive(worker.link)
            future = waiting.popleft().future
            if outcome.error:
                future.set_exception(outcome.error)
            else:
                future.set_result(outcome.result)

    def _take(self, worker: Worker, waiting: deque[_Call[T, R]]) -> bool:
        """Hand out tasks; wait for one where the worker has none. False at the end of all."""
        while len(waiting) < _AT_HAND:
            try:
                call = self._calls.get(block=not waiting)
            except Empty:
                return True
            if call is None:
                self._calls.put(None)
                return bool(waiting)
            if call.future.set_running_or_notify_cancel():
                waiting.append(call)
                send(worker.link, call.task)
        return True

    def _mourn(self, worker: Worker, waiting: deque[_Call[T, R]]) -> None:
        """Blame the task that was under way, unless this is the end of all."""
        end = worker.gone()
        with self._lock:
            if self._closing:
                waiting.clear()
        if not waiting:
            return
        call = waiting[0]
        call.deaths += 1
        about = self._describe(call.task)
        if call.deaths < MOST_DEATHS:
            text = f"A worker process was lost ({end}) at {about}; it is replaced and goes on."
            notice(text)
            log.warning(text)
            return
        waiting.popleft()
        call.future.set_exception(
            WorkerLost(
                f"{MOST_DEATHS} worker processes were lost ({end}, the last one) at {about}",
                hint="Where memory ends the system kills with signal 9: use fewer workers "
                "(--num-workers), or smaller batches (--batch-size), and --resume.",
            )
        )

    def _refuse(self, waiting: deque[_Call[T, R]], error: Exception) -> None:
        """Without a worker: every task ends with the error."""
        for call in waiting:
            call.future.set_exception(error)
        while another := self._calls.get():
            if another.future.set_running_or_notify_cancel():
                another.future.set_exception(error)
        self._calls.put(None)
