"""Which rows are read together: a pure function of the inputs' layouts.

A task covers whole chunk rows, so that no chunk is inflated for two tasks. Row groups are cut
from the tasks' rows afterwards (`blocks.cut`, `blocks.join`): they do not follow the chunks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

TASK_ROWS = 20_000


class Planned(Protocol):
    """What a plan has to know of an input."""

    @property
    def rows(self) -> int: ...

    @property
    def chunk_rows(self) -> int:
        """Rows that are stored, and so inflated, together; 1 where any row can be read alone."""
        ...


@dataclass(frozen=True, slots=True)
class Task:
    """Rows [row_start, row_stop) of one input, read, cleaned and encoded together."""

    index: int
    input_index: int
    row_start: int
    row_stop: int

    def __len__(self) -> int:
        return self.row_stop - self.row_start

    def __str__(self) -> str:
        rows = f"rows {self.row_start} to {self.row_stop - 1}"
        return f"task {self.index}: input {self.input_index}, {rows}"


def plan(
    sources: Sequence[Planned], max_spectra: int | None = None, *, task_rows: int = TASK_ROWS
) -> tuple[Task, ...]:
    """Tasks over the first `max_spectra` rows of the inputs in order (all without a limit).

    A task holds at least `task_rows` rows unless its input ends, and never part of a chunk row
    that another task holds.
    """
    left = sum(source.rows for source in sources) if max_spectra is None else max_spectra
    tasks: list[Task] = []
    for input_index, source in enumerate(sources):
        stop = min(source.rows, left)
        left -= stop
        step = -(-task_rows // source.chunk_rows) * source.chunk_rows
        for row_start in range(0, stop, step):
            tasks.append(Task(len(tasks), input_index, row_start, min(row_start + step, stop)))
    return tuple(tasks)
