"""What a build takes in memory: anonymous memory of all of its processes, over time.

Anonymous is what cannot be dropped: neither the page cache nor libraries and files that are
mapped count. Linux alone says so (RssAnon of /proc/PID/status).
"""

from __future__ import annotations

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.sharding.whole import command
from remote.workloads.shards.build import preview
from remote.workloads.shards.settings import Mode

_PAUSE = 0.05


@dataclass(frozen=True)
class Reading:
    """One look: seconds since the start, bytes of all processes, and how many these were."""

    seconds: float
    size: int
    processes: int


@dataclass(frozen=True)
class Taken:
    """What one build took, and what `--dry-run` expected of it just before."""

    name: str
    rows: int
    workers: int
    expected_peak: int
    expected_seconds: float
    readings: tuple[Reading, ...]

    @property
    def seconds(self) -> float:
        """From start to end."""
        return self.readings[-1].seconds

    @property
    def peak(self) -> int:
        """The most at any look, in bytes."""
        return max(x.size for x in self.readings)

    def series(self, parts: int) -> list[tuple[float, float, int]]:
        """For each of `parts` equal stretches of time: its end in s, median and peak in bytes."""
        found = []
        for part in range(parts):
            start, stop = (self.seconds * at / parts for at in (part, part + 1))
            sizes = [x.size for x in self.readings if start < x.seconds <= stop]
            if sizes:
                found.append((stop, statistics.median(sizes), max(sizes)))
        return found


def build(path: Path, rows: int, scratch: Path, mode: Mode, workers: int) -> Taken:
    """Ask for a forecast, build in a process of its own, and look at it all the while."""
    with tempfile.TemporaryDirectory(prefix="memory-", dir=scratch) as root:
        expected = preview(
            input_hdf5=path,
            output_root=root,
            mode=mode,
            num_workers=workers,
            min_memory_gb=0,
            min_disk_gb=0,
        )
        argv = command(path, Path(root), "--mode", mode, "--num-workers", str(workers))
        readings = tuple(watched(argv))
    name = f"{mode}, {workers} workers"
    return Taken(name, rows, workers, expected.memory, expected.forecast.seconds, readings)


def watched(argv: Sequence[str]) -> Iterator[Reading]:
    """Run a command, look often, and fail where it fails."""
    began = time.perf_counter()
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(argv, stdout=log, stderr=log) as process,
    ):
        while process.poll() is None:
            sizes = [_anonymous(pid) for pid in family(process.pid)]
            yield Reading(time.perf_counter() - began, sum(sizes), sum(map(bool, sizes)))
            with suppress(subprocess.TimeoutExpired):
                process.wait(_PAUSE)
        if process.returncode:
            log.seek(0)
            raise subprocess.CalledProcessError(process.returncode, argv, log.read())


def family(pid: int) -> Iterator[int]:
    """A process and all that descend from it."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):  # it has ended meanwhile
            for child in path.read_text().split():
                yield from family(int(child))


def _anonymous(pid: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) << 10
    return 0
