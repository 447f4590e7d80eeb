"""What is said about a kernel that is gone: out of memory only with evidence."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import cast

import pytest

from remote.model import RunState
from remote.runner.engine import CellFailed
from remote.runner.verdict import cell_raised, kernel_gone, size
from remote.runner.watch import MemoryWatch


class Counters:
    """A memory watch with figures of our own."""

    charged_bytes = 1_990_000_000
    limit_bytes = 2_000_000_000

    def __init__(self, group: int = 0, machine: int = 0) -> None:
        self.oom_kills = self.oom_kills_since_mark = group
        self.system_oom_kills = machine


def watch(group: int = 0, machine: int = 0) -> MemoryWatch:
    return cast(MemoryWatch, Counters(group, machine))


@pytest.mark.parametrize("counted", [watch(group=1), watch(machine=1)])
def test_a_kill_that_was_counted_is_out_of_memory(counted: MemoryWatch) -> None:
    ending = kernel_gone(3, -signal.SIGKILL, counted)
    assert (ending.state, ending.exit_code) == (RunState.OUT_OF_MEMORY, 5)
    assert ending.failure is not None
    assert "in cell 4: peak 1.99 GB, limit 2 GB" in ending.failure.problem


@pytest.mark.parametrize(
    ("status", "counted"),
    [(-signal.SIGKILL, watch()), (-signal.SIGSEGV, watch(group=1)), (0, watch(machine=2))],
)
def test_without_evidence_it_is_a_failure(status: int, counted: MemoryWatch) -> None:
    ending = kernel_gone(0, status, counted)
    assert (ending.state, ending.exit_code) == (RunState.FAILED, 1)


def failed(ename: str) -> CellFailed:
    return CellFailed(2, ename, "why\nmore", ["\x1b[31mred\x1b[0m\nline"])


def test_a_lost_worker_needs_a_counted_kill(tmp_path: Path) -> None:
    error = failed("BrokenProcessPool")
    assert cell_raised(error, tmp_path / "no", watch()).state is RunState.FAILED
    assert cell_raised(error, tmp_path / "no", watch(group=1)).state is RunState.OUT_OF_MEMORY
    other = cell_raised(failed("ValueError"), tmp_path / "no", watch(group=1))
    assert other.state is RunState.FAILED


def test_a_typed_out_of_memory_is_the_state(tmp_path: Path) -> None:
    file = tmp_path / "error.json"
    fields = {"kind": "OutOfMemory", "problem": "p", "hint": "h", "exit_code": 5}
    file.write_text(json.dumps(fields))
    assert cell_raised(failed("OutOfMemory"), file, watch()).state is RunState.OUT_OF_MEMORY


@pytest.mark.parametrize("content", ["", "[]", '{"kind": "Other"}', '{"kind": "ValueError"}'])
def test_an_unusable_error_file_is_passed_over(tmp_path: Path, content: str) -> None:
    file = tmp_path / "error.json"
    file.write_text(content)
    ending = cell_raised(failed("ValueError"), file, watch())
    assert ending.exit_code == 1
    assert ending.failure is not None
    assert ending.failure.problem == "cell 3 raised ValueError: why"
    assert ending.failure.traceback == ("red", "line")


def test_sizes_are_for_people() -> None:
    assert [size(n) for n in (5, 1_500, 419_430_400, 2_000_000_000)] == [
        "5 B",
        "1.5 kB",
        "419 MB",
        "2 GB",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "[Errno 28] No space left on device: '/output/x'",
        "[Errno 28] Error writing bytes to file. Detail: [errno 28] No space left on device",
        "Can't write data (file write failed: errno = 28, error message = 'No space left')",
    ],
)
def test_a_full_disk_is_told_from_what_only_sounds_like_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    error = CellFailed(1, "OSError", words, [])
    assert cell_raised(error, tmp_path / "no", watch()).exit_code == 1
    monkeypatch.setattr("remote.runner.verdict._FULL_BYTES", 1 << 60)
    ending = cell_raised(error, tmp_path / "no", watch())
    assert (ending.state, ending.exit_code) == (RunState.FAILED, 16)
    assert ending.failure is not None
    assert "cell 2: the host's disk is full" in ending.failure.problem
    other = CellFailed(1, "OSError", "[Errno 5] Input/output error", [])
    assert cell_raised(other, tmp_path / "no", watch()).exit_code == 1
