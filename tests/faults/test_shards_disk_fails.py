"""Each call to the disk that can fail, failing: one clear error, and a build that goes on later."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from remote.errors import DiskTooSmall, ResultsUnusable, WorkhorseError
from tests.faults.disk import KINDS, Disk, Fault, How, Kind, failing
from tests.faults.small_builds import build_small, complete, small_inputs
from tests.unit.shards.making import tree

SEED = 20261125
ERRORS: dict[How, type[WorkhorseError]] = {"full": DiskTooSmall, "broken": ResultsUnusable}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_inputs(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def whole(
    tmp_path_factory: pytest.TempPathFactory, small: list[Path]
) -> tuple[Disk, dict[str, bytes]]:
    """The calls of an undisturbed build, and its files."""
    root = tmp_path_factory.mktemp("whole") / "out"
    with failing(root) as disk:
        build_small(root, small)
    return disk, tree(root)


def fail(root: Path, inputs: list[Path], fault: Fault) -> bool:
    """A build that meets a failure; True where it ended in the error that is due."""
    said: WorkhorseError | None = None
    with failing(root, fault) as disk:
        try:
            build_small(root, inputs)
        except WorkhorseError as error:
            said = error
    if said is None:  # a directory that is there already does not have to be made
        assert not disk.failed or fault.kind in (None, "mkdir")
        return False
    assert type(said) is ERRORS[fault.how], repr(said)
    assert str(root) in said.problem
    assert "--resume" in said.hint
    return True


def test_the_build_makes_calls_of_every_kind(whole: tuple[Disk, dict[str, bytes]]) -> None:
    assert set(whole[0].calls) == set(KINDS)
    assert whole[0].calls["fsync"] > 30


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ERRORS)
def test_each_call_fails(
    tmp_path: Path, small: list[Path], whole: tuple[Disk, dict[str, bytes]], how: How, kind: Kind
) -> None:
    disk, expected = whole
    calls = disk.calls[kind]
    failed = 0
    for nth in range(calls):
        root = tmp_path / f"{nth}"
        failed += fail(root, small, Fault(how, nth, kind))
        before = dict(complete(root))
        build_small(root, small)
        assert tree(root) == expected, f"{how} at {kind} {nth}"
        assert all(path.read_bytes() == data for path, data in before.items())
    # A checkpoint that is still under way puts the next one off: a few calls fewer.
    assert failed >= calls // 2


@pytest.mark.slow
def test_calls_fail_while_a_build_goes_on_after_a_failure(
    tmp_path: Path, small: list[Path], whole: tuple[Disk, dict[str, bytes]]
) -> None:
    choose = random.Random(SEED)
    for attempt in range(100):
        root = tmp_path / f"{attempt}"
        for _ in range(3):
            fault = Fault(choose.choice([*ERRORS]), choose.randrange(60))
            fail(root, small, fault)
        build_small(root, small)
        assert tree(root) == whole[1], f"attempt {attempt}"
