"""A short try of a build's own work, on its file and its disk: what stages cost, and the pace."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from remote.workloads.durable import writing_errors
from remote.workloads.shards.blocks import CleanRows, cut
from remote.workloads.shards.execution.crew import crew
from remote.workloads.shards.output.append import ShardFile
from remote.workloads.shards.output.encode import EncodedGroup, Encoder
from remote.workloads.shards.pipeline import Part, Work
from remote.workloads.shards.plan import Task
from remote.workloads.shards.settings import Execution
from remote.workloads.shards.skipping import without_damaged
from remote.workloads.shards.tasks import in_order

T = TypeVar("T")

TRY_SECONDS = 3.0


@dataclass(slots=True)
class Sample:
    """What came of tasks that were done one by one.

    Attributes:
        rows, spectra: read and kept.
        bytes: of the row groups, with their part of a footer.
        processor, clock: seconds by stage.
    """

    rows: int = 0
    spectra: int = 0
    bytes: int = 0
    processor: dict[str, float] = field(default_factory=dict)
    clock: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add what the block takes to a stage."""
        began, began_cpu = time.perf_counter(), time.thread_time()
        yield
        self.processor[name] = self.processor.get(name, 0) + time.thread_time() - began_cpu
        self.clock[name] = self.clock.get(name, 0) + time.perf_counter() - began


@dataclass(frozen=True, slots=True)
class Pace:
    """How the build's own way did.

    Attributes:
        begin: seconds until work was under way everywhere.
        rate: source rows a second from then on.
        cores: how many were busy.
        writer: the share of the time that the writer was busy.
    """

    begin: float
    rate: float
    cores: float
    writer: float


@contextmanager
def place_for_it(output_root: Path) -> Iterator[Path]:
    """A directory on the disk of the shards, removed at the end.

    Raises:
        ResultsUnusable: it cannot be made there.
    """
    while not output_root.exists():
        output_root = output_root.parent
    with writing_errors(output_root):
        made = tempfile.TemporaryDirectory(prefix=".tryout-", dir=output_root)
    with made as folder:
        yield Path(folder)


def one_by_one(work: Work, tasks: Sequence[Task], encoder: Encoder, folder: Path) -> Sample:
    """Do tasks in this thread, each by itself."""
    sample = Sample()
    shard = ShardFile.create(folder / "sample", encoder.footer)
    try:
        for task in tasks:
            _one(work, task, shard, sample)
    finally:
        shard.close()
    return sample


def _one(work: Work, task: Task, shard: ShardFile, sample: Sample) -> None:
    before = shard.size
    with sample.stage("read, inflate"):
        raw = work.sources[task.input_index].read(task.row_start, task.row_stop)
    with sample.stage("clean"):
        kept = [without_damaged(piece, work.clean) for piece in cut(raw)]
    with sample.stage("encode"):
        groups = [part for rows in kept for part in work.encoded(rows)]
    with sample.stage("write, hash"):
        footers = sum(_append(shard, group) for group in groups)
    sample.rows += len(task)
    sample.spectra += sum(map(len, kept))
    sample.bytes += shard.size - before + footers


def _append(shard: ShardFile, group: EncodedGroup) -> int:
    """Append a group that has rows; the bytes it will take in a footer."""
    if not group.rows:
        return 0
    metadata = shard.place(group)
    shard.append(group, metadata)
    return len(metadata)


def as_built(
    work: Work,
    tasks: Sequence[Task],
    execution: Execution,
    inputs: Sequence[Path],
    encoder: Encoder,
    folder: Path,
) -> Pace:
    """Do tasks in a row as the build will, from the middle of it on, until the time is up."""
    some = tasks[len(tasks) // 3 :] if len(tasks) > 6 * execution.read_ahead else tasks
    watch = _Stopwatch(execution.workers if len(some) > 3 * execution.read_ahead else 0)
    shard = ShardFile.create(folder / "paced", encoder.footer)
    try:
        with crew(execution, work, work.describe, inputs) as workers:
            results = in_order(workers.submit, some, workers.ahead)
            for group in work.groups(watch.until(TRY_SECONDS, results)):
                began = time.perf_counter()
                for part in group:
                    _append(shard, part)
                watch.writing += time.perf_counter() - began
        shard.sync()
    finally:
        shard.close()
    return watch.pace()


class _Stopwatch:
    """Notes when results come."""

    def __init__(self, warm_up: int) -> None:
        """The first `warm_up` results are not measured: workers begin together, and so end."""
        self.writing = 0.0
        self._warm_up = warm_up
        self._created = time.perf_counter()
        self._began = self._ended = (self._created, 0, busy_seconds(), 0.0)

    def until(self, seconds: float, results: Iterable[Sequence[Part]]) -> Iterator[Sequence[Part]]:
        """The results until the time is up, at least one after those of the warm-up."""
        rows = 0
        for number, result in enumerate(results, start=1):
            rows += sum(map(_source_rows, result))
            yield result
            self._ended = (time.perf_counter(), rows, busy_seconds(), self.writing)
            if number == self._warm_up:
                self._began = self._ended
            elif number > self._warm_up and self._ended[0] - self._began[0] > seconds:
                return

    def pace(self) -> Pace:
        """What was measured."""
        took = max(1e-6, self._ended[0] - self._began[0])
        return Pace(
            begin=self._began[0] - self._created,
            rate=(self._ended[1] - self._began[1]) / took,
            cores=(self._ended[2] - self._began[2]) / took,
            writer=(self._ended[3] - self._began[3]) / took,
        )


def _source_rows(part: Part) -> int:
    rows = part if isinstance(part, CleanRows) else part[0]
    return rows.row_stop - rows.row_start


def busy_seconds() -> float:
    """Seconds of the processor that this process and its living descendants have had."""
    import psutil

    total = 0.0
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        with suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total
