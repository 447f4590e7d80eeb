"""The tasks of a build on Dask workers: those of a scheduler somewhere, or of one started here.

A task is sent as a few numbers and comes back as encoded row groups. The work itself is sent
once to each worker (`onworkers.Workshop`). Dask does the tasks of a dead worker again.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import astuple
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

import dask
from distributed import Client, LocalCluster
from distributed.scheduler import KilledWorker
from distributed.security import Security

from remote.errors import SchedulerUnusable, WorkerLost, WorkersRefused
from remote.workloads.progress import notice
from remote.workloads.shards.execution import undisturbed
from remote.workloads.shards.execution.caps import THREAD_CAPPED
from remote.workloads.shards.execution.onworkers import REFUSED_HINT, Expected, Workshop, perform
from remote.workloads.shards.execution.reach import see_who_answers
from remote.workloads.shards.settings import DaskOptions

T = TypeVar("T")
R = TypeVar("R")

log = logging.getLogger("workhorse.shards")

SECONDS_TO_CONNECT = 10
SECONDS_WITHOUT_WORKERS = 30
_SECONDS_BETWEEN_LOOKS = 1.0
_MOST_TRIES = 3
_QUIET = logging.CRITICAL + 1
# What comes of talking to something else: its answer taken for a length, a pickle, a version.
_NOT_DASK = (OSError, ValueError, TypeError, KeyError, EOFError, MemoryError)
# Where the servers listen that there would be a dashboard on.
_NO_DASHBOARD = "127.0.0.1:0"
_LOCAL = {
    "distributed.scheduler.allowed-failures": 2,
    "distributed.scheduler.work-stealing": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": False,
    "distributed.admin.tick.interval": "1s",
    "distributed.admin.tick.limit": "1h",
    "distributed.comm.compression": False,
    "logging": {"distributed": "critical", "distributed.client": "critical"},
}


class DaskCrew(Generic[T, R]):
    """Calls of one function on the workers of a connected client."""

    def __init__(self, client: Client, name: str, describe: Callable[[T], str]) -> None:
        """`name` is that of the workshop that the workers have."""
        self._client = client
        self._name = name
        self._describe = describe
        self._order = count()
        self._loop: asyncio.AbstractEventLoop = client.loop.asyncio_loop  # type: ignore[union-attr]
        self._end: asyncio.Future[None] = asyncio.run_coroutine_threadsafe(
            self._begin(), self._loop
        ).result()

    def submit(self, task: T) -> Future[R]:
        """Have a task done; those submitted first go first, also where they are done again."""
        return asyncio.run_coroutine_threadsafe(self._done(task, next(self._order)), self._loop)

    def close(self) -> None:
        """Look no longer."""
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()

    async def _begin(self) -> asyncio.Future[None]:
        return asyncio.ensure_future(self._watch())

    async def _stop(self) -> None:
        self._end.cancel()
        await asyncio.wait({self._end})

    async def _done(self, task: T, order: int) -> R:
        key = f"{self._name}-{order}"
        future = self._client.submit(
            perform, self._name, task, key=key, pure=False, priority=-order
        )
        result = asyncio.ensure_future(future._result())
        try:
            await asyncio.wait({result, self._end}, return_when=asyncio.FIRST_COMPLETED)
            if not result.done():
                result.cancel()
                self._end.result()
            done: R = result.result()
        except KilledWorker as error:
            raise WorkerLost(
                f"{error.allowed_failures + 1} Dask workers were lost at {self._describe(task)}",
                hint="Where memory ends the system kills: fewer threads a worker, or smaller "
                "batches (--batch-size), and --resume.",
            ) from None
        except CancelledError:
            raise _gone() from None
        except OSError as error:  # of a connection: a task has errors of ours
            await self._workers()  # it is the scheduler's where that is gone
            raise SchedulerUnusable(
                f"The connection to the Dask workers is lost: {error}",
                hint="See whether scheduler and workers still live, and go on with --resume.",
            ) from error
        finally:
            future.release()
        return done

    async def _watch(self) -> None:
        """End with an error when nobody is left to do the work."""
        known, alone = 0, 0.0
        while True:
            workers = await self._workers()
            if workers < known:
                _tell(f"{known - workers} Dask worker(s) left; what they did is done again.")
            known = workers
            alone = 0.0 if workers else alone + _SECONDS_BETWEEN_LOOKS
            if alone >= SECONDS_WITHOUT_WORKERS:
                raise _workerless()
            await asyncio.sleep(_SECONDS_BETWEEN_LOOKS)

    async def _workers(self) -> int:
        """How many workers the scheduler has; an error where it is gone."""
        scheduler: Any = self._client.scheduler
        if self._client.status != "running" or scheduler is None:
            raise _gone()
        try:
            # Not `wait_for`, which in Python 3.11 loses a cancellation that comes with the answer.
            async with asyncio.timeout(SECONDS_WITHOUT_WORKERS):
                return len(await scheduler.ncores())
        except (TimeoutError, OSError):
            raise _gone() from None


def _tell(text: str) -> None:
    notice(text)
    log.warning(text)


def _gone() -> SchedulerUnusable:
    return SchedulerUnusable(
        "The Dask scheduler is gone", hint="Start it again, and go on with --resume."
    )


def _workerless() -> SchedulerUnusable:
    return SchedulerUnusable(
        f"The Dask scheduler has had no workers for {SECONDS_WITHOUT_WORKERS} seconds",
        hint="Start some (dask worker ADDRESS), and go on with --resume.",
    )


@contextmanager
def dask_crew(
    options: DaskOptions,
    *,
    workers: int,
    processes: bool,
    work: Callable[[T], R],
    inputs: Sequence[Path],
    describe: Callable[[T], str],
) -> Iterator[tuple[DaskCrew[T, R], int]]:
    """Dask workers that have opened the work, and how many tasks they do at one time.

    Raises:
        SchedulerUnusable: nobody answers at the address, or no workers are there.
        WorkersRefused: they would make other bytes.
    """
    name = f"shards-{uuid.uuid4().hex[:12]}"
    with ExitStack() as stack:
        stack.enter_context(_quiet())
        if options.scheduler:
            client = stack.enter_context(_connected(options.scheduler, _security(options)))
            expected = Expected.here(inputs)
            _tried(lambda: refuse_others(client, expected))
            _tried(lambda: see_who_answers(client))
        else:
            client = stack.enter_context(_local(workers, processes))
            expected = Expected({}, {})
        workshop = Workshop(name, pickle.dumps(work, protocol=5), expected)
        _tried(lambda: client.register_plugin(workshop))
        stack.callback(_unregister, client, name)
        crew: DaskCrew[T, R] = DaskCrew(client, name, describe)
        stack.callback(crew.close)
        threads: Mapping[str, int] = _tried(client.nthreads)
        yield crew, sum(threads.values())


def refuse_others(client: Client, expected: Expected) -> None:
    """Ask every worker what it has.

    Raises:
        WorkersRefused: what some of them have would make other bytes.
    """
    found = client.run(_looking(), *astuple(expected))
    problems = [f"Dask worker {at}: {'; '.join(wrong)}" for at, wrong in found.items() if wrong]
    if problems:
        raise WorkersRefused("\n".join(problems), hint=REFUSED_HINT)


def _looking() -> Callable[..., list[str]]:
    """A function that travels by value, for workers that may not have ours."""

    def look(*expected: Any) -> list[str]:
        try:
            from remote.workloads.shards.execution import onworkers
        except ImportError as error:
            return [f"it has not this version of Workhorse ({error})"]
        return onworkers.differences(onworkers.Expected(*expected))

    return look


def _unregister(client: Client, name: str) -> None:
    with suppress(OSError, ValueError, AttributeError):  # whatever there was may be gone
        if client.status == "running":
            client.unregister_worker_plugin(name)


@contextmanager
def _local(workers: int, processes: bool) -> Iterator[Client]:
    """Workers of this machine, on the loopback, that leave no file behind."""
    preload = {"distributed.worker.preload": [undisturbed.__name__]} if processes else {}
    with (
        _main_run_once() if processes else nullcontext(),
        tempfile.TemporaryDirectory(prefix="workhorse-dask-") as folder,
        dask.config.set({**_LOCAL, **preload, "temporary-directory": folder}),
        _tried(lambda: _cluster(workers, processes, folder)) as cluster,
        _Closing(cluster, direct_to_workers=True, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def _main_run_once() -> Iterator[None]:
    """Keep worker processes from running the caller's main module, a script without a guard say.

    Python does so in every process that it spawns, wherever it finds that module.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _cluster(workers: int, processes: bool, folder: str) -> LocalCluster:
    return LocalCluster(
        n_workers=workers if processes else 1,
        threads_per_worker=1 if processes else workers,
        processes=processes,
        host="127.0.0.1" if processes else None,
        dashboard_address=_NO_DASHBOARD,
        scheduler_kwargs={"dashboard": False},
        worker_dashboard_address=_NO_DASHBOARD,
        memory_limit=0,
        local_directory=folder,
        silence_logs=_QUIET,
        **({"env": dict(THREAD_CAPPED)} if processes else {}),
    )


def _tried(step: Callable[[], R]) -> R:
    """Take a step of the start, again where a worker died in the middle of it.

    Raises:
        SchedulerUnusable: it does not succeed.
    """
    for _ in range(_MOST_TRIES - 1):
        with suppress(OSError, RuntimeError):
            return step()
    try:
        return step()
    except (OSError, RuntimeError) as error:
        raise SchedulerUnusable(
            f"The Dask workers cannot begin: {error}",
            hint="See whether scheduler and workers still live, and go on with --resume.",
        ) from error


class _Closing(Client):
    """A client that is closed where it cannot begin.

    Else it is closed whenever its memory is collected; where that is while another one begins,
    the two wait for one lock for ever.
    """

    def start(self, **options: Any) -> Any:
        """See `Client.start`."""
        try:
            return super().start(**options)
        except BaseException:
            self.close()
            raise


@contextmanager
def _connected(address: str, security: Security | None) -> Iterator[Client]:
    try:
        client = _Closing(
            address,
            timeout=SECONDS_TO_CONNECT,
            security=security,
            direct_to_workers=True,
            set_as_default=False,
        )
    except _NOT_DASK as error:
        raise SchedulerUnusable(
            f"No Dask scheduler answers at {address}: {error}",
            hint="Start one (dask scheduler), and see to address, firewall and, for tls://, "
            "--tls-ca-file, --tls-cert and --tls-key.",
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=SECONDS_WITHOUT_WORKERS)
        except TimeoutError:
            raise _workerless() from None
        except OSError:
            raise _gone() from None
        yield client


def _security(options: DaskOptions) -> Security | None:
    given = {
        "tls_ca_file": options.tls_ca_file,
        "tls_client_cert": options.tls_cert,
        "tls_client_key": options.tls_key,
    }
    if not any(given.values()):
        return None
    return Security(require_encryption=True, **{k: v for k, v in given.items() if v})


@contextmanager
def _quiet() -> Iterator[None]:
    """Errors of Dask become errors of ours: its own log says them twice."""
    names = [
        name
        for name in logging.root.manager.loggerDict
        if name.split(".")[0] in ("distributed", "tornado", "asyncio")
    ]
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(_QUIET)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
