"""`read_shards`: a view of some columns and rows of shards, read when it is asked for.

A table would not hold a dataset of a hundred million spectra, and Arrow's own dataset says of
damage neither the file nor that its pages can be verified. So `Shards` streams batches, makes a
table where one fits, and is an Arrow stream: polars, DuckDB, pandas and pyarrow take it as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa

from remote.errors import UsageError
from remote.workloads.shards.reading.columns import chosen_columns, known_filter, same_schema
from remote.workloads.shards.reading.find import Source, find_shards
from remote.workloads.shards.reading.names import (
    Names,
    known_names,
    refuse_twins,
    renamed,
    renamed_name,
    renamed_schema,
)
from remote.workloads.shards.reading.opening import damage_named, opened
from remote.workloads.shards.words import several

Filters: TypeAlias = Any  # pyarrow's: an expression, or tuples (column, operator, value)

ROWS = 5_000  # a row group
_READ_AHEAD = 4


@dataclass(frozen=True, slots=True)
class RowGroup:
    """A row group: rows before any filter."""

    path: Path
    index: int
    rows: int


@dataclass(frozen=True)
class Shards:
    """Columns and rows of some shards; made by `read_shards`.

    Attributes:
        files: the shards, in order.
        columns: those that are read, under the names that they have in the shards.
        names: whose names they are given.
        filter: an expression over columns of the shards; None for all rows.
    """

    files: tuple[Path, ...]
    columns: tuple[str, ...]
    names: Names | None = None
    filter: Any = None

    @cached_property
    def stored_schema(self) -> pa.Schema:
        """The schema as the first shard stores it, the columns that are read."""
        whole = opened(self.files[0]).physical_schema
        return pa.schema([whole.field(name) for name in self.columns], metadata=whole.metadata)

    @property
    def schema(self) -> pa.Schema:
        """Of what is read: names, types, units, and how the shards were made."""
        return renamed_schema(self.stored_schema, self.names)

    def name(self, column: str) -> str:
        """What a column of the shards is called here."""
        return renamed_name(column, self.names)

    def batches(self, rows: int = ROWS) -> Iterator[pa.RecordBatch]:
        """All rows in order, at most `rows` at a time; few of them are in memory at once.

        Raises:
            IntegrityFailure: a shard is damaged, or has other columns; the message names it.
        """
        for path in self.files:
            with damage_named(path):
                for batch in self._scanned(path, rows):
                    if batch.num_rows:
                        yield renamed(batch, self.names)

    def table(self) -> pa.Table:
        """All of it in memory."""
        return pa.Table.from_batches(self.batches(), self.schema)

    def row_groups(self) -> tuple[RowGroup, ...]:
        """The row groups, but for those whose statistics say that the filter passes no row."""
        return tuple(
            RowGroup(path, group.id, group.num_rows)
            for path in self.files
            for group in self._pruned(path).row_groups
        )

    def read(self, group: RowGroup) -> pa.Table:
        """The rows of one row group that pass the filter."""
        fragment = same_schema(group.path, opened(group.path), self.stored_schema)
        with damage_named(group.path):
            part = fragment.subset(row_group_ids=[group.index])
            table = part.to_table(columns=list(self.columns), filter=self.filter, use_threads=False)
        return renamed(table, self.names)

    def count(self, group: RowGroup) -> int:
        """Rows of a row group that pass the filter."""
        if self.filter is None:
            return group.rows
        with damage_named(group.path):
            part = opened(group.path).subset(row_group_ids=[group.index])
            return int(part.count_rows(filter=self.filter))

    @cached_property
    def _length(self) -> int:
        return sum(self.count(group) for group in self.row_groups())

    def __len__(self) -> int:
        """Rows. Without a filter the footers tell; with one its columns are read."""
        return self._length

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The Arrow stream that other libraries ask for: `polars.DataFrame(shards)`."""
        reader = pa.RecordBatchReader.from_batches(self.schema, self.batches())
        return reader.__arrow_c_stream__(requested_schema)

    def __repr__(self) -> str:
        filtered = f", where {self.filter}" if self.filter is not None else ""
        listed = ", ".join(self.schema.names)
        files = several(len(self.files), "shard")
        return f"<{files} in {self.files[0].parent}: {listed}{filtered}>"

    def _scanned(self, path: Path, rows: int) -> Iterator[pa.RecordBatch]:
        fragment = same_schema(path, opened(path), self.stored_schema)
        scanner = fragment.scanner(
            columns=list(self.columns),
            filter=self.filter,
            batch_size=rows,
            batch_readahead=_READ_AHEAD,
        )
        yield from scanner.to_batches()

    def _pruned(self, path: Path) -> Any:
        fragment = opened(path)
        if self.filter is None:
            return fragment
        with damage_named(path):
            return fragment.subset(filter=self.filter)


def read_shards(
    path: Source,
    *,
    names: Names | None = None,
    columns: Sequence[str] | None = None,
    filters: Filters = None,
    split: str | None = None,
) -> Shards:
    """Shards as Arrow. Only footers are read now; pages are verified as they are read.

        read_shards("results/10_build_shards_20250423_143022").table()
        for batch in read_shards(folder, columns=["mzs", "ints"], split="train").batches(1_000): ...

    Args:
        path: a folder with a dataset (a run's result folder is one), a folder of one split, a
            shard, or several of these.
        names: whose names the columns are given ("ancestor", "depthcharge", "matchms"); None for
            those of the shards. Values and types stay as they are; nothing is copied.
        columns: those to read, None for all. Here and in `filters`: names of the shards.
        filters: rows to read, as pyarrow takes them: `[("precursor_mz", ">", 500)]` or an
            expression. Row groups that cannot hold any, by their statistics, are not read.
        split: "train", "val" or "test"; None for all.

    Raises:
        UsageError: unknown names, columns, filters or split; two columns of one name.
        ResultsUnusable: there are no shards, or a newer version wrote them.
        IntegrityFailure: a shard is missing or damaged.
    """
    whose = known_names(names)
    files = find_shards(path, split)
    schema = opened(files[0]).physical_schema
    chosen = chosen_columns(columns, schema)
    refuse_twins(chosen, lambda name: renamed_name(name, whose))
    return Shards(files, chosen, whose, known_filter(filters, schema))


def shards_of(source: Source | Shards, needed: Sequence[str], usual: Sequence[str]) -> Shards:
    """What a converter reads: a view as it is given, or of a path the `usual` columns.

    Raises:
        UsageError: a view lacks `needed` columns.
    """
    if isinstance(source, Shards):
        lacking = [name for name in needed if name not in source.columns]
        if lacking:
            raise UsageError(
                f"These columns are needed as well: {', '.join(lacking)}.",
                hint="Name them in `columns` of read_shards.",
            )
        return source
    whole = read_shards(source)
    wanted = tuple(name for name in whole.columns if name in {*needed, *usual})
    return replace(whole, columns=wanted)
