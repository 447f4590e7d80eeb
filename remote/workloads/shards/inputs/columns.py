"""Values of single entries as columns: what fits them, and what stands for the unknown ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from remote.workloads.shards.inputs.datasets import OPTIONAL, PRECURSOR, Wanted
from remote.workloads.shards.schema import COLUMNS

_WANTED = {wanted.column: wanted for wanted in (PRECURSOR, *OPTIONAL)}
_TYPES = {column.name: column.type for column in COLUMNS}
_LARGEST = float(np.finfo(np.float32).max)
# Columns in which a value says that nothing is known; the cleaning counts it.
_UNKNOWN = {"charge": 0}


def misfit(values: Mapping[str, Any]) -> str:
    """Which value does not fit its column; empty where all do."""
    for name, value in values.items():
        wanted = _WANTED.get(name)
        if wanted is not None and value is not None and not _fits(wanted, value):
            return f"{name} {value!r} does not fit {wanted.dtype or 'text'}"
    return ""


def _fits(wanted: Wanted, value: Any) -> bool:
    if isinstance(value, str):
        return wanted.kind in ("text", "name", "hash")
    if wanted.kind in ("text", "name") or not isinstance(value, (int, float)):
        return False
    if wanted.kind == "float":
        return wanted.dtype == "float64" or not _LARGEST < abs(value) < math.inf
    limits = np.iinfo(wanted.dtype)
    return limits.min <= value <= limits.max and value == int(value)


def column_of(name: str, carried: pa.DataType | None, values: Sequence[Any]) -> Any:
    """A column of the values that `misfit` has passed; None stands for one that is not known.

    Args:
        carried: its type, where the schema does not say it.

    Returns:
        NumPy where cleaning counts with it, else Arrow.
    """
    if carried is not None:
        return pa.array(values, carried)
    wanted = _WANTED[name]
    if wanted.kind == "float":
        return np.array([math.nan if x is None else x for x in values], wanted.dtype)
    if name in _UNKNOWN:
        return np.array([_UNKNOWN[name] if x is None else x for x in values], wanted.dtype)
    if wanted.kind == "name":
        return pa.array(values, pa.string()).dictionary_encode()
    return pa.array(values, _TYPES[name])
