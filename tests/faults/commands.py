"""Builds as a user starts them: a command, in a process group of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from remote.workloads.shards.output.journal import GroupLine, read_journal
from tests.unit.shards.making import RUN_ID

ROOT = Path(__file__).parents[2]
MSMS = (sys.executable, "-m", "remote.workloads.shards")


def build_command(root: Path, inputs: Sequence[Path], *flags: object) -> list[str]:
    """`msms build-shards` with a run id, for any machine."""
    given = [word for path in inputs for word in ("--input-hdf5", path)]
    fixed = ("--output-root", root, "--run-id", RUN_ID, "--skip-preflight")
    return [*MSMS, "build-shards", *map(str, (*given, *fixed, *flags))]


def start(command: Sequence[str], *, log: Path | None = None) -> subprocess.Popen[str]:
    """Start it in a group of its own, from the checkout's root.

    Args:
        log: takes both streams; pipes without it.
    """
    if log is None:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        )
    with log.open("w") as sink:
        return subprocess.Popen(
            command, cwd=ROOT, stdout=sink, stderr=sink, text=True, start_new_session=True
        )


def run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run it to its end, whatever that is."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def journalled(root: Path) -> list[GroupLine]:
    """The row groups that the journal of an output root tells of."""
    path = root / "checkpoints" / f"journal_{RUN_ID}.jsonl"
    known = read_journal(path) if path.exists() else None
    return [line for line in known.lines if isinstance(line, GroupLine)] if known else []


def wait_until(condition: Callable[[], bool], seconds: float = 60) -> None:
    """Poll until true.

    Raises:
        AssertionError: it never was.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)


def busy() -> float:
    """How many times longer things take here than on an idle machine, at least 1."""
    return max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
