"""A build that is killed, wherever, goes on to the bytes of one that was not."""

from __future__ import annotations

import random
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from remote.errors import DiskTooSmall
from remote.workloads.shards import BuildSettings, build_shards
from remote.workloads.shards.settings import Splits
from tests.faults.commands import build_command, journalled, run
from tests.faults.disk import Fault, Killed, failing
from tests.faults.families import PARENT
from tests.faults.kill_campaign import WAYS, campaign
from tests.faults.small_builds import ONE, SPECTRA, SPLIT, build_small, complete, small_inputs
from tests.unit.shards.making import RUN_ID, make_input, tree

KILLS = 10
SEED = 20250423


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


@pytest.mark.parametrize(
    ("splits", "each"),
    [
        pytest.param(ONE, 1, id="one"),
        pytest.param(SPLIT, 4, id="three"),
        pytest.param(SPLIT, 1, id="three, all", marks=pytest.mark.slow),
    ],
)
def test_killed_at_each_call(tmp_path: Path, small: list[Path], splits: Splits, each: int) -> None:
    """At each write, fsync, rename, mkdir, open, truncate and unlink; with splits each fourth."""
    build_small(tmp_path / "whole", small, splits)
    expected = tree(tmp_path / "whole")
    with failing(tmp_path / "counted") as disk:
        build_small(tmp_path / "counted", small, splits)
    steps = disk.calls.total()
    assert steps > 80
    for step in range(0, steps, each):
        root = tmp_path / f"killed{step}"
        killed(root, small, step, splits)
        whole = dict(complete(root))
        found = build_small(root, small, splits)
        assert tree(root) == expected, f"killed at call {step} of {steps}"
        assert found.num_samples == SPECTRA
        for path, data in whole.items():
            assert path.read_bytes() == data


def killed(root: Path, inputs: list[Path], step: int, splits: Splits) -> None:
    """A build that is dead from that call on, if it comes so far."""
    with failing(root, Fault("kill", step)) as disk, suppress(Killed):
        build_small(root, inputs, splits)
        assert not disk.failed


@pytest.mark.slow
@pytest.mark.parametrize("splits", [ONE, SPLIT], ids=["one", "three"])
def test_killed_twice(tmp_path: Path, small: list[Path], splits: Splits) -> None:
    """Killed while a build goes on after a kill."""
    build_small(tmp_path / "whole", small, splits)
    expected = tree(tmp_path / "whole")
    choose = random.Random(SEED)
    for attempt in range(60):
        root = tmp_path / f"killed{attempt}"
        for _ in range(3):
            killed(root, small, choose.randrange(60), splits)
        build_small(root, small, splits)
        assert tree(root) == expected


# What is cut, and the source rows that are left: the last 200 are all of one split.
LOST = {
    "journal": ("checkpoints/journal_*", 10_000),
    "fingerprints": ("checkpoints/fingerprints_*", 10_000),
    "train": ("train/.*.partial", 10_000),
    "val": ("val/.*.partial", 5_000),
}


@pytest.mark.parametrize("lost", LOST)
def test_an_end_that_never_reached_the_disk_is_made_again(
    tmp_path: Path, small: list[Path], lost: str
) -> None:
    """After a power cut any of the files may end early, or in zeros."""
    settings = BuildSettings(max_shard_size_bytes=10**9, splits=SPLIT)
    options: dict[str, Any] = {"run_id": RUN_ID, "skip_preflight": True, "resume": True}
    build_shards(settings, input_hdf5=small, output_root=tmp_path / "whole", **options)
    for zeros in (False, True):
        root = tmp_path / f"{lost}{zeros}"

        def stop(now: Any) -> None:
            if now.done == 10_200:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            build_shards(settings, input_hdf5=small, output_root=root, watch=stop, **options)
        pattern, left = LOST[lost]
        (path,) = root.glob(pattern)
        data = path.read_bytes()
        path.write_bytes(data[:-100] + (bytes(100) if zeros else b""))
        found = build_shards(settings, input_hdf5=small, output_root=root, **options)
        assert found.resumed_rows == left
        assert tree(root) == tree(tmp_path / "whole")


def test_killed_at_ten_random_moments(tmp_path: Path) -> None:
    """SIGKILL from outside: ten kills of the campaign (`tests.faults.kill_campaign`)."""
    threads = [way for way in WAYS if way.name == "threads"]
    tally = campaign(KILLS, SEED, tmp_path / "campaign", threads, print)["threads"]
    assert tally.faults == []
    assert tally.kills[PARENT] >= KILLS
    assert tally.resumes >= 1


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
from remote.workloads.shards.__main__ import main
main(sys.argv[1:])
"""


def test_a_full_disk_is_told_and_the_build_goes_on_later(tmp_path: Path) -> None:
    """No file may pass 1 MB, so that a shard of 1.5 MB cannot be finished."""
    inputs = [make_input(tmp_path / "a.hdf5", 30_000, 1)]
    root = tmp_path / "out"
    flags = ("--shard-size", 1_500_000, "--num-workers", 2)
    command = build_command(root, inputs, *flags)
    full = run([sys.executable, "-c", LIMITED, *command[3:]])
    assert full.returncode == DiskTooSmall.exit_code, full.stderr
    assert "--resume" in full.stderr
    assert len(journalled(root)) >= 2
    assert not list(complete(root))
    for where in (root, tmp_path / "whole"):
        done = run(build_command(where, inputs, *flags, "--resume"))
        assert done.returncode == 0, done.stderr
    assert tree(root) == tree(tmp_path / "whole")
