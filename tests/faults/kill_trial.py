"""One build that is killed at one moment, and what must hold afterwards."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pyarrow.parquet as pq

from remote.errors import SchedulerUnusable
from tests.faults.commands import build_command, journalled, start, wait_until
from tests.faults.families import PARENT, SCHEDULER, family, role, seconds_until_gone
from tests.integration.shards.schedulers import scheduler
from tests.unit.shards.making import tree

ORPHAN_SECONDS = 5.0
LONGEST_SECONDS = 120.0
# Batches of 10,000 rows; no more than one of them, or one interval, may be done again.
BATCH_ROWS = INTERVAL_ROWS = 10_000
FLAGS = ("--shard-size", 750_000, "--batch-size", BATCH_ROWS)
CHECKPOINTS = ("--checkpoint-interval", INTERVAL_ROWS)


@dataclass(frozen=True, slots=True)
class Way:
    """A way of running a build: flags, and how many tasks are under way at one time.

    Attributes:
        elsewhere: the work is done on a Dask scheduler that is started beside the build.
    """

    name: str
    flags: tuple[str | int, ...]
    workers: int = 2
    elsewhere: bool = False

    @contextmanager
    def around(self, root: Path) -> Iterator[Around]:
        """Start what the build needs beside it."""
        if not self.elsewhere:
            yield Around((), ())
            return
        folder = root.parent / "scheduler"
        with scheduler(folder) as found:
            pids = [found.process.pid, *(found.add_worker(nanny=True).pid for _ in range(2))]
            wait_until(lambda: found.is_up(2))
            members = tuple(
                member
                for program in map(psutil.Process, pids)
                for member in (program, *program.children())
            )
            try:
                yield Around(("--scheduler", found.address), members)
            finally:
                for member in members:
                    with suppress(psutil.Error):
                        member.kill()
        shutil.rmtree(folder)


@dataclass(frozen=True, slots=True)
class Around:
    """What runs beside a build, and the flags that tell it so."""

    flags: tuple[str, ...]
    members: tuple[psutil.Process, ...]


@dataclass(frozen=True, slots=True)
class Stage:
    """What trials of one way share.

    Attributes:
        expected: the files of an undisturbed build.
        seconds: how long that took, start-up included.
    """

    way: Way
    inputs: tuple[Path, ...]
    expected: dict[str, bytes]
    seconds: float

    @classmethod
    def set(cls, way: Way, inputs: tuple[Path, ...], folder: Path) -> Stage:
        """Build once, undisturbed."""
        root = folder / f"{way.name}-whole"
        with way.around(root) as around:
            began = time.monotonic()
            with Attempt(root, way, inputs, around) as attempt:
                attempt.ended()
            return cls(way, inputs, tree(root), time.monotonic() - began)


@dataclass(slots=True)
class Outcome:
    """What a trial found.

    Attributes:
        victim: None where the build was over before the moment came.
        redone: rows that were in the journal and were done again.
        gone: seconds from the parent's death to that of its last child.
        over: the build came to its end in spite of the kill, if there was one.
    """

    victim: str | None = None
    over: bool = False
    redone: int = 0
    gone: float = 0.0
    resumed: bool = False
    faults: list[str] = field(default_factory=list)


class Attempt:
    """A build that runs, from its start to its end."""

    def __init__(self, root: Path, way: Way, inputs: tuple[Path, ...], around: Around) -> None:
        self.root = root
        self.around = around
        self.log = root.with_suffix(".log")
        flags = (*FLAGS, *CHECKPOINTS, *way.flags, *around.flags, "--resume", "--json")
        self.process = start(build_command(root, inputs, *flags), log=self.log)

    def __enter__(self) -> Attempt:
        return self

    def __exit__(self, *_: object) -> None:
        for left in family(self.process.pid):
            with suppress(psutil.Error):
                left.kill()
        self.process.wait()

    def ended(self) -> dict[str, Any]:
        """Wait for the end, which must be a good one; the result."""
        code = self.process.wait(LONGEST_SECONDS)
        said = self.log.read_text()
        assert code == 0, f"exit code {code}: {said[-2000:]}"
        result: dict[str, Any] = json.loads(said[said.index("{\n") :])
        return result

    def kill(self, moment: float, choose: random.Random) -> str | None:
        """Kill somebody that many seconds after the start; who, None where nobody was left."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(moment)
            return None
        leader = self.process.pid
        members = [*family(leader), *self.around.members]
        children = [member for member in members if member.pid != leader]
        victims = children if children and choose.random() < 0.5 else members
        if not victims:  # it ended just now
            return None
        victim = choose.choice(victims)
        name = role(victim, leader)
        with suppress(psutil.NoSuchProcess):
            victim.send_signal(signal.SIGKILL)
        return name


def trial(stage: Stage, root: Path, choose: random.Random) -> Outcome:
    """Go on with what lies in `root`, be killed, and see what is left."""
    found = Outcome()
    with (
        stage.way.around(root) as around,
        Attempt(root, stage.way, stage.inputs, around) as attempt,
    ):
        found.victim = attempt.kill(choose.uniform(0, stage.seconds), choose)
        check = Checks(root, found.faults)
        if found.victim == PARENT:
            attempt.process.wait()
            seen: set[Path] = set()
            check(lambda: whole_shards(root, seen))
            with check.noting():
                found.gone = seconds_until_gone(attempt.process.pid, ORPHAN_SECONDS)
            check(lambda: whole_shards(root, seen))
        elif found.victim == SCHEDULER and attempt.process.wait(LONGEST_SECONDS):
            said = attempt.log.read_text()
            with check.noting():
                assert attempt.process.returncode == SchedulerUnusable.exit_code, said[-2000:]
                assert "Traceback" not in said, said[-2000:]
        else:
            found.over = True
            check(attempt.ended)
            check(lambda: same(root, stage.expected))
    return found


def resume(stage: Stage, root: Path, found: Outcome) -> None:
    """Go on after the parent's death, undisturbed, to the same bytes."""
    lines = journalled(root)
    before = sum(line.row_stop - line.row_start for line in lines)
    check = Checks(root, found.faults)
    finished = (root / "dataset_manifest.json").exists()
    seen: set[Path] = set()
    with (
        stage.way.around(root) as around,
        Attempt(root, stage.way, stage.inputs, around) as attempt,
        check.noting(),
    ):
        while attempt.process.poll() is None:
            whole_shards(root, seen)
            with suppress(subprocess.TimeoutExpired):
                attempt.process.wait(0.2)
        resumed = attempt.ended()["resumed_rows"]
        found.resumed = True
        found.redone = 0 if finished else max(0, before - resumed)
        limit = max(BATCH_ROWS, INTERVAL_ROWS) * stage.way.workers
        assert found.redone <= limit, f"{found.redone} rows were done again"
    check(lambda: same(root, stage.expected))


class Checks:
    """Runs checks, and notes those that fail."""

    def __init__(self, root: Path, faults: list[str]) -> None:
        self._root = root
        self._faults = faults

    def __call__(self, check: Callable[[], object]) -> None:
        with self.noting():
            check()

    def noting(self) -> _Noting:
        """For a block that checks."""
        return _Noting(self._root, self._faults)


@dataclass(frozen=True, slots=True)
class _Noting:
    root: Path
    faults: list[str]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> bool:
        if isinstance(error, (AssertionError, OSError, ValueError, subprocess.TimeoutExpired)):
            self.faults.append(f"{self.root.name}: {error}")
            return True
        return False


def whole_shards(root: Path, seen: set[Path]) -> None:
    """Every shard under its final name can be read to its end; those `seen` were."""
    for path in {*root.glob("*/shard_*.parquet")} - seen:
        seen.add(path)
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read()


def same(root: Path, expected: dict[str, bytes]) -> None:
    """The files are those of an undisturbed build."""
    found = tree(root)
    differ = [name for name in {*found, *expected} if found.get(name) != expected.get(name)]
    assert not differ, f"these differ: {sorted(differ)}"
