"""Which source rows a build takes where it does not take all: the first ones, or row groups."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Sequence
from itertools import islice

from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.plan import Planned, Task, plan
from remote.workloads.shards.settings import BuildSettings

Range = tuple[int, int]


def chosen(sources: Sequence[Planned], settings: BuildSettings, task_rows: int) -> tuple[Task, ...]:
    """The tasks of a build, over all of its source rows; see `plan`."""
    rows = settings.max_spectra
    if settings.sample == "prefix" or rows is None:
        return plan(sources, rows, task_rows=task_rows)
    drawn = chosen_groups(sources, rows, settings.random_seed)
    return within(plan(sources, task_rows=task_rows), drawn)


def chosen_groups(sources: Sequence[Planned], rows: int, seed: int) -> list[list[Range]]:
    """Row groups drawn by a seed, `rows` source rows together (all where there are no more).

    Returns:
        For each input the ranges [start, stop), in order; the last of all is cut short where
        it would be too much.
    """
    groups = [
        (index, start, min(start + ROW_GROUP_ROWS, source.rows))
        for index, source in enumerate(sources)
        for start in range(0, source.rows, ROW_GROUP_ROWS)
    ]
    random.Random(seed).shuffle(groups)  # noqa: S311 - which spectra, no secret
    taken, count = [], 0
    for group in groups:
        if count >= rows:
            break
        taken.append(group)
        count += group[2] - group[1]
    return _cut_short(sorted(taken), count - rows, len(sources))


def _cut_short(groups: list[tuple[int, int, int]], excess: int, inputs: int) -> list[list[Range]]:
    while excess > 0:
        index, start, stop = groups.pop()
        if stop - excess > start:
            groups.append((index, start, stop - excess))
        excess -= stop - start
    return [[(a, b) for index, a, b in groups if index == wanted] for wanted in range(inputs)]


def within(tasks: Sequence[Task], ranges: Sequence[Sequence[Range]]) -> tuple[Task, ...]:
    """The tasks, cut to the ranges of their inputs; ranges that touch are read together."""
    joined = [_joined(of_input) for of_input in ranges]
    stops = [[stop for _, stop in of_input] for of_input in joined]
    found: list[Task] = []
    for task in tasks:
        place = bisect_right(stops[task.input_index], task.row_start)
        for start, stop in islice(joined[task.input_index], place, None):
            if start >= task.row_stop:
                break
            first, last = max(start, task.row_start), min(stop, task.row_stop)
            found.append(Task(len(found), task.input_index, first, last))
    return tuple(found)


def _joined(ranges: Sequence[Range]) -> list[Range]:
    joined: list[Range] = []
    for start, stop in ranges:
        if joined and joined[-1][1] == start:
            joined[-1] = (joined[-1][0], stop)
        else:
            joined.append((start, stop))
    return joined
