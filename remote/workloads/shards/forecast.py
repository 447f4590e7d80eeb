"""What a build will take, reckoned from a short try (`tryout`)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remote.workloads.hostfacts import cores
from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.output.encode import Encoder
from remote.workloads.shards.pipeline import Work
from remote.workloads.shards.plan import Task
from remote.workloads.shards.settings import Execution
from remote.workloads.shards.tryout import Pace, Sample, as_built, one_by_one, place_for_it

_HASHED_BYTES = 32 << 20
# From this share of its time on, a part of the build is what binds it.
_BUSY = 0.85
# Counting repeats and writing the report at the end, in seconds a spectrum.
_CONCLUDING = 2.5e-7


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is expected of a build.

    Attributes:
        spectra, shards, bytes: that will be written.
        seconds: from the first task to the manifest.
        spectra_per_second: source rows over those seconds.
        stages: seconds of one core for a million source rows, by stage.
        binds: what there would have to be more of for it to be faster.
    """

    spectra: int
    shards: int
    bytes: int
    seconds: float
    spectra_per_second: float
    stages: dict[str, float]
    binds: str


def forecast(
    work: Work,
    tasks: Sequence[Task],
    execution: Execution,
    encoder: Encoder,
    output_root: Path,
    limit: int,
) -> Forecast:
    """Try for some seconds, and reckon from it; what is written for it is removed again.

    Raises:
        InputUnusable: rows that were tried cannot be read.
        ResultsUnusable, DiskTooSmall: nothing can be written where the shards are to be.
        SchedulerUnusable, WorkersRefused: see `crew`.
    """
    inputs = [source.path for source in work.sources]
    with place_for_it(output_root) as folder:
        one_by_one(work, tasks[:1], encoder, folder)  # loads what is compiled
        sample = one_by_one(work, _spread(tasks), encoder, folder)
        pace = as_built(work, tasks, execution, inputs, encoder, folder)
    rows = sum(map(len, tasks))
    hashing = sum(path.stat().st_size for path in inputs) / _hash_rate(inputs[0])
    seconds = _seconds(pace, rows, hashing)
    size = int(rows * sample.bytes / sample.rows)
    return Forecast(
        spectra=round(rows * sample.spectra / sample.rows),
        shards=_shards(size, rows, limit - encoder.footer.size(rows, 15, 0)),
        bytes=size,
        seconds=seconds,
        spectra_per_second=rows / seconds,
        stages={
            **{name: spent * 1e6 / sample.rows for name, spent in sample.processor.items()},
            "hash of the input": hashing * 1e6 / rows,
        },
        binds=_binds(sample, pace, execution),
    )


def _spread(tasks: Sequence[Task]) -> list[Task]:
    """The first, the last, and one between them."""
    return [tasks[place] for place in sorted({0, len(tasks) // 2, len(tasks) - 1})]


def _hash_rate(path: Path) -> float:
    """Bytes a second of SHA-256 on one core."""
    with path.open("rb") as source:
        data = source.read(_HASHED_BYTES)
    began = time.thread_time()
    hashlib.sha256(data).digest()
    return len(data) / max(1e-9, time.thread_time() - began)


def _seconds(pace: Pace, rows: int, hashing: float) -> float:
    """The input is hashed beside the work, on what the work leaves of the cores."""
    work = rows / pace.rate
    left = max(0.0, cores() - pace.cores) * work
    return pace.begin + work + max(0.0, hashing - left) / cores() + rows * _CONCLUDING


def _shards(size: int, rows: int, room: int) -> int:
    """A shard is closed before the row group for which there is no room."""
    groups = -(-rows // ROW_GROUP_ROWS)
    each = max(1, int(room / max(1.0, size / groups)))
    return -(-groups // each)


def _binds(sample: Sample, pace: Pace, execution: Execution) -> str:
    reading, clock = sample.processor["read, inflate"], sample.clock["read, inflate"]
    if clock > 2 * reading and clock > sum(sample.clock.values()) / 2:
        return "the disk or share that the input lies on"
    if pace.writer > _BUSY:
        return "the one writer: the disk of the shards, and the core that hashes them"
    if pace.cores > _BUSY * cores():
        most = max(sample.processor, key=sample.processor.__getitem__)
        return f"the cores, all {cores()} of them; most of their time goes to: {most}"
    if execution.local_workers < cores():
        return f"the number of workers: {execution.local_workers} on {cores()} cores"
    return "waiting between the stages"
