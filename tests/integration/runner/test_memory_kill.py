"""Killed for memory: a real kill by a real control group, named as what it was."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from remote.workloads.memory import find_cgroup
from tests.integration.runner.making import ROOT, RunFiles, make_run

pytestmark = pytest.mark.integration

LIMIT = 400_000_000
FILLS = "blocks = []\nprint('filling', flush=True)\nwhile True: blocks.append(b'x' * 10_000_000)"
WORKER_FILLS = (
    "from concurrent.futures import ProcessPoolExecutor\nimport multiprocessing\n"
    "def eat(size): return len(b'x' * size)\n"
    "with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('fork')) as pool:\n"
    "    pool.submit(eat, 900_000_000).result()"
)


@pytest.fixture
def small_group() -> Iterator[Path]:
    """A control group with LIMIT bytes of memory below our own."""
    own = find_cgroup()
    if own is None:
        pytest.skip("no memory control group on this machine")
    group = own.directory / f"workhorse-test-{os.getpid()}"
    limit = "memory.limit_in_bytes" if own.version == 1 else "memory.max"
    try:
        group.mkdir()
        (group / limit).write_text(str(LIMIT))
        if own.version == 2:
            (group / "memory.swap.max").write_text("0")
    except OSError as error:
        with suppress(OSError):
            group.rmdir()
        pytest.skip(f"a control group with a limit cannot be made here: {error}")
    yield group
    for _ in range(100):
        with suppress(OSError):
            group.rmdir()
            return
        time.sleep(0.05)


def run_inside(group: Path, path: Path) -> RunFiles:
    enter = 'echo $$ > "$0/cgroup.procs" && exec "$@"'
    command = [str(shutil.which("sh")), "-c", enter, str(group)]
    runner = [sys.executable, "-m", "remote.runner", str(path)]
    done = subprocess.run([*command, *runner], cwd=ROOT, check=False, timeout=100)
    return RunFiles(path, done.returncode)


@pytest.mark.parametrize(
    ("source", "victim"), [(FILLS, "the kernel"), (WORKER_FILLS, "a worker process")]
)
def test_a_kill_for_memory_is_named(
    tmp_path: Path, small_group: Path, source: str, victim: str
) -> None:
    done = run_inside(small_group, make_run(tmp_path / "r", [source, "print('never')"]))
    outcome = done.outcome
    assert (done.exit_code, outcome["state"]) == (5, "out-of-memory")
    assert outcome["oom_kills"] >= 1
    assert abs(outcome["memory_limit_bytes"] - LIMIT) < 10_000
    said = f"{victim} was killed for memory in cell 1: peak 400 MB, limit 400 MB"
    assert outcome["error"]["problem"] == said
    assert "fewer workers" in outcome["error"]["hint"]
    assert done.executed.cells[0].outputs[-1].output_type == "error"
