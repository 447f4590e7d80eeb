"""Source ranges to encoded row groups: what a task does, and how its results become groups.

A task reads one range of one input, cuts it at row-group bounds, and cleans and encodes each
group it has whole. The parts of a group that two tasks share come back clean and are joined and
encoded on the ordered side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from remote.workloads.shards.blocks import ROW_GROUP_ROWS, CleanRows, RawRows, cut, join
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.output.encode import EncodedGroup
from remote.workloads.shards.plan import Task
from remote.workloads.shards.skipping import without_damaged

# A row group, in a part for each split; or rows of one that other tasks have more of.
Part = tuple[EncodedGroup, ...] | CleanRows


@dataclass(frozen=True, slots=True)
class Work:
    """What is done with a task.

    Attributes:
        sources: the inputs, by index.
        stops: by input, the row after the last one of the build.
        clean: raw to clean rows.
        deal: clean rows of one whole group to a part for each split.
        encode: such a part to its bytes.
    """

    sources: Sequence[Source]
    stops: Mapping[int, int]
    clean: Callable[[RawRows], CleanRows]
    deal: Callable[[CleanRows], tuple[CleanRows, ...]]
    encode: Callable[[CleanRows], EncodedGroup]

    def __call__(self, task: Task) -> Sequence[Part]:
        """Read, clean and encode the rows of a task."""
        parts: list[Part] = []
        for rows in self.cleaned(task):
            whole = (rows.row_start, rows.row_stop) == self.group(rows.input_index, rows.row_start)
            parts.append(self.encoded(rows) if whole else rows)
        return parts

    def cleaned(self, task: Task) -> Iterator[CleanRows]:
        """Read and clean the rows of a task, cut at row-group bounds."""
        raw = self.sources[task.input_index].read(task.row_start, task.row_stop)
        for piece in cut(raw):
            yield without_damaged(piece, self.clean)

    def encoded(self, rows: CleanRows) -> tuple[EncodedGroup, ...]:
        """A whole group, in a part for each split."""
        return tuple(map(self.encode, self.deal(rows)))

    def close(self) -> None:
        """Close the inputs, where they were opened for this work alone."""
        for source in self.sources:
            source.close()

    def describe(self, task: Task) -> str:
        """A task as a person knows it: a file and rows of it."""
        path = self.sources[task.input_index].path
        return f"{path}, rows {task.row_start} to {task.row_stop - 1}"

    def group(self, input_index: int, row: int) -> tuple[int, int]:
        """The source rows of the row group that `row` belongs to."""
        start = row - row % ROW_GROUP_ROWS
        return start, min(start + ROW_GROUP_ROWS, self.stops[input_index])

    def groups(self, results: Iterable[Sequence[Part]]) -> Iterator[tuple[EncodedGroup, ...]]:
        """Encoded row groups in source order, from the results of consecutive tasks."""
        pending: list[CleanRows] = []
        for part in (part for result in results for part in result):
            if not isinstance(part, CleanRows):
                yield part
                continue
            pending.append(part)
            _, stop = self.group(part.input_index, part.row_start)
            if part.row_stop == stop:
                yield self.encoded(join(pending))
                pending = []


def remaining(tasks: Iterable[Task], after: tuple[int, int]) -> Iterator[Task]:
    """What is left of the tasks after (input index, row) is reached."""
    input_index, row = after
    for task in tasks:
        if task.input_index > input_index:
            yield task
        elif task.input_index == input_index and task.row_stop > row:
            yield replace(task, row_start=max(task.row_start, row))


def stops(tasks: Iterable[Task]) -> dict[int, int]:
    """By input, the row after the last one that the tasks cover."""
    found: dict[int, int] = {}
    for task in tasks:
        found[task.input_index] = max(found.get(task.input_index, 0), task.row_stop)
    return found
