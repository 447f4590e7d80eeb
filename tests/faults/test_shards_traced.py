"""Builds under strace: every fsync is where it has to be, and calls that really fail are told."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest

from remote.errors import DiskTooSmall, ResultsUnusable, WorkhorseError
from tests.faults.commands import ROOT, build_command, run
from tests.faults.small_builds import complete, small_inputs
from tests.faults.traces import STRACE, Call, Trace
from tests.unit.shards.making import RUN_ID, tree

pytestmark = pytest.mark.strace

FLAGS = ("--shard-size", 65_536, "--num-workers", 2)
SEED = 20261125


@pytest.fixture(scope="module", autouse=True)
def _strace() -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    tried = subprocess.run([*STRACE, "true"], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"processes cannot be traced here: {tried.stderr.strip()}")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


def traced(folder: Path, inputs: list[Path], *flags: object) -> Trace:
    """A build's trace."""
    command = build_command(folder / "out", inputs, *FLAGS, *flags)
    done = run([*STRACE, "-o", str(folder / "trace"), *command])
    assert done.returncode == 0, done.stderr
    text = (folder / "trace").read_text(errors="replace")
    return Trace.of(str(folder / "out"), text.splitlines())


def test_everything_is_synced_before_what_relies_on_it(tmp_path: Path, small: list[Path]) -> None:
    trace = traced(tmp_path, small)
    assert len(trace.named("rename", ".parquet.partial")) == 2
    assert len({call.thread for call in trace.named("fsync")}) == 2
    assert trace.problems() == []


def test_no_fsync_is_there_for_nothing(tmp_path: Path, small: list[Path]) -> None:
    """The rules find each one that is missing; no checkpoint is made twice here."""
    trace = traced(tmp_path, small, "--checkpoint-interval", 10**9)
    assert trace.problems() == []
    assert len(trace.named("fsync")) > 25

    def needed(sync: Call) -> bool:
        return bool(trace.without(sync).problems())

    assert [sync.path for sync in trace.named("fsync") if not needed(sync)] == []


# The call, the file that it is made to where that has to be said, how often it may fail here.
FAILING = [
    ("fsync", None, 25),
    ("rename", None, 8),
    ("writev", f"train/.shard_{RUN_ID}_00000.parquet.partial", 3),
    ("write", f"checkpoints/journal_{RUN_ID}.jsonl", 5),
    ("write", f"checkpoints/fingerprints_{RUN_ID}.u64", 2),
    ("write", f"train/.shard_{RUN_ID}_00000.manifest.json.partial", 1),
    ("write", ".dataset_manifest.json.partial", 1),
]
ERRORS: dict[str, type[WorkhorseError]] = {
    "error=ENOSPC": DiskTooSmall,
    "error=EIO": ResultsUnusable,
}


def cases(count: int) -> list[tuple[str, str | None, int, str]]:
    """So many calls, each with a way to fail."""
    choose = random.Random(SEED)
    found = []
    for at in range(count):
        call, path, most = FAILING[at % len(FAILING)]
        found.append((call, path, choose.randrange(most) + 1, [*ERRORS][at % len(ERRORS)]))
    return found


def fails_for_real(
    folder: Path, inputs: list[Path], case: tuple[str, str | None, int, str]
) -> tuple[Path, bool]:
    """A build by command whose system call fails; its output, and whether it came so far."""
    call, path, nth, how = case
    root = folder / "out"
    only = ("-P", str(root / path)) if path else ()
    inject = ("-e", f"trace={call}", "-e", f"inject={call}:{how}:when={nth}")
    quiet = ("strace", "-f", "-qqq", "--seccomp-bpf", "-o", os.devnull, *only, *inject)
    command = build_command(root, inputs, *FLAGS)
    done = subprocess.run([*quiet, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return root, False
    assert "Traceback" not in done.stderr, case
    due = ERRORS[how]
    assert done.returncode == due.exit_code, (case, done.stderr)
    assert len([line for line in done.stderr.splitlines() if line.startswith("error: ")]) == 1
    assert "--resume" in done.stderr
    return root, True


def check(folder: Path, inputs: list[Path], count: int) -> None:
    """Let so many calls fail, and go on after each."""
    assert run(build_command(folder / "whole", inputs, *FLAGS)).returncode == 0
    expected = tree(folder / "whole")
    failed = 0
    for at, case in enumerate(cases(count)):
        root, happened = fails_for_real(folder / str(at), inputs, case)
        failed += happened
        before = dict(complete(root))
        last = run(build_command(root, inputs, *FLAGS, "--resume"))
        assert last.returncode == 0, (case, last.stderr)
        assert tree(root) == expected, case
        assert all(path.read_bytes() == data for path, data in before.items())
    assert failed >= count * 9 // 10


def test_calls_that_fail_for_real(tmp_path: Path, small: list[Path]) -> None:
    check(tmp_path, small, 4)


@pytest.mark.slow
def test_many_calls_that_fail_for_real(tmp_path: Path, small: list[Path]) -> None:
    check(tmp_path, small, 30)
