"""Tasks run side by side, and their results come in order."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.pipeline import remaining, stops
from remote.workloads.shards.plan import Task
from remote.workloads.shards.tasks import SerialExecutor, executor, in_order


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_results_come_in_order_and_only_so_many_ahead(workers: int) -> None:
    delays = np.random.default_rng(3).uniform(0, 0.003, 40).tolist()
    begun: list[int] = []

    def work(at: int) -> int:
        begun.append(at)
        time.sleep(delays[at])
        return at * at

    taken = 0
    with executor(workers) as pool:
        for at, result in enumerate(
            in_order(lambda at: pool.submit(work, at), range(40), workers + 1)
        ):
            assert result == at * at
            taken += 1
            assert len(begun) <= taken + workers + 1
    assert taken == 40
    assert not [t for t in threading.enumerate() if t.name.startswith("shards")]


def test_an_error_comes_at_its_place_and_nothing_more_is_begun() -> None:
    begun: list[int] = []

    def work(at: int) -> int:
        begun.append(at)
        if at == 3:
            raise InputUnusable("row 3")
        return at

    seen: list[int] = []
    with pytest.raises(InputUnusable, match="row 3"), executor(2) as pool:
        seen.extend(in_order(lambda at: pool.submit(work, at), range(1000), 3))
    assert seen == [0, 1, 2]
    assert len(begun) < 20


def test_leaving_early_drops_what_waits() -> None:
    pool = ThreadPoolExecutor(1)
    gate = threading.Event()
    results = in_order(lambda at: pool.submit(lambda: gate.wait(5) and at), range(10), 4)
    gate.set()
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    pool.shutdown(wait=True)


def test_the_serial_executor_keeps_an_error_for_who_asks() -> None:
    future: Future[None] = SerialExecutor().submit(int, "x")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="invalid literal"):
        future.result()


def test_what_is_left_after_a_row() -> None:
    tasks = [Task(0, 0, 0, 100), Task(1, 0, 100, 150), Task(2, 1, 0, 80)]
    left = list(remaining(tasks, (0, 120)))
    assert [(t.input_index, t.row_start, t.row_stop) for t in left] == [(0, 120, 150), (1, 0, 80)]
    assert list(remaining(tasks, (1, 80))) == []
    assert list(remaining(tasks, (0, 0))) == tasks
    assert stops(tasks) == {0: 150, 1: 80}
