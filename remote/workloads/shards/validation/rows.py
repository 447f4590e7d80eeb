"""Which rows a row group says that it holds, and what its footer says of its values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from remote.workloads.shards.schema import column_at
from remote.workloads.shards.validation.columns import Fault, column_of, fault_of


def ids(table: pa.Table, stems: Mapping[str, str]) -> Iterator[Fault]:
    """Is `sample_id` the stem of the input and the row in it, rows rising?

    Args:
        stems: by input name, what its sample ids begin with.
    """
    inputs, rows = column_of(table, "input_file"), column_of(table, "source_row")
    names = inputs.dictionary.to_pylist()
    indices = inputs.indices.to_numpy(zero_copy_only=False)
    unknown = [name not in stems for name in names]
    if any(unknown):
        wrong = np.array(unknown)[indices]
        yield from fault_of(
            "input_file",
            "unknown input",
            wrong,
            lambda row: f"{names[indices[row]]} is none of the dataset's inputs",
        )
        return
    prefix = pa.array([stems[name] for name in names], pa.string()).take(inputs.indices)
    expected = pc.binary_join_element_wise(prefix, rows.cast(pa.string()), ":")
    found = column_of(table, "sample_id")
    wrong = pc.fill_null(pc.not_equal(found, expected), True)
    yield from fault_of(
        "sample_id",
        "not its row",
        wrong.to_numpy(zero_copy_only=False),
        lambda row: f"{found[row].as_py()} should be {expected[row].as_py()}",
    )
    numbers = rows.to_numpy(zero_copy_only=False)
    falls = np.concatenate([[False], (np.diff(numbers) <= 0) & (np.diff(indices) == 0)])
    yield from fault_of(
        "source_row",
        "not rising",
        falls,
        lambda row: f"row {numbers[row]} comes after row {numbers[row - 1]}",
    )


def statistics(table: pa.Table, group: Any) -> Iterator[Fault]:
    """Does the footer say what the least and greatest values are, for readers that skip by it?

    Args:
        group: the metadata of the row group.
    """
    everywhere = np.zeros(0, np.int64)
    for index in range(group.num_columns):
        chunk = group.column(index)
        name = column_at(chunk.path_in_schema)
        told = chunk.statistics
        if told is None or not told.has_min_max:
            continue
        least, greatest = _ends(column_of(table, name))
        if not (_equal(told.min, least) and _equal(told.max, greatest)):
            text = f"the footer says {told.min} to {told.max}, it has {least} to {greatest}"
            yield Fault(name, "statistics", everywhere, partial(_said, text))


def _said(text: str, _: int) -> str:
    return text


def _ends(column: Any) -> tuple[Any, Any]:
    if pa.types.is_list(column.type):
        column = column.flatten()
    if pa.types.is_dictionary(column.type):
        # Every entry of the dictionary is in use: it was made for this row group.
        column = column.dictionary
    ends = pc.min_max(column)
    return ends["min"].as_py(), ends["max"].as_py()


def _equal(told: Any, found: Any) -> bool:
    if isinstance(told, float) and isinstance(found, float):
        return told == found or (math.isnan(told) and math.isnan(found))
    return bool(told == found)
