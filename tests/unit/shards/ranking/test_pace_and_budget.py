"""How fast and for how much is asked: with a clock that only moves when somebody waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.workloads.shards.ranking.budget import Budget, Spent
from remote.workloads.shards.ranking.options import Ranker
from remote.workloads.shards.ranking.pace import Over, Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> bool:
        self.now += seconds
        return False


@given(st.floats(1, 1_000), st.lists(st.floats(0, 30), min_size=2, max_size=40))
def test_no_minute_has_more_requests_than_are_allowed(rate: float, between: list[float]) -> None:
    clock = Clock()
    pace = Pace(rate, threading.Event(), clock, clock.wait)
    began = []
    for seconds in between:
        clock.now += seconds
        pace.turn()
        began.append(clock.now)
    for moment in began:
        assert sum(moment <= other < moment + 59.999 for other in began) <= rate + 1


def test_nobody_begins_while_the_service_wants_to_be_left_alone() -> None:
    clock = Clock()
    pace = Pace(600, threading.Event(), clock, clock.wait)
    pace.turn()
    pace.hold(7.0)
    pace.turn()
    assert clock.now == pytest.approx(7.0)
    pace.turn()
    assert clock.now == pytest.approx(7.1, abs=0.2)


def test_waiting_ends_when_it_is_over() -> None:
    over = threading.Event()
    pace = Pace(0.1, over)
    pace.turn()
    threading.Timer(0.05, over.set).start()
    with pytest.raises(Over):
        pace.turn()
    with pytest.raises(Over):
        pace.sleep(1_000)


@pytest.mark.parametrize(
    ("limits", "fits", "reached"),
    [
        ({"max_requests": 3}, 3, "max_requests"),
        ({"max_requests": None, "max_tokens": 1_000}, 9, "max_tokens"),
        ({"max_cost": 0.002, "input_price": 5.0, "output_price": 50.0}, 2, "max_cost"),
        ({"max_requests": None}, 50, ""),
    ],
)
def test_a_request_begins_only_where_it_fits(
    limits: dict[str, Any], fits: int, reached: str
) -> None:
    budget = Budget(Ranker(**limits), Spent())
    taken = [budget.take(Spent(1, 100, 10)) for _ in range(50)]
    assert sum(taken) == fits
    assert budget.reached == reached


def test_what_was_taken_counts_and_not_what_was_expected() -> None:
    budget = Budget(Ranker(max_tokens=1_000), Spent(1, 300, 300))
    expected = Spent(1, 300, 0)
    assert budget.take(expected)
    assert not budget.take(expected)
    budget.settle(expected, Spent(1, 10, 10))
    assert budget.take(expected)
