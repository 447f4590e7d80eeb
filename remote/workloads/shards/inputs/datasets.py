"""Which datasets of an input become which columns, and in what form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Kind = Literal["float", "integer", "hash", "text", "name", "carried"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that one of several datasets can fill.

    Attributes:
        column: its name in the shards.
        datasets: names in the input; the first that is there is taken.
        kind: what is acceptable: real numbers, whole numbers, int64 or fixed bytes, text, or
            any of them, carried as they are stored.
        dtype: what numbers are converted to; values beyond it are refused. Empty for text, and
            for what is carried.
    """

    column: str
    datasets: tuple[str, ...]
    kind: Kind
    dtype: str = ""


PRECURSOR = Wanted("precursor_mz", ("precursor_mz",), "float", "float64")

OPTIONAL = (
    Wanted("rt", ("RT", "rt"), "float", "float32"),
    Wanted("charge", ("charge",), "integer", "int8"),
    Wanted("polarity", ("polarity",), "integer", "int8"),
    Wanted("ms_level", ("ms_level",), "integer", "uint8"),
    Wanted("lsh", ("lsh",), "hash", "int64"),
    Wanted(
        "instrument_accuracy_est",
        ("instrument accuracy est.", "instrument_accuracy_est"),
        "float",
        "float32",
    ),
    Wanted("source_file", ("name", "file_name"), "name"),
    Wanted("adduct", ("adduct",), "text"),
    Wanted("instrument_type", ("instrument_type",), "text"),
    Wanted("smiles", ("smiles",), "text"),
    Wanted("inchikey", ("inchikey",), "text"),
    Wanted("formula", ("formula",), "text"),
    Wanted("collision_energy", ("collision_energy",), "float", "float32"),
)

ACCEPTED: Mapping[Kind, str] = {
    "float": "fiu",
    "integer": "iu",
    "hash": "iuS",
    "text": "SO",
    "name": "SO",
    "carried": "fiuSO",
}


class OutOfRange(ValueError):
    """Numbers do not fit their column.

    Attributes:
        row, value: the first of them.
        rows: (k,) int64, all of them.
    """

    def __init__(self, rows: npt.NDArray[np.int64], value: float) -> None:
        super().__init__(f"{value} in row {rows[0]}")
        self.row = int(rows[0])
        self.value = value
        self.rows = rows


def converted(wanted: Wanted, values: npt.NDArray[Any] | pa.Array) -> Any:
    """Stored values as the column wants them: NumPy numbers or Arrow text.

    Raises:
        OutOfRange: a number does not fit; the row counts from the first of `values`.
    """
    if isinstance(values, pa.Array):
        return values if wanted.kind == "name" else values.dictionary_decode()
    if wanted.kind == "name":
        return text(values).dictionary_encode()
    if values.dtype.kind in "SO":
        return text(values)
    if wanted.kind == "carried":
        return values.astype(np.float32) if values.dtype == np.float16 else values
    if wanted.kind in ("integer", "hash"):
        return _whole(wanted, values)
    return _real(wanted, values)


def _real(wanted: Wanted, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    with np.errstate(over="ignore"):
        narrow = values.astype(wanted.dtype, copy=False)
    if narrow.itemsize < values.itemsize:
        wrong = np.flatnonzero(np.isinf(narrow) & np.isfinite(values))
        if len(wrong):
            raise OutOfRange(wrong, float(values[wrong[0]]))
    return narrow


def _whole(wanted: Wanted, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    narrow = values.astype(wanted.dtype, copy=False)
    if narrow.dtype != values.dtype:
        # 2**63 and up as int64 comes out negative, and equal again if compared as it is.
        wrong = np.flatnonzero((narrow != values) | ((narrow < 0) != (values < 0)))
        if len(wrong):
            raise OutOfRange(wrong, int(values[wrong[0]]))
    return narrow


def text(values: npt.NDArray[Any]) -> pa.Array:
    """Byte strings as UTF-8; bytes that are not UTF-8 are taken for Latin-1."""
    stored = pa.array(values.tolist() if values.dtype.kind == "S" else values)
    if pa.types.is_string(stored.type):
        return stored
    try:
        return stored.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([_decoded(value) for value in stored.to_pylist()], pa.string())


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
