"""One row group looked at, by any thread."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.blocks import ROW_GROUP_ROWS
from remote.workloads.shards.output.encode import id_lines
from remote.workloads.shards.schema import column_at
from remote.workloads.shards.validation.columns import Fault, column_of
from remote.workloads.shards.validation.pages import flaws
from remote.workloads.shards.validation.problems import SHOWN, Problem
from remote.workloads.shards.validation.rows import ids, statistics
from remote.workloads.shards.validation.scores import Told
from remote.workloads.shards.validation.seen import SourceRows
from remote.workloads.shards.validation.stored import UNREADABLE, Stored
from remote.workloads.shards.validation.values import Rules, faults


@dataclass(frozen=True, slots=True)
class Content:
    """What a row group holds, as far as it matters for the others.

    Attributes:
        ids: the sample ids as UTF-8 lines.
        first_id, last_id: those at its ends.
        rows: the source rows; None where they are at fault.
    """

    ids: pa.Buffer
    first_id: str
    last_id: str
    rows: SourceRows | None


@dataclass(frozen=True, slots=True)
class Group:
    """What came of looking at a row group.

    Attributes:
        data: its bytes.
        content: None where values were not asked for, or cannot be read.
    """

    data: bytes
    problems: tuple[Problem, ...]
    content: Content | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """Looks at the row groups of one shard.

    Attributes:
        file: the shard, as problems name it.
        full: whether values are looked at.
        stems: by input name, what sample ids begin with.
        scores: what the ranker is recorded to have said; None where it said nothing.
        first: the first row of each row group.
    """

    file: str
    stored: Stored
    full: bool
    rules: Rules
    stems: Mapping[str, str]
    scores: Told | None
    first: tuple[int, ...]

    def __call__(self, place: int) -> Group:
        """Look at one row group."""
        start, stop = self.stored.spans[place]
        data = self.stored.read(start, stop)
        found = [
            Problem(self.file, flaw.text, place, column=column_at(flaw.column), kind=flaw.kind)
            for flaw in flaws(data, start, self.stored.chunks[place])
        ]
        if found or not self.full:
            return Group(data, tuple(found))
        try:
            table = self._unpacked(place)
        except UNREADABLE as error:
            return Group(data, (self._broken(place, error),))
        return self._values(data, place, table)

    def _unpacked(self, place: int, columns: list[str] | None = None) -> pa.Table:
        # A reader is no two threads' at a time; with the footer known, opening one costs little.
        with pq.ParquetFile(self.stored.path, metadata=self.stored.metadata) as file:
            return file.read_row_group(place, columns=columns, use_threads=False)

    def _broken(self, place: int, error: Exception) -> Problem:
        """Which column cannot be unpacked."""
        for name in self.stored.schema.names:
            try:
                self._unpacked(place, [name])
            except UNREADABLE as found:
                return Problem(self.file, f"cannot be unpacked: {found}", place, column=name)
        return Problem(self.file, f"cannot be unpacked: {error}", place)

    def _values(self, data: bytes, place: int, table: pa.Table) -> Group:
        of_rows = [*ids(table, self.stems)]
        every = [*faults(table, self.rules), *of_rows]
        every += statistics(table, self.stored.metadata.row_group(place))
        rows = None if of_rows else _source_rows(table)
        if rows is not None and self.scores is not None:
            every += self.scores.faults(table, rows)
        names = column_of(table, "sample_id")
        first = self.first[place]
        found = [
            problem
            for fault in every
            for problem in _problems(self.file, place, first, fault, names)
        ]
        if rows is None and not of_rows:
            text = f"holds rows of more than one block of {ROW_GROUP_ROWS} source rows"
            found.append(Problem(self.file, text, place, column="source_row"))
        content = Content(id_lines(names), str(names[0]), str(names[-1]), rows)
        return Group(data, tuple(found), content)


def _problems(file: str, place: int, first: int, fault: Fault, names: Any) -> Iterator[Problem]:
    """The first rows of a fault, each by itself; the last of them stands for the rest."""
    if not len(fault.rows):
        yield Problem(file, fault.text(0), place, column=fault.column, kind=fault.kind)
    named = fault.rows[:SHOWN].tolist()
    for number, row in enumerate(named):
        text = f"{fault.text(number)} (sample_id {names[row]})"
        found = Problem(file, text, place, first + row, fault.column, fault.kind)
        rest = len(fault.rows) - number if number == len(named) - 1 else 1
        yield replace(found, count=rest)


def _source_rows(table: pa.Table) -> SourceRows | None:
    """The source rows; None where they are not of one block of one input."""
    inputs = column_of(table, "input_file")
    indices = inputs.indices.to_numpy(zero_copy_only=False)
    rows = column_of(table, "source_row").to_numpy(zero_copy_only=False)
    blocks = np.array([rows[0], rows[-1]]) // ROW_GROUP_ROWS
    if indices.min() != indices.max() or blocks[0] != blocks[1] or rows[0] < 0:
        return None
    return SourceRows(inputs.dictionary[int(indices[0])].as_py(), rows)
