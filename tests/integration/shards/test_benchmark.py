"""The benchmark runs and prints its one table."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration


def test_prints_a_table(project_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.sharding", "--rows", "6000", "--runs", "1"]
    layouts = ["--layouts", "row-chunks", "contiguous", "--workers", "2", "--cache", str(tmp_path)]
    done = subprocess.run(
        [*command, *layouts], cwd=project_root, capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    start = next(at for at, line in enumerate(lines) if line.startswith("6,000 spectra"))
    table = [line.split() for line in lines[start + 2 :]]
    assert [row[0] for row in table] == ["row-chunks"] * 5 + ["contiguous"] * 5
    assert all(float(row[-5].replace(",", "")) > 0 for row in table)
    assert {path.name for path in tmp_path.iterdir()} == {
        "row-chunks_6000_42.hdf5",
        "contiguous_6000_42.hdf5",
    }
