"""Workers and read-ahead are lowered, in this order of harm, until a build fits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import MemoryTooSmall
from remote.workloads.shards.memory_plan import (
    MB,
    Blocks,
    default_limit,
    peak_bytes,
    within,
)
from remote.workloads.shards.plan import Task
from remote.workloads.shards.settings import GIB, DaskOptions, Execution

BLOCKS = Blocks(raw=80 * MB, group=8 * MB, result=14 * MB)
THREADS = Execution(workers=4, batch_size=20_000, checkpoint_interval=5_000)


@dataclass(frozen=True)
class Input:
    width: int
    dtype: np.dtype[Any]

    def blocks(self, row_start: int, row_stop: int, bytes_per_row: float) -> Blocks:
        rows = row_stop - row_start
        raw = rows * 2 * self.width * self.dtype.itemsize
        return Blocks(raw, 12 * 5_000 * self.width, int(rows * bytes_per_row))


def test_the_largest_task_counts() -> None:
    sources = [Input(128, np.dtype("f8")), Input(64, np.dtype("f4"))]
    tasks = [Task(0, 0, 0, 1_000), Task(1, 1, 0, 5_000)]
    blocks = Blocks.of(sources, tasks, 350.0)
    assert blocks.raw == max(1_000 * 2 * 128 * 8, 5_000 * 2 * 64 * 4)
    assert blocks.result == 5_000 * 350


def test_what_fits_is_left_alone() -> None:
    plan = within(THREADS, BLOCKS, 8 * GIB)
    assert (plan.execution, plan.lowered) == (THREADS, "")
    assert plan.peak == peak_bytes(THREADS, BLOCKS)


def test_read_ahead_goes_first_then_workers() -> None:
    peak = peak_bytes(THREADS, BLOCKS)
    less_ahead = within(THREADS, BLOCKS, peak - 1)
    assert (less_ahead.execution.workers, less_ahead.execution.read_ahead) == (4, 4)
    assert "4 tasks ahead instead of 5" in less_ahead.lowered
    fewer = within(THREADS, BLOCKS, peak - 100 * MB)
    assert fewer.execution.workers == 3
    assert "3 of 4 workers" in fewer.lowered


def test_one_worker_that_is_too_much_is_refused() -> None:
    with pytest.raises(MemoryTooSmall, match=r"with one worker takes about 0\.2") as caught:
        within(THREADS, BLOCKS, 100 * MB)
    assert "--max-memory-gb" in caught.value.hint


def test_answers_of_a_ranker_count_in_the_parent_and_scores_in_each_process() -> None:
    ranked = replace(BLOCKS, ranked=1_000_000)
    assert peak_bytes(THREADS, ranked) == peak_bytes(THREADS, BLOCKS) + 402 * MB
    processes = replace(THREADS, processes=True)
    more = peak_bytes(processes, ranked) - peak_bytes(processes, BLOCKS)
    assert more == 402 * MB + 4 * 12 * MB
    with pytest.raises(MemoryTooSmall) as caught:
        within(THREADS, ranked, 500 * MB)
    assert "quality/ranker/max_spectra" in caught.value.hint


@given(
    workers=st.integers(1, 48),
    processes=st.booleans(),
    dask=st.sampled_from([None, DaskOptions()]),
    limit=st.integers(300, 20_000),
)
def test_a_plan_keeps_to_its_limit(
    workers: int, processes: bool, dask: DaskOptions | None, limit: int
) -> None:
    asked = replace(THREADS, workers=workers, processes=processes, dask=dask)
    try:
        plan = within(asked, BLOCKS, limit * MB)
    except MemoryTooSmall:
        assert peak_bytes(replace(asked, workers=1, ahead=1), BLOCKS) > limit * MB
        return
    assert plan.peak <= limit * MB
    assert 1 <= plan.execution.workers <= workers
    assert bool(plan.lowered) == (plan.execution != asked)
    more = replace(asked, workers=plan.execution.workers + 1, ahead=plan.execution.workers + 1)
    assert plan.execution.workers == workers or peak_bytes(more, BLOCKS) > limit * MB


def test_workers_elsewhere_take_no_memory_here() -> None:
    elsewhere = replace(THREADS, workers=48, dask=DaskOptions("tcp://box:8786"))
    assert peak_bytes(elsewhere, BLOCKS) < 300 * MB + 96 * BLOCKS.result


def test_by_default_a_build_takes_what_there_is_within_reason() -> None:
    assert default_limit(THREADS, 5 * GIB) == 5 * GIB
    assert default_limit(THREADS, 500 * GIB) == 12 * GIB
