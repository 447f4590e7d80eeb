"""Where compiled code cannot be kept, cleaning still works."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import numpy as np
from remote.workloads.shards.inputs.names import name_finder
finder = name_finder()
one = np.zeros(1, np.int64)
print(finder(np.zeros(0, np.uint8), np.zeros(2, np.int64), *[one.copy() for _ in range(6)]))
"""


def run(root: Path, cache: Path) -> str:
    environment = {**os.environ, "NUMBA_CACHE_DIR": str(cache), "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_spoilt_cache_is_no_obstacle(project_root: Path, tmp_path: Path) -> None:
    assert run(project_root, tmp_path) == "1\n"
    indexes = list(tmp_path.rglob("*.nbi"))
    assert indexes, "nothing was kept"
    for index in indexes:
        index.write_bytes(b"")
    assert run(project_root, tmp_path) == "1\n"


@pytest.mark.parametrize("place", ["file", "nowhere"])
def test_a_cache_that_cannot_be_written(project_root: Path, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    cache = tmp_path / "file" / "cache" if place == "file" else Path("/proc/nowhere")
    assert run(project_root, cache) == "1\n"
