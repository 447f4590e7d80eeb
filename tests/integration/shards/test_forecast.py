"""What a dry run tells is what a build then does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.build import preview
from remote.workloads.shards.sample import write_sample

pytestmark = pytest.mark.integration

ROWS = 120_000
LIMIT = 6_000_000
OPTIONS: dict[str, Any] = {"skip_preflight": True, "num_workers": 2}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample(tmp_path_factory.mktemp("sample") / "s.hdf5", ROWS, 3, "row-chunks")


def test_rows_bytes_shards_and_time(tmp_path: Path, source: Path) -> None:
    settings = BuildSettings(max_shard_size_bytes=LIMIT)
    told = preview(settings, input_hdf5=source, output_root=tmp_path / "out", **OPTIONS).forecast
    assert list(tmp_path.iterdir()) == [], "nothing is left of the try"
    built = build_shards(settings, input_hdf5=source, output_root=tmp_path / "out", **OPTIONS)
    assert told.spectra == built.num_samples
    assert told.bytes == pytest.approx(built.total_bytes, rel=0.02)
    assert told.shards == len(built.shards)
    # Within 20 % on a machine that does nothing else, which the benchmark shows; here others run.
    assert built.seconds / 3 < told.seconds < built.seconds * 3
    assert told.binds
    assert set(told.stages) == {
        "read, inflate", "clean", "encode", "write, hash", "hash of the input"
    }  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="anonymous memory is read from /proc")
@pytest.mark.parametrize("mode", ["local", "production"])
def test_memory(tmp_path: Path, source: Path, mode: Any) -> None:
    told = preview(
        BuildSettings(), input_hdf5=source, output_root=tmp_path / "out", mode=mode, **OPTIONS
    )
    command = (
        sys.executable, "-m", "remote.workloads.shards", "build-shards", "--input-hdf5", source,
        "--output-root", tmp_path / "out", "--num-workers", "2", "--mode", mode, "--skip-preflight",
    )  # fmt: skip
    peak = 0
    with subprocess.Popen(list(map(os.fspath, command)), stderr=subprocess.DEVNULL) as build:
        while build.poll() is None:
            peak = max(peak, _anonymous(build.pid))
            time.sleep(0.01)
    assert build.returncode == 0
    assert told.memory == pytest.approx(peak, rel=0.25)


def _anonymous(pid: int) -> int:
    """Anonymous bytes of a process and all that it started."""
    total = 0
    try:
        own = psutil.Process(pid)
        for process in (own, *own.children(recursive=True)):
            lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
            total += sum(int(x.split()[1]) * 1024 for x in lines if x.startswith("RssAnon"))
    except (psutil.Error, OSError):  # ended meanwhile
        pass
    return total
