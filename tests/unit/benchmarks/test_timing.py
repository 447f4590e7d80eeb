"""Turns, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.sharding.cases import Bench, floor_name, whole_name
from benchmarks.sharding.inputs import Inputs
from benchmarks.sharding.stages import STAGES
from benchmarks.sharding.table import layouts
from benchmarks.sharding.timing import Case, Measured, Result, in_turns


def recorded(calls: list[str], name: str, stop_at: int = 99) -> Callable[[], Measured]:
    """Work that writes down when it was done, and is interrupted once there are so many."""

    def work() -> Measured:
        if len(calls) == stop_at:
            raise KeyboardInterrupt
        calls.append(name)
        return Measured(10, float(len(calls)), 1.0)

    return work


def test_cases_take_turns() -> None:
    calls: list[str] = []
    cases = [Case("g", name, recorded(calls, name)) for name in "ab"]
    first, second = in_turns(cases, 2)
    assert calls == ["a", "b", "a", "b"]
    assert [x.seconds for x in first.rounds] == [1, 3]
    assert [x.seconds for x in second.rounds] == [2, 4]


def test_an_interrupt_leaves_the_rounds_that_are_whole() -> None:
    calls: list[str] = []
    cases = [Case("g", name, recorded(calls, name, stop_at=5)) for name in "ab"]
    assert [len(x.rounds) for x in in_turns(cases, 9)] == [2, 2]


def test_without_a_whole_round_an_interrupt_is_one() -> None:
    with pytest.raises(KeyboardInterrupt):
        in_turns([Case("g", "a", recorded([], "a", stop_at=0))], 9)


def test_ratios_are_taken_within_a_round(tmp_path: Path) -> None:
    # The machine is ten times slower in the second round, and three times in the third.
    def result(name: str, *seconds: float) -> Result:
        slower = zip(seconds, (1, 10, 3), strict=True)
        return Result("lzf", name, tuple(Measured(1_000, x * y, x * y) for x, y in slower))

    one, two = whole_name("local", 1), whole_name("local", 2)
    floor = floor_name(2)
    stages = [result(name, 1, 1, 1) for name in STAGES]
    builds = [result(one, 5, 5, 5), result(two, 4, 4, 4), result(floor, 2, 2, 2)]
    bench = Bench(Inputs(tmp_path, 1), tmp_path, 1_000, 0, 0, (1, 2), frozenset())
    text = layouts(bench, ["lzf"], [*stages, *builds])
    rows = {x[0]: x[1] for x in (line.strip("| ").split(" | ") for line in text.splitlines())}
    assert rows[STAGES[0]].endswith("(20%)")
    assert rows[f"{one}: of what the stages allow"] == "1.00"
    assert rows[f"{two}: of the floor"] == "0.50"
