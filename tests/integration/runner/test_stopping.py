"""Stopping a run, gently and not; and what happens when the runner itself is killed."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.integration.runner.making import RunFiles, alive, make_run, start, wait_until

pytestmark = pytest.mark.integration

SLEEPS = "import time\nprint('under way', flush=True)\ntime.sleep(60)\nprint('slept')"
IGNORES = (
    "import time\nprint('under way', flush=True)\n"
    "while True:\n    try:\n        time.sleep(60)\n    except KeyboardInterrupt:\n        pass"
)
HOLDS_THE_INTERPRETER = "print('under way', flush=True)\nsum(range(10**12))"


def stopped(path: Path, number: signal.Signals, times: int = 1) -> tuple[RunFiles, float]:
    """Start, wait for the cell to run, signal; the run and how long its end took."""
    with start(path) as process:
        log = path / "kernel.log"
        wait_until(lambda: log.exists() and "under way" in log.read_text())
        began = time.monotonic()
        for _ in range(times):
            process.send_signal(number)
            time.sleep(0.1)
        exit_code = process.wait(20)
        return RunFiles(path, exit_code), time.monotonic() - began


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_interrupts_the_cell_and_keeps_its_output(
    tmp_path: Path, number: signal.Signals
) -> None:
    done, seconds = stopped(make_run(tmp_path / "r", [SLEEPS, "print('never')"]), number)
    assert seconds < 3
    assert (done.exit_code, done.outcome["state"]) == (6, "cancelled")
    assert done.outcome["signal"] == number.name
    assert done.outcome["error"]["cell"] == 0
    assert done.text(0) == "under way\n"
    assert done.executed.cells[0].outputs[-1].ename == "KeyboardInterrupt"
    assert "never" not in done.log
    assert done.events[-1]["event"] == "finished"


@pytest.mark.parametrize("source", [IGNORES, HOLDS_THE_INTERPRETER])
def test_a_cell_that_does_not_listen_is_ended_within_five_seconds(
    tmp_path: Path, source: str
) -> None:
    done, seconds = stopped(make_run(tmp_path / "r", [source]), signal.SIGTERM)
    assert seconds < 5
    assert (done.exit_code, done.outcome["state"]) == (6, "cancelled")
    assert done.text(0) == "under way\n"


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    done, seconds = stopped(make_run(tmp_path / "r", [IGNORES]), signal.SIGTERM, times=2)
    assert seconds < 2
    assert done.exit_code == 6


def test_a_cell_that_swallows_the_interrupt_is_the_last_one(tmp_path: Path) -> None:
    source = (
        "import time\nprint('under way', flush=True)\n"
        "try:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('tidied')"
    )
    done, _ = stopped(make_run(tmp_path / "r", [source, "print('never')"]), signal.SIGTERM)
    assert (done.exit_code, done.outcome["cells_run"]) == (6, 1)
    assert "tidied" in done.text(0)
    assert "never" not in done.log


def test_a_stop_before_the_kernel_is_ready(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", [SLEEPS])
    with start(path) as process:
        wait_until((path / "kernel.log").exists)
        process.send_signal(signal.SIGTERM)
        assert process.wait(6) == 6
    assert RunFiles(path).outcome["state"] == "cancelled"


CHILDREN = (
    "import os, subprocess, time\n"
    "child = subprocess.Popen(['sleep', '300'])\n"
    "print('pids', os.getpid(), child.pid, flush=True)\n"
)


def pids(path: Path) -> list[int]:
    """The kernel and its child, as the cell printed them."""
    log = path / "kernel.log"
    wait_until(lambda: log.exists() and "pids" in log.read_text() and "\n" in log.read_text())
    return [int(word) for word in log.read_text().split()[1:3]]


@pytest.mark.parametrize("then", ["time.sleep(300)", "sum(range(10**12))"])
def test_kernel_and_children_die_with_a_runner_that_is_killed(tmp_path: Path, then: str) -> None:
    path = make_run(tmp_path / "r", [CHILDREN + then])
    with start(path, TMPDIR=str(tmp_path)) as process:
        family = pids(path)
        assert all(map(alive, family))
        process.kill()
    wait_until(lambda: not any(map(alive, family)), seconds=3)
    assert not (path / "outcome.json").exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["r"]
    assert RunFiles(path).executed.cells[0].source.startswith("import os")


def test_children_do_not_outlive_a_run_that_ends(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", [CHILDREN, "OUTPUT_DIR.joinpath('done').touch()"])
    with start(path) as process:
        family = pids(path)
        wait_until((path / "output" / "done").exists)
        began = time.monotonic()
        assert process.wait(30) == 0
    assert time.monotonic() - began < 6
    assert not any(map(alive, family))


def test_output_of_a_long_cell_is_saved_while_it_runs(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", [SLEEPS])
    with start(path) as process:
        executed = path / "executed.ipynb"
        wait_until(
            lambda: executed.exists() and "under way\\n" in executed.read_text().split("source")[0]
        )
        process.send_signal(signal.SIGTERM)
        process.wait(10)
