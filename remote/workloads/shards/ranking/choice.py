"""Which source rows are asked about."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.plan import Task

# One stream of random numbers for this purpose, whatever else a seed is used for.
_STREAM = 0x51C0


@dataclass(frozen=True, slots=True)
class Choice:
    """The rows of a build that are asked about.

    Attributes:
        rows: by input, sorted source rows (n,) int64; None for all.
        number: how many.
    """

    rows: dict[int, npt.NDArray[np.int64]] | None
    number: int

    def of(self, input_index: int, source_row: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of some rows of an input, (n,) bool."""
        if self.rows is None:
            return np.ones(len(source_row), bool)
        return np.isin(source_row, self.rows.get(input_index, np.zeros(0, np.int64)))

    def among(self, task: Task) -> npt.NDArray[np.int64]:
        """Those of a task."""
        if self.rows is None:
            return np.arange(task.row_start, task.row_stop)
        rows = self.rows.get(task.input_index, np.zeros(0, np.int64))
        first, last = np.searchsorted(rows, [task.row_start, task.row_stop])
        return rows[first:last]


def choose(tasks: Sequence[Task], most: int | None, seed: int) -> Choice:
    """Exactly `most` rows of the tasks at random, or all where they are fewer.

    The same ones for the same rows and seed, however the rows are divided into tasks.
    """
    blocks = list(_blocks(tasks))
    total = sum(stop - start for _, start, stop in blocks)
    if most is None or most >= total:
        return Choice(None, total)
    random = np.random.default_rng([_STREAM, seed])
    chosen: dict[int, list[npt.NDArray[np.int64]]] = {}
    wanted, left = most, total
    for input_index, start, stop in blocks:
        size = stop - start
        here = int(random.hypergeometric(size, left - size, wanted)) if wanted else 0
        places = random.choice(size, here, replace=False)
        chosen.setdefault(input_index, []).append(np.sort(places) + start)
        wanted, left = wanted - here, left - size
    return Choice({index: np.concatenate(rows) for index, rows in chosen.items()}, most)


def _blocks(tasks: Sequence[Task]) -> Iterator[tuple[int, int, int]]:
    """The tasks' rows of each row group: (input, start, stop), in order."""
    pending: tuple[int, int, int] | None = None
    for task in tasks:
        for start in range(_group(task.row_start), task.row_stop, ROW_GROUP_ROWS):
            piece = max(start, task.row_start), min(start + ROW_GROUP_ROWS, task.row_stop)
            before = (pending[0], pending[2], _group(pending[1])) if pending else None
            if pending and before == (task.input_index, piece[0], start):
                pending = (task.input_index, pending[1], piece[1])
                continue
            if pending:
                yield pending
            pending = (task.input_index, *piece)
    if pending:
        yield pending


def _group(row: int) -> int:
    return row - row % ROW_GROUP_ROWS
