"""Looking at the memory of a command and all that it starts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.sharding.memory import Reading, Taken, watched

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells")

MEGABYTE = 1 << 20
# Anonymous memory in a child, and as much of a file mapped in the parent, which does not count.
HOLDS = """
import mmap, subprocess, sys, time
with open(sys.argv[1], "rb") as file:
    mapped = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    sum(mapped[::4096])
    hold = "import time; held = bytearray(b'x') * (200 << 20); time.sleep(0.5)"
    subprocess.run([sys.executable, "-c", hold], check=True)
"""


def test_counts_anonymous_memory_of_children(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(200 * MEGABYTE))
    readings = list(watched([sys.executable, "-c", HOLDS, str(large)]))
    peak = max(x.size for x in readings)
    assert 200 * MEGABYTE < peak < 260 * MEGABYTE
    assert max(x.processes for x in readings) == 2


def test_a_command_that_fails_is_no_measurement() -> None:
    with pytest.raises(subprocess.CalledProcessError) as caught:
        list(watched([sys.executable, "-c", "raise SystemExit('no room')"]))
    assert b"no room" in caught.value.output


def test_series_has_median_and_peak_of_equal_stretches() -> None:
    sizes = (1, 2, 9, 4, 4, 5)
    readings = tuple(Reading(at + 1.0, size, 1) for at, size in enumerate(sizes))
    series = Taken("", 10, 1, 0, 0.0, readings).series(2)
    assert series == [(3.0, 2, 9), (6.0, 4, 5)]
