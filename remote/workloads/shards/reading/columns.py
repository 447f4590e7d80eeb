"""Are the columns and rows that somebody asks for there to be read?"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from remote.errors import UsageError
from remote.workloads.shards.reading.names import RENAMED
from remote.workloads.shards.schema import OPTIONAL


def chosen_columns(columns: Sequence[str] | None, schema: pa.Schema) -> tuple[str, ...]:
    """The columns to read, in the order asked for.

    Raises:
        UsageError: one of them is not in the shards.
    """
    if columns is None:
        return tuple(schema.names)
    if isinstance(columns, str):
        raise UsageError(f"columns is a list of names, not {columns!r}.")
    for name in columns:
        if name not in schema.names:
            raise UsageError(
                f"The shards have no column {name!r}.", hint=_advice(name, schema.names)
            )
    return tuple(dict.fromkeys(columns))


def _advice(name: str, there: Sequence[str]) -> str:
    for renaming in RENAMED.values():
        for ours, theirs in renaming.items():
            if name == theirs:
                return f"Columns and filters are named as in the shards: {ours!r} is read as it."
    if name in OPTIONAL:
        return "No input of the build had it; the dataset manifest lists what is left out."
    near = difflib.get_close_matches(name, there, 1)
    return f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(there)}."


def known_filter(filters: Any, schema: pa.Schema) -> Any:
    """The filter as an expression; None for all rows.

    Raises:
        UsageError: it names a column that is not there, or compares what cannot be compared.
    """
    if filters is None:
        return None
    try:
        expression = (
            filters if isinstance(filters, pc.Expression) else pq.filters_to_expression(filters)
        )
        schema.empty_table().filter(expression)
    except (pa.ArrowException, TypeError, ValueError, KeyError) as error:
        raise UsageError(
            f"The filter cannot be applied: {str(error).splitlines()[0]}",
            hint='It is a list such as [("precursor_mz", ">", 500)], or an expression of '
            f"pyarrow's, over: {', '.join(schema.names)}.",
        ) from error
    return expression


def same_schema(path: Path, fragment: Any, expected: pa.Schema) -> Any:
    """The fragment itself.

    Raises:
        UsageError: a column that is read is missing from the shard, or of another type.
    """
    found = fragment.physical_schema
    for field in expected:
        at = found.get_field_index(field.name)
        if at < 0 or found.field(at).type != field.type:
            kind = "does not have it" if at < 0 else f"has it as {found.field(at).type}"
            raise UsageError(
                f"The first shard has {field.name} as {field.type}, {path} {kind}.",
                hint="Read these shards by themselves, or only columns that all of them have.",
            )
    return fragment
