"""Builds from start to end: the journal, manifests, report and all checks are part of it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.sharding.timing import Measured, timed
from remote.workloads.shards import build_shards
from remote.workloads.shards.settings import Mode


def can_bind() -> bool:
    """True where a build can be bound to one core."""
    return hasattr(os, "sched_setaffinity")


@contextmanager
def _bound(one_core: bool) -> Iterator[None]:
    """Bind this thread, and those and the processes that it starts, to one core of its own."""
    if not one_core:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def whole(
    path: Path,
    rows: int,
    scratch: Path,
    mode: Mode,
    workers: int,
    *,
    use_dask: bool = False,
    one_core: bool = False,
) -> Measured:
    """Build in this process, and whatever processes the mode starts."""
    with tempfile.TemporaryDirectory(prefix="build-", dir=scratch) as root, _bound(one_core):

        def work() -> tuple[int, int]:
            result = build_shards(
                input_hdf5=path,
                output_root=root,
                mode=mode,
                num_workers=workers,
                use_dask=use_dask,
                min_memory_gb=0,
                min_disk_gb=0,
            )
            return rows, result.total_bytes

        return timed(work)


def command(path: Path, root: Path, *options: str) -> Sequence[str]:
    """`msms build-shards` as a process of its own."""
    build = [sys.executable, "-m", "remote.workloads.shards", "build-shards", "--json"]
    limits = ["--min-memory-gb", "0", "--min-disk-gb", "0"]
    return [*build, "--input-hdf5", str(path), "--output-root", str(root), *limits, *options]


def start_up(one_row: Path, scratch: Path) -> Measured:
    """A new process that shards one spectrum."""
    with tempfile.TemporaryDirectory(prefix="start-", dir=scratch) as root:

        def work() -> tuple[int, int]:
            subprocess.run(command(one_row, Path(root)), check=True, capture_output=True)
            return 1, 0

        return timed(work)
