"""A Dask scheduler and workers as programs of their own, as a person starts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[3]
SECONDS_TO_START = 60


@dataclass
class Scheduler:
    """A running scheduler; workers are started beside it."""

    folder: Path
    process: subprocess.Popen[bytes]
    options: tuple[str, ...]
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where it listens."""
        return str(json.loads((self.folder / "scheduler.json").read_text())["address"])

    def is_up(self, workers: int) -> bool:
        """Whether it listens and has so many workers."""
        log = (self.folder / "log").read_bytes()
        return (self.folder / "scheduler.json").exists() and log.count(b"Registered to:") >= workers

    def add_worker(
        self,
        *,
        nanny: bool = False,
        threads: int = 1,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[bytes]:
        """Start a worker, which is there some time later."""
        command = [
            *_dask("worker"),
            f"--scheduler-file={self.folder / 'scheduler.json'}",
            "--nanny" if nanny else "--no-nanny",
            f"--nthreads={threads}",
            "--no-dashboard",
            "--host=127.0.0.1",
            f"--local-directory={self.folder}",
            *self.options,
        ]
        worker = _started(command, self.folder, environment or {})
        self.workers.append(worker)
        return worker


@contextmanager
def scheduler(
    folder: Path, workers: int = 0, options: Sequence[str] = (), protocol: str = "tcp"
) -> Iterator[Scheduler]:
    """A scheduler on the loopback with so many workers; all of them end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        *_dask("scheduler"),
        f"--scheduler-file={folder / 'scheduler.json'}",
        f"--protocol={protocol}",
        "--host=127.0.0.1",
        "--port=0",
        "--no-dashboard",
        *options,
    ]
    with ExitStack() as stack:
        found = Scheduler(folder, _started(command, folder, {}), tuple(options))
        stack.callback(_end, found)
        for _ in range(workers):
            found.add_worker()
        deadline = time.monotonic() + SECONDS_TO_START
        while not found.is_up(workers):
            assert found.process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield found


def _dask(program: str) -> list[str]:
    return [sys.executable, "-m", f"distributed.cli.dask_{program}"]


def _started(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        )


def _end(found: Scheduler) -> None:
    for process in (*found.workers, found.process):
        process.terminate()
    for process in (*found.workers, found.process):
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.kill()
        process.wait()
