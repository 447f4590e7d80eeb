"""Worker processes that die, fail, take too much or outlive those who started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from remote.errors import InputUnusable, InternalError, WorkerLost
from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.execution.caps import MOST_THREADS, THREAD_CAPPED
from remote.workloads.shards.execution.processes import Processes
from remote.workloads.shards.meter import Progress
from remote.workloads.shards.tasks import in_order
from tests.unit.shards import chores
from tests.unit.shards.making import RUN_ID, make_input, tree

ONE = (None,)
TWO = (None, None)


def gone(pids: list[int], seconds: float = 5) -> bool:
    """Whether none of the processes is left, after that long at most."""
    left = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    return not psutil.wait_procs(left, timeout=seconds)[1]


def test_results_come_back_whole_and_in_order() -> None:
    with Processes(chores.blocks, TWO) as pool:
        for task, found in enumerate(in_order(pool.submit, range(20), 4)):
            whole, strided, empty, counted = found
            expected = np.arange(task * 1000, dtype=np.float64)
            np.testing.assert_array_equal(whole, expected)
            np.testing.assert_array_equal(strided, expected[::3])
            assert len(empty) == 0
            assert counted == {"count": task}
            assert whole.flags.owndata or whole.base is not None
        pids = pool.pids()
    assert len(pids) == 2
    assert gone(pids, 0)


def test_a_task_of_a_killed_worker_is_done_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lives = tmp_path / "lives"
    lives.write_bytes(b"12")
    tasks = [(str(lives) if n == 3 else "", n) for n in range(12)]
    with Processes(chores.deadly, TWO, lambda task: f"a.hdf5, row {task[1]}") as pool:
        assert list(in_order(pool.submit, tasks, 4)) == list(range(12))
    assert "signal 9" in caplog.text
    assert caplog.text.count("a.hdf5, row 3; it is replaced") == 2


def test_the_third_death_at_a_task_ends_the_build(tmp_path: Path) -> None:
    lives = tmp_path / "lives"
    lives.write_bytes(b"1234")
    tasks = [(str(lives) if n == 5 else "", n) for n in range(100)]
    seen: list[int] = []
    with (
        pytest.raises(
            WorkerLost, match=r"3 worker processes .*signal 9.* a\.hdf5, row 5"
        ) as caught,
        Processes(chores.deadly, TWO, lambda task: f"a.hdf5, row {task[1]}") as pool,
    ):
        seen.extend(in_order(pool.submit, tasks, 4))
    assert seen == [0, 1, 2, 3, 4]
    assert "--num-workers" in caught.value.hint
    assert lives.read_bytes() == b"1"


def test_errors_of_tasks_come_back_as_they_are() -> None:
    with Processes(chores.failing, ONE) as pool:
        bad, defect, fine = (pool.submit(task) for task in (1, 2, 3))
        with pytest.raises(InputUnusable, match="row 17") as caught:
            bad.result(60)
        assert caught.value.hint == "Mend it."
        with pytest.raises(InternalError, match="ZeroDivisionError") as found:
            defect.result(60)
        assert "\n" not in found.value.hint
        log = Path(found.value.hint.removeprefix("The traceback is in ").removesuffix("."))
        assert "in failing" in log.read_text()
        log.unlink()
        assert fine.result(60) == 3


@pytest.mark.parametrize(
    ("error", "kind", "says"),
    [
        (InputUnusable("a.hdf5 is gone"), InputUnusable, "a.hdf5 is gone"),
        (None, WorkerLost, "before they can begin .*exit status 3"),
    ],
    ids=["refuses", "dies"],
)
def test_work_that_no_worker_can_open_ends_every_task(
    error: Exception | None, kind: type[Exception], says: str
) -> None:
    with Processes(chores.Unopenable(error), TWO) as pool:
        for future in [pool.submit(n) for n in range(5)]:
            with pytest.raises(kind, match=says):
                future.result(60)


def test_leaving_does_not_wait_for_what_is_under_way() -> None:
    with Processes(chores.busy, ONE) as pool:
        pool.submit(0.0).result(60)
        pool.submit(60.0)
        pids = pool.pids()
        began = time.monotonic()
    assert time.monotonic() - began < 2
    assert gone(pids, 0)


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="no list of threads here")
def test_a_worker_has_no_more_threads_than_it_may() -> None:
    with Processes(chores.greedy, ONE) as pool:
        assert pool.submit(0).result(60) == 0
        (pid,) = pool.pids()
        assert len(list(Path(f"/proc/{pid}/task").iterdir())) <= MOST_THREADS
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        assert {f"{k}={v}".encode() for k, v in THREAD_CAPPED.items()} <= set(environment)
        with pytest.raises(InternalError, match="threads, of which"):
            pool.submit(4).result(60)


def test_a_build_goes_on_to_the_same_bytes_without_a_killed_worker(tmp_path: Path) -> None:
    inputs = make_input(tmp_path / "a.hdf5", 60_000, 1)
    killed: list[int] = []

    def watch(now: Progress) -> None:
        if now.done >= 10_000 and not killed:
            workers = [p for p in psutil.Process().children() if is_worker(p)]
            killed.extend(worker.pid for worker in workers)
            for worker in workers:
                worker.kill()

    options: dict[str, Any] = {"run_id": RUN_ID, "skip_preflight": True, "num_workers": 2}
    build_shards(input_hdf5=inputs, output_root=tmp_path / "whole", **options)
    build_shards(
        BuildSettings(max_shard_size_bytes=1_000_000_000),
        input_hdf5=inputs,
        output_root=tmp_path / "killed",
        mode="production",
        batch_size=5_000,
        watch=watch,
        **options,
    )
    assert len(killed) == 2
    for name, data in tree(tmp_path / "whole").items():
        if name.startswith("train/"):
            assert tree(tmp_path / "killed")[name] == data
    assert not [p for p in psutil.Process().children() if is_worker(p)]


def is_worker(process: psutil.Process) -> bool:
    """Whether it is a worker process of ours."""
    return any(word.endswith("execution.worker") for word in process.cmdline())


PARENT = """
import sys, time
from remote.workloads.shards.execution.processes import Processes
from tests.unit.shards import chores
with Processes(chores.busy, (None, None)) as pool:
    first = [pool.submit(0.3) for _ in range(6)]
    for future in first:
        future.result()
    last = [pool.submit(60.0) for _ in range(int(sys.argv[1]))]
    time.sleep(0.3)
    print(*pool.pids(), flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("under_way", [0, 2], ids=["idle", "busy"])
def test_workers_end_with_a_killed_parent(project_root: Path, under_way: int) -> None:
    command = [sys.executable, "-c", PARENT, str(under_way)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=project_root, text=True
    ) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        everyone = [child.pid for child in psutil.Process(parent.pid).children(recursive=True)]
        assert len(pids) == 2
        assert set(pids) == set(everyone)
        parent.kill()
    assert gone(everyone)


def test_ctrl_c_is_for_the_parent_alone(project_root: Path) -> None:
    """The terminal sends it to the whole group, also while workers start."""
    for pause in (0.05, 0.2, 0.6, 1.2):
        with subprocess.Popen(
            [sys.executable, "-c", PARENT, "2"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=project_root,
            start_new_session=True,
        ) as parent:
            deadline = time.monotonic() + 30
            while not (children := psutil.Process(parent.pid).children()):
                assert time.monotonic() < deadline
                time.sleep(0.005)
            time.sleep(pause)
            os.killpg(parent.pid, signal.SIGINT)
            _, errors = parent.communicate(timeout=30)
        assert errors.count(b"Traceback") == 1, errors.decode()
        assert errors.rstrip().endswith(b"KeyboardInterrupt")
        assert gone([child.pid for child in children], 0)
