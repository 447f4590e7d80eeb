"""Which processors workers are bound to, on machines laid out in a directory."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.execution import numa
from remote.workloads.shards.execution.numa import node_cpus, pins, usable
from remote.workloads.shards.execution.processes import Processes
from tests.unit.shards import chores

MINE = sorted(numa.allowed())


def machine(root: Path, *cpulists: str) -> Path:
    """A machine with a node for each list."""
    for number, cpulist in enumerate(cpulists):
        folder = root / f"sys/devices/system/node/node{number}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{cpulist}\n")
    (root / "sys/devices/system/node/possible").write_text("0-1\n") if cpulists else None
    return root


@pytest.fixture
def of_48(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(numa, "allowed", lambda: frozenset(range(48)))


@pytest.mark.usefixtures("of_48")
def test_workers_take_turns_on_the_nodes(tmp_path: Path) -> None:
    root = machine(tmp_path, "0-11,24-35", "12-23,36-47")
    first, second, third = pins(3, root)
    assert first == third == frozenset({*range(12), *range(24, 36)})
    assert second == frozenset({*range(12, 24), *range(36, 48)})


@pytest.mark.usefixtures("of_48")
@pytest.mark.parametrize("cpulists", [(), ("0-47",), ("0-47", "")], ids=["none", "one", "memory"])
def test_without_two_nodes_that_have_processors_nobody_is_bound(
    tmp_path: Path, cpulists: tuple[str, ...]
) -> None:
    assert pins(3, machine(tmp_path, *cpulists)) == (None, None, None)


def test_only_processors_that_this_process_may_use_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = machine(tmp_path, "0-11,24-35", "", "12-23,36-47")
    monkeypatch.setattr(numa, "allowed", lambda: frozenset({3, 4, 12, 99}))
    assert pins(2, root) == (frozenset({3, 4}), frozenset({12}))
    monkeypatch.setattr(numa, "allowed", lambda: frozenset({3, 4}))
    assert pins(2, root) == (None, None)


def test_nodes_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    root = machine(tmp_path, *(str(number) for number in range(12)))
    assert node_cpus(root) == tuple(frozenset({number}) for number in range(12))


@given(st.lists(st.frozensets(st.integers(0, 63)), max_size=8), st.frozensets(st.integers(0, 63)))
def test_what_is_usable_is_allowed_and_never_empty(
    nodes: list[frozenset[int]], among: frozenset[int]
) -> None:
    left = usable(tuple(nodes), among)
    assert all(left)
    assert frozenset().union(*left) == frozenset().union(*nodes) & among


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="this system binds nothing")
@pytest.mark.skipif(len(MINE) < 2, reason="one processor alone cannot be shared out")
def test_a_worker_has_the_processors_of_its_node(tmp_path: Path) -> None:
    root = machine(tmp_path, str(MINE[0]), ",".join(map(str, MINE[1:])))
    planned = pins(2, root)
    wanted = {frozenset(pin or ()) for pin in planned}
    seen: set[frozenset[int]] = set()
    deadline = time.monotonic() + 60
    with Processes(chores.affinity, planned) as pool:
        while seen != wanted:  # one of them may be there long before the other
            assert time.monotonic() < deadline
            seen |= {future.result(60) for future in [pool.submit(0.05) for _ in range(4)]}
