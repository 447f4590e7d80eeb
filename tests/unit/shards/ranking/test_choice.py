"""Which rows are asked about: as many as are wanted, the same however they are divided."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards.plan import Task, plan
from remote.workloads.shards.ranking.choice import choose

SIZES = st.lists(st.integers(1, 23_000), min_size=1, max_size=3)


class Input:
    def __init__(self, rows: int, chunk_rows: int) -> None:
        self.rows = rows
        self.chunk_rows = chunk_rows


def tasks(sizes: list[int], step: int, chunk: int) -> tuple[Task, ...]:
    return plan([Input(size, chunk) for size in sizes], task_rows=step)


@settings(max_examples=30)
@given(SIZES, st.integers(1, 30_000), st.integers(0, 5), st.integers(1, 9_000), st.integers(1, 70))
def test_the_division_into_tasks_does_not_matter(
    sizes: list[int], most: int, seed: int, step: int, chunk: int
) -> None:
    whole, parts = tasks(sizes, 10**6, 1), tasks(sizes, step, chunk)
    one, other = choose(whole, most, seed), choose(parts, most, seed)
    assert one.number == other.number == min(most, sum(sizes))
    found = [(i, row) for i, size in enumerate(sizes) for row in _rows(one, i, size)]
    assert found == [(i, row) for i, size in enumerate(sizes) for row in _rows(other, i, size)]
    assert len(found) == one.number
    assert sum(len(other.among(task)) for task in parts) == other.number


def _rows(choice: object, index: int, size: int) -> list[int]:
    rows = np.arange(size)
    return rows[choice.of(index, rows)].tolist()  # type: ignore[attr-defined, no-any-return]


def test_another_seed_chooses_others_and_all_rows_have_their_chance() -> None:
    whole = tasks([20_000], 10**6, 1)
    found = [set(_rows(choose(whole, 4_000, seed), 0, 20_000)) for seed in range(20)]
    assert found[0] != found[1]
    assert 0.95 < len(set().union(*found)) / 20_000 / (1 - 0.8**20) < 1.05
    first_half = sum(row < 10_000 for rows in found for row in rows)
    assert 0.48 < first_half / 80_000 < 0.52
