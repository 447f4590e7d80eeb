"""A disk that really gets full, at any byte of a build: one error, nothing half, and it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.errors import DiskTooSmall
from tests.faults.commands import build_command, run
from tests.faults.mounts import fill, mounted, needs_mounts
from tests.faults.small_builds import build_small, complete, small_inputs
from tests.unit.shards.making import tree

KIB = 1024
FLAGS = ("--shard-size", 65_536, "--num-workers", 2)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


def runs_full(root: Path, inputs: list[Path]) -> str:
    """What could not be written; empty where there was room for all."""
    said: DiskTooSmall | None = None
    try:
        build_small(root, inputs)
    except DiskTooSmall as error:
        said = error
    if said is None:
        return ""
    assert "No space left on device" in said.problem
    assert "--resume" in said.hint
    return said.problem


@needs_mounts
def test_a_disk_that_fills_up_at_any_place(tmp_path: Path, small: list[Path]) -> None:
    """In steps of two pages; then of the pages between, until each kind of file was too much."""
    build_small(tmp_path / "whole", small)
    expected = tree(tmp_path / "whole")
    said: list[str] = []
    room = 0
    while not said or said[-1]:
        said.append(fills_up(tmp_path, small, room, expected))
        room += 8
        assert room < 2_000
    for between in range(4, room, 8):
        if not unseen(said):
            break
        said.append(fills_up(tmp_path, small, between, expected))
    assert not unseen(said), "these were never what was too much"


def fills_up(folder: Path, small: list[Path], room: int, expected: dict[str, bytes]) -> str:
    """Build with so many KiB free, then with all; what could not be written at first."""
    with mounted(folder / f"disk{room}", "2m") as disk:
        fill(disk / "filler", leaving=room * KIB)
        root = disk / "out"
        said = runs_full(root, small)
        before = dict(complete(root))
        (disk / "filler").unlink()
        build_small(root, small)
        assert tree(root) == expected, f"{room} KiB were free"
        assert all(path.read_bytes() == data for path, data in before.items())
    return said


def unseen(said: list[str]) -> list[str]:
    """Kinds of files that no disk was too full for. The summary is written beside the rest."""
    kinds = (".parquet", "journal_", "fingerprints_", ".manifest.json", "checkpoint_")
    return [kind for kind in kinds if not any(kind in problem for problem in said)]


@needs_mounts
@pytest.mark.parametrize("room", [120, 480])
def test_the_command_on_a_full_disk(tmp_path: Path, small: list[Path], room: int) -> None:
    build_small(tmp_path / "whole", small)
    with mounted(tmp_path / "disk", "2m") as disk:
        fill(disk / "filler", leaving=room * KIB)
        full = run(build_command(disk / "out", small, *FLAGS))
        assert full.returncode == DiskTooSmall.exit_code, full.stderr
        assert "Traceback" not in full.stderr
        assert "No space left on device" in full.stderr
        whole = dict(complete(disk / "out"))
        (disk / "filler").unlink()
        last = run(build_command(disk / "out", small, *FLAGS, "--resume"))
        assert last.returncode == 0, last.stderr
        assert all(path.read_bytes() == data for path, data in whole.items())
        assert tree(disk / "out") == tree(tmp_path / "whole")
