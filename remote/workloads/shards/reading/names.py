"""What other software calls our columns. A name changes; no value is copied.

ancestor      the earlier pipeline: its eleven columns are called as ours are
depthcharge   what depthcharge-ms parses spectra into, and its datasets read
matchms       its metadata keys as they are after harmonisation; peaks as `Spectrum` takes them
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Literal, TypeVar, get_args

import pyarrow as pa

from remote.errors import UsageError

Names = Literal["ancestor", "depthcharge", "matchms"]
Columns = TypeVar("Columns", pa.Table, pa.RecordBatch)

RENAMED: Mapping[Names, Mapping[str, str]] = MappingProxyType(
    {
        "ancestor": {},
        "depthcharge": {
            "sample_id": "scan_id",
            "input_file": "peak_file",
            "charge": "precursor_charge",
            "mzs": "mz_array",
            "ints": "intensity_array",
        },
        "matchms": {
            "sample_id": "spectrum_id",
            "source_file": "file_name",
            "rt": "retention_time",
            "mzs": "mz",
            "ints": "intensities",
        },
    }
)


def known_names(names: str | None) -> Names | None:
    """The value itself.

    Raises:
        UsageError: nobody's names are called that.
    """
    for known in get_args(Names):
        if names == known:
            found: Names = known
            return found
    if names is None:
        return None
    raise UsageError(
        f"There are no names {names!r}.", hint=f"Known are: {', '.join(get_args(Names))}."
    )


def renamed_name(column: str, names: Names | None) -> str:
    """What a column of the shards is called."""
    return RENAMED[names].get(column, column) if names else column


def refuse_twins(columns: Iterable[str], called: Callable[[str], str]) -> None:
    """Refuse columns that would be called the same.

    Args:
        columns: names in the shards.
        called: what each is called.

    Raises:
        UsageError: names the first two.
    """
    taken: dict[str, str] = {}
    for column in columns:
        other = taken.setdefault(called(column), column)
        if other != column:
            raise UsageError(
                f"{other} and {column} would both be called {called(column)}.",
                hint="Leave one of them out: name the others in `columns` of read_shards.",
            )


def renamed(columns: Columns, names: Names | None) -> Columns:
    """The same columns, the same memory, under other names; the file's metadata is kept."""
    if not names:
        return columns
    schema = renamed_schema(columns.schema, names)
    found: Columns = type(columns).from_arrays(columns.columns, schema=schema)
    return found


def renamed_schema(schema: pa.Schema, names: Names | None) -> pa.Schema:
    """The schema of `renamed` columns."""
    fields = [field.with_name(renamed_name(field.name, names)) for field in schema]
    return pa.schema(fields, metadata=schema.metadata)
