"""The benchmark runs and prints its tables."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sharding.whole import can_bind

pytestmark = pytest.mark.integration

FIGURES = [
    "read, inflate",
    "clean",
    "encode",
    "write, fsync, hash",
    "hash the input",
    "sum of the stages, one core",
    "what the stages allow, all cores",
    "whole, local, 2 workers",
    "whole, local, 2 workers: of what the stages allow",
    "whole, local, 2 workers: of the floor",
    "floor, 2 threads",
]


def test_puts_one_table_for_all_layouts_into_a_document(project_root: Path, tmp_path: Path) -> None:
    document = tmp_path / "speed.md"
    marks = "<!-- measured: layouts -->\nold\n<!-- end of measured -->"
    document.write_text(f"before\n{marks}\nafter\n")
    command = [sys.executable, "-m", "benchmarks.sharding", "--rows", "6000", "--runs", "1"]
    layouts = ["--layouts", "narrow-chunks", "lzf", "--workers", "2"]
    parts = ["--only", "stages", "floor", "whole"]
    places = ["--cache", str(tmp_path / "cache"), "--markdown", str(document)]
    subprocess.run([*command, *layouts, *parts, *places], cwd=project_root, check=True)
    text = document.read_text()
    assert text.startswith("before")
    assert text.endswith("after\n")
    assert "old" not in text
    table = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|")]
    assert all(len(row) == 1 + 2 for row in table)
    rows = {row[0]: row[1:] for row in table[2:]}
    assert set(FIGURES) <= set(rows)
    for name in FIGURES:
        assert all(float(cell.split(" ")[0].replace(",", "")) > 0 for cell in rows[name]), name
    assert {path.name for path in (tmp_path / "cache").iterdir()} == {
        f"{layout}_6000_42.hdf5" for layout in ("narrow-chunks", "contiguous", "lzf")
    }


@pytest.mark.slow
def test_the_ways_of_running_a_build_are_compared(project_root: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.sharding", "--only", "ways", "--runs", "1"]
    sizes = ["--ways-rows", "6000", "--workers", "2", "--cache", str(tmp_path)]
    done = subprocess.run(
        [*command, *sizes], cwd=project_root, check=True, capture_output=True, text=True
    )
    lines = [x.strip("| ").split(" | ") for x in done.stdout.splitlines() if x.startswith("| ")]
    rows = {line[0]: line[1:] for line in lines[2:]}
    assert set(rows) == {
        "threads, 1", "threads, 2", "processes, 1", "processes, 2",
        "Dask's threads, 2", "Dask's processes, 2",
    } | {
        f"{kind}, 1, on one core" for kind in ("threads", "processes") if can_bind()
    }  # fmt: skip
    assert rows["Dask's threads, 2"][-1].endswith(" of threads, 2")
    assert rows["processes, 2"][-1].count(" of processes, 1") == 1 + can_bind()
