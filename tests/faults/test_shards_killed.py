"""A build that is killed, wherever, goes on to the bytes of one that was not."""

from __future__ import annotations

import multiprocessing
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.validate import validate
from tests.faults.disk import Fault, Killed, failing
from tests.faults.small_builds import SPECTRA, build_small, complete, small_inputs
from tests.unit.shards.making import RUN_ID, make_input, tree

KILLS = 10
SEED = 20250423


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


def test_killed_at_each_call(tmp_path: Path, small: list[Path]) -> None:
    """At each write, fsync, rename, mkdir, open, truncate and unlink."""
    build_small(tmp_path / "whole", small)
    expected = tree(tmp_path / "whole")
    with failing(tmp_path / "counted") as disk:
        build_small(tmp_path / "counted", small)
    steps = disk.calls.total()
    assert steps > 80
    for step in range(steps):
        root = tmp_path / f"killed{step}"
        killed(root, small, step)
        whole = dict(complete(root))
        found = build_small(root, small)
        assert tree(root) == expected, f"killed at call {step} of {steps}"
        assert found.num_samples == SPECTRA
        for path, data in whole.items():
            assert path.read_bytes() == data


def killed(root: Path, inputs: list[Path], step: int) -> None:
    """A build that is dead from that call on, if it comes so far."""
    with failing(root, Fault("kill", step)) as disk, suppress(Killed):
        build_small(root, inputs)
        assert not disk.failed


@pytest.mark.slow
def test_killed_twice(tmp_path: Path, small: list[Path]) -> None:
    """Killed while a build goes on after a kill."""
    build_small(tmp_path / "whole", small)
    expected = tree(tmp_path / "whole")
    choose = random.Random(SEED)
    for attempt in range(60):
        root = tmp_path / f"killed{attempt}"
        for _ in range(3):
            killed(root, small, choose.randrange(60))
        build_small(root, small)
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
