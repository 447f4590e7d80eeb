"""The doctor's verdicts on figures of other machines, and the command on this one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from remote.errors import (
    DiskTooSmall,
    HostRefused,
    InputUnusable,
    MemoryTooSmall,
    ResultsUnusable,
)
from remote.findings import Check, Level, examine, lines
from remote.workloads.shards.doctor import inputs, machine, software, trial
from remote.workloads.shards.doctor.place import Place
from tests.unit.shards.making import make_input

GIB = 1 << 30
ROOT = Path(__file__).parents[3]


def test_memory() -> None:
    assert machine.of_memory(9 * GIB, 16 * GIB, 16 * GIB).found == "9.0 GB available of 16.0"
    assert "8.0 may be used here" in machine.of_memory(5 * GIB, 8 * GIB, 16 * GIB).found
    with pytest.raises(MemoryTooSmall, match="wants 4 GB"):
        machine.of_memory(3 * GIB, 16 * GIB, 16 * GIB)


def test_disk(tmp_path: Path) -> None:
    assert machine.of_disk(11 * GIB, tmp_path).level is Level.OK
    with pytest.raises(DiskTooSmall, match="wants 10 GB"):
        machine.of_disk(9 * GIB, tmp_path)


def test_cores_and_nodes(tmp_path: Path) -> None:
    assert machine.of_cores(2, 2).found == "2"
    assert machine.of_cores(3, 48).found.startswith("3 of 48")
    assert machine.nodes(Place(tmp_path, tmp_path)).found == "one"
    mine = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0, 1]
    if len(mine) > 1:
        for number, cpu in enumerate(mine[:2]):
            folder = tmp_path / f"sys/devices/system/node/node{number}"
            folder.mkdir(parents=True)
            (folder / "cpulist").write_text(f"{cpu}\n")
        assert machine.nodes(Place(tmp_path, tmp_path)).found.startswith("2, with 1, 1 cores")


def test_threads_and_open_files() -> None:
    assert machine.of_threads({"OMP_NUM_THREADS": "1"}).level is Level.OK
    many = machine.of_threads({"OMP_NUM_THREADS": "8"})
    assert (many.level, "OMP_NUM_THREADS=8" in many.found) == (Level.WARN, True)
    assert machine.of_open_files(256).fix.startswith("ulimit -n")
    assert machine.of_open_files(4_096).level is Level.OK
    assert machine.of_open_files(-1).found == "any number"


def test_output(tmp_path: Path) -> None:
    place = Place(tmp_path / "not" / "there")
    assert machine.output(place).found == f"{tmp_path} can be written and locked"
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ResultsUnusable, match="cannot be written"):
        machine.output(Place(Path("/proc/nowhere")))


def test_lock(tmp_path: Path) -> None:
    from importlib.metadata import version

    text = f"numpy=={version('numpy')} ; x \\\n    --hash=sha256:0\nnumpy==1.0 ; y\nabsent==3\n"
    locked = software.pinned(text)
    assert locked["numpy"] == {version("numpy"), "1.0"}
    assert software.of_lock(locked, tmp_path).level is Level.OK
    other = software.of_lock(software.pinned("h5py==1.0\nclick==1.0\n"), tmp_path)
    assert other.level is Level.WARN
    assert other.found.splitlines()[0] == f"h5py {version('h5py')}, the lock has 1.0"
    assert "click" in other.found.splitlines()[1]


def test_missing_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"python": "3", "numba": "absent", "h5py": "3"}
    monkeypatch.setattr(software, "software", lambda: known)
    with pytest.raises(HostRefused, match="numba: not installed"):
        software.packages(Place(Path()))


def stats(path: str | None, misses: int) -> Any:
    return SimpleNamespace(cache_path=path, cache_misses={"a": 1} if misses else {})


def test_kernels() -> None:
    assert software.of_kernels([stats("/c", 0)] * 2, 0.1).found == "ready, in /c"
    assert (
        "compiled now, in 9.0 s" in software.of_kernels([stats("/c", 0), stats("/c", 1)], 9).found
    )
    assert software.of_kernels([stats(None, 1)], 9.0).level is Level.WARN


def test_pace() -> None:
    said = trial.of_pace(0.5, 0.1, 20_000 * 600).found
    assert "40,000 a second" in said
    assert "15 million: at most 6 min" in said


def test_input(tmp_path: Path) -> None:
    path = make_input(tmp_path / "a.hdf5", 300, chunk_rows=100)
    said = inputs.what_it_is(path).found
    assert "300 spectra of about " in said
    assert "peaks, chunks (100, 1, 1)" in said
    assert "spectrum float64" in said
    assert "fills charge, precursor_mz, rt, source_file" in said
    assert "leaves out adduct" in said
    (tmp_path / "b.hdf5").write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(InputUnusable):
        inputs.what_it_is(tmp_path / "b.hdf5")


def test_a_failing_build_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> Any:
        raise DiskTooSmall("the disk is full", hint="Free some.")

    monkeypatch.setattr("remote.workloads.shards.build.build_shards", full)
    (failed,) = examine([Check("trial build", trial.build)], Place(tmp_path))
    assert (failed.level, failed.exit_code) == (Level.FAIL, DiskTooSmall.exit_code)
    assert "to mend it: Free some." in "\n".join(lines(failed, "FAIL"))
    assert list(tmp_path.iterdir()) == []


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "remote.workloads.shards", "doctor", *map(str, arguments)]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command(tmp_path: Path) -> None:
    sound = make_input(tmp_path / "a.hdf5", 300)
    done = command("--output-root", tmp_path / "out", "--input", sound, "--json")
    document = json.loads(done.stdout)
    by_name = {one["check"]: one for one in document["checks"]}
    # Of a machine that is small or full the doctor says so; all else is asked everywhere.
    others = {name for name, one in by_name.items() if one["level"] == "FAIL"} - {"memory", "disk"}
    assert others == set(), done.stdout
    assert done.returncode == document["exit_code"]
    assert "20,000 spectra built" in by_name["trial build"]["found"]
    assert "300 spectra" in by_name["input"]["found"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.hdf5"]


def test_the_command_fails_where_a_check_does(tmp_path: Path) -> None:
    done = command("--output-root", tmp_path, "--input", tmp_path / "none.hdf5")
    assert done.returncode in (
        InputUnusable.exit_code,
        MemoryTooSmall.exit_code,
        DiskTooSmall.exit_code,
    )
    assert "FAIL       input" in done.stdout
    assert "to mend it: Check the path." in done.stdout
