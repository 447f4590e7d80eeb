"""A build that is killed, wherever, goes on to the bytes of one that was not."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from remote.workloads.durable import HashingFile
from remote.workloads.shards import BuildResult, BuildSettings, build_shards
from remote.workloads.shards.validate import validate
from tests.unit.shards.making import RUN_ID, make_input, tree

KILLS = 10
SEED = 20250423


class Killed(BaseException):
    """The process is dead: nothing that it would do after this happens."""


class Gate:
    """Lets a number of writes through and none after them; the last one may be done by half."""

    def __init__(self, allowed: int) -> None:
        self.left = allowed
        self.passed = 0

    def __call__(self) -> None:
        if self.left <= 0:
            raise Killed
        self.left -= 1
        self.passed += 1


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], Gate]:
    """Puts a gate before everything that a build does to the disk."""
    real: dict[str, Any] = {
        name: getattr(os, name) for name in ("write", "fsync", "truncate", "open")
    }
    rename, unlink, append = Path.rename, Path.unlink, HashingFile.append

    def install(allowed: int) -> Gate:
        gate = Gate(allowed)

        def write(descriptor: int, data: Any) -> int:
            if gate.left == 1 and len(data) > 1:  # torn
                real["write"](descriptor, bytes(data)[: len(data) // 2])
                gate.left = 0
            gate()
            return int(real["write"](descriptor, data))

        def grow(file: HashingFile, *parts: Any) -> None:
            if gate.left == 1:
                append(file, *(memoryview(part)[: len(part) // 2] for part in parts))
                gate.left = 0
            gate()
            append(file, *parts)

        def after(name: str) -> Callable[..., Any]:
            def call(*args: Any) -> Any:
                gate()
                return real[name](*args)

            return call

        def renamed(path: Path, target: Path) -> Path:
            gate()
            return rename(path, target)

        def removed(path: Path, missing_ok: bool = False) -> None:
            gate()
            unlink(path, missing_ok)

        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(os, "fsync", after("fsync"))
        monkeypatch.setattr(os, "truncate", after("truncate"))
        monkeypatch.setattr(Path, "rename", renamed)
        monkeypatch.setattr(Path, "unlink", removed)
        monkeypatch.setattr(HashingFile, "append", grow)
        return gate

    return install


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Four row groups, one of them without a good row."""
    folder = tmp_path_factory.mktemp("small")
    return [
        make_input(folder / "first.hdf5", 10_200, 1, bad=(0, 5_000)),
        make_input(folder / "second.hdf5", 300, 2),
    ]


def build(root: Path, inputs: list[Path], **options: Any) -> BuildResult:
    return build_shards(
        BuildSettings(max_shard_size_bytes=65_536),
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=1,
        skip_preflight=True,
        resume=True,
        **options,
    )


def complete(root: Path) -> Iterator[tuple[Path, bytes]]:
    """The shards under their final names; each must be whole, whenever one looks."""
    for path in sorted(root.glob("*/shard_*.parquet")):
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            file.read()
        yield path, path.read_bytes()


def test_killed_at_each_write(
    tmp_path: Path, small: list[Path], gated: Callable[[int], Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path / "whole", small)
    expected = tree(tmp_path / "whole")
    with monkeypatch.context():
        gate = gated(10**9)
        build(tmp_path / "counted", small)
    steps = gate.passed
    assert steps > 40
    monkeypatch.undo()
    for step in range(steps):
        root = tmp_path / f"killed{step}"
        gated(step)
        try:
            build(root, small)
        except Killed:
            pass
        finally:
            monkeypatch.undo()
        whole = dict(complete(root))
        found = build(root, small)
        assert tree(root) == expected, f"killed at write {step} of {steps}"
        assert found.num_samples == 5_500
        for path, data in whole.items():
            assert path.read_bytes() == data


@pytest.mark.slow
def test_killed_twice(
    tmp_path: Path, small: list[Path], gated: Callable[[int], Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while a build goes on after a kill."""
    build(tmp_path / "whole", small)
    expected = tree(tmp_path / "whole")
    choose = random.Random(SEED)
    for attempt in range(60):
        root = tmp_path / f"killed{attempt}"
        for _ in range(3):
            gated(choose.randrange(40))
            try:
                build(root, small)
            except Killed:
                pass
            finally:
                monkeypatch.undo()
        build(root, small)
        assert tree(root) == expected


LOST = ["journal", "shard", "fingerprints"]


@pytest.mark.parametrize("lost", LOST)
def test_an_end_that_never_reached_the_disk_is_made_again(
    tmp_path: Path, small: list[Path], lost: str
) -> None:
    """After a power cut any of the files may end early, or in zeros."""
    settings = replace(BuildSettings(), max_shard_size_bytes=10**9)
    options: dict[str, Any] = {"run_id": RUN_ID, "skip_preflight": True, "resume": True}
    build_shards(settings, input_hdf5=small, output_root=tmp_path / "whole", **options)
    for zeros in (False, True):
        root = tmp_path / f"{lost}{zeros}"

        def stop(now: Any) -> None:
            if now.done == 10_200:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_shards(settings, input_hdf5=small, output_root=root, watch=stop, **options)
        path = next(
            iter(
                root.glob("train/.*.partial")
                if lost == "shard"
                else root.glob(f"checkpoints/{lost}_*")
            )
        )
        data = path.read_bytes()
        path.write_bytes(data[:-100] + (bytes(100) if zeros else b""))
        found = build_shards(settings, input_hdf5=small, output_root=root, **options)
        assert found.resumed_rows == 10_000
        assert tree(root) == tree(tmp_path / "whole")


BUILD = """
import sys
from pathlib import Path
from remote.workloads.shards import BuildSettings, build_shards
build_shards(
    BuildSettings(max_shard_size_bytes=1_500_000), input_hdf5=sys.argv[3:], output_root=sys.argv[1],
    run_id="20250423_143022", num_workers=int(sys.argv[2]), skip_preflight=True, resume=True,
)
"""


def started(root: Path, workers: int, inputs: list[Path]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", BUILD, str(root), str(workers), *map(str, inputs)]
    return subprocess.Popen(command, stderr=subprocess.PIPE)


def build_in_process(root: Path, workers: int, inputs: list[Path]) -> None:
    build_shards(
        BuildSettings(max_shard_size_bytes=1_500_000),
        input_hdf5=inputs,
        output_root=root,
        run_id=RUN_ID,
        num_workers=workers,
        skip_preflight=True,
        resume=True,
    )


def forked(root: Path, workers: int, inputs: list[Path]) -> BaseProcess:
    """A process of its own, from a server that has everything imported: it starts in no time."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["remote.workloads.shards.build"])
    process = context.Process(target=build_in_process, args=(root, workers, inputs))
    process.start()
    return process


def finished(process: BaseProcess) -> int | None:
    process.join(120)
    return process.exitcode


def lines(root: Path) -> int:
    journals = list(root.glob("checkpoints/journal_*"))
    return journals[0].read_bytes().count(b"\n") if journals else 0


def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    """SIGKILL from outside, in the course of one build: each attempt goes on after the last."""
    inputs = [make_input(tmp_path / f"{name}.hdf5", 60_000, seed) for seed, name in enumerate("ab")]
    groups = 24
    assert finished(forked(tmp_path / "whole", 2, inputs)) == 0
    expected = tree(tmp_path / "whole")

    root = tmp_path / "killed"
    choose = random.Random(SEED)
    targets = sorted(choose.randrange(1, groups + 6) for _ in range(KILLS))
    killed = 0
    for target in targets:
        attempt = forked(root, choose.choice([1, 2, 4]), inputs)
        deadline = time.monotonic() + 120
        while lines(root) < target and attempt.is_alive():
            assert time.monotonic() < deadline
            time.sleep(0.002)
        time.sleep(choose.uniform(0, 0.02))
        attempt.kill()
        code = finished(attempt)
        assert code in (0, -signal.SIGKILL)
        killed += code != 0
        for _ in complete(root):
            pass
    assert killed >= KILLS // 2
    assert finished(forked(root, 2, inputs)) == 0
    assert tree(root) == expected
    assert validate(root).problems == ()


def test_stopped_by_ctrl_c_leaves_no_thread_and_goes_on(tmp_path: Path) -> None:
    inputs = [make_input(tmp_path / "a.hdf5", 100_000, 1)]
    root = tmp_path / "out"
    with started(root, 2, inputs) as attempt:
        deadline = time.monotonic() + 60
        while lines(root) < 3 and attempt.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.002)
        attempt.send_signal(signal.SIGINT)
        began = time.monotonic()
        _, errors = attempt.communicate(timeout=30)
    assert b"KeyboardInterrupt" in errors
    assert time.monotonic() - began < 5
    done = lines(root)
    assert done >= 3
    with started(root, 2, inputs) as last:
        assert last.wait(timeout=60) == 0
    assert validate(root).problems == ()


LIMITED = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))\n"


def test_a_full_disk_is_told_and_the_build_goes_on_later(tmp_path: Path) -> None:
    """No file may pass 1 MB, so that a shard of 1.5 MB cannot be finished."""
    inputs = [make_input(tmp_path / "a.hdf5", 30_000, 1)]
    root = tmp_path / "out"
    command = [sys.executable, "-c", LIMITED + BUILD, str(root), "2", *map(str, inputs)]
    full = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "DiskTooSmall" in full.stderr
    assert "--resume" in full.stderr
    assert lines(root) >= 2
    assert not list(complete(root))
    for where in (root, tmp_path / "whole"):
        with started(where, 2, inputs) as attempt:
            _, errors = attempt.communicate(timeout=60)
        assert attempt.returncode == 0, errors.decode()
    assert tree(root) == tree(tmp_path / "whole")
