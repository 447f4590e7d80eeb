"""The columns of a shard, schema version 1: the one place that defines them.

`Layout.of` picks the columns that the inputs can fill, before any data is read, so that which
columns a shard has depends on nothing that is seen late.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from remote.errors import InputUnusable
from remote.workloads.shards.settings import SCHEMA_VERSION, MzPrecision

LshKind = Literal["int64", "string"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: how it is stored, and what it means.

    `accession` is its term in the PSI-MS controlled vocabulary. An optional column is in the
    shards only where an input has it.
    """

    name: str
    type: pa.DataType
    nullable: bool = False
    optional: bool = False
    unit: str = ""
    accession: str = ""
    meaning: str = ""

    def field(self) -> pa.Field:
        """The Arrow field, its metadata included."""
        described = {"meaning": self.meaning, "unit": self.unit, "accession": self.accession}
        metadata = {key: value for key, value in described.items() if value}
        return pa.field(self.name, self.type, nullable=self.nullable, metadata=metadata)


def _list_of(element: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("element", element, nullable=False))


def _extra(
    name: str, kind: pa.DataType, meaning: str, unit: str = "", accession: str = ""
) -> Column:
    return Column(name, kind, True, True, unit, accession, meaning)


# What the Parquet path of a list's values ends with.
_ELEMENT = ".list.element"
NAMES = pa.dictionary(pa.int32(), pa.string())

COLUMNS: tuple[Column, ...] = (
    Column("sample_id", pa.string(), meaning="{input stem}:{row in that input}"),
    Column(
        "mzs",
        _list_of(pa.float64()),
        unit="m/z",
        accession="MS:1000514",
        meaning="m/z of the peaks, > 0, non-decreasing",
    ),
    Column(
        "ints",
        _list_of(pa.float32()),
        unit="base peak = 1",
        accession="MS:1000515",
        meaning="intensity of the peaks",
    ),
    Column(
        "precursor_mz",
        pa.float64(),
        unit="m/z",
        accession="MS:1000744",
        meaning="selected ion m/z",
    ),
    _extra("charge", pa.int8(), "charge as stored, 0 undetermined", accession="MS:1000041"),
    _extra("polarity", pa.int8(), "+1 or -1"),
    _extra("ms_level", pa.uint8(), "stage of the mass spectrum", accession="MS:1000511"),
    _extra("rt", pa.float32(), "retention time", "s", "MS:1000016"),
    Column("num_peaks", pa.int32(), meaning="peaks of the spectrum as written"),
    Column(
        "base_peak_intensity",
        pa.float32(),
        unit="source units",
        accession="MS:1000505",
        meaning="highest intensity, before scaling",
    ),
    Column(
        "tic",
        pa.float64(),
        unit="source units",
        accession="MS:1000285",
        meaning="total ion current of the peaks, before scaling",
    ),
    _extra("lsh", pa.int64(), "locality-sensitive hash as in the input"),
    _extra("instrument_accuracy_est", pa.float32(), "estimated accuracy of m/z", "Da"),
    _extra("source_file", NAMES, "file that the input names as the spectrum's origin"),
    Column("input_file", NAMES, meaning="input that the spectrum was read from"),
    Column("source_row", pa.int64(), meaning="row in that input"),
    _extra("adduct", pa.string(), "adduct as in the input"),
    _extra("instrument_type", pa.string(), "instrument type as in the input"),
    _extra("smiles", pa.string(), "structure as in the input"),
    _extra("inchikey", pa.string(), "InChIKey as in the input"),
    _extra("formula", pa.string(), "molecular formula as in the input"),
    _extra("collision_energy", pa.float32(), "collision energy", "eV", "MS:1000045"),
    _extra("quality_score", pa.float32(), "score of the quality ranker"),
)

# What the schema says of a column that is there because the config names it.
CARRIED = "carried from the input"
OPTIONAL = frozenset(column.name for column in COLUMNS if column.optional)


@dataclass(frozen=True, slots=True)
class Layout:
    """Everything about a shard's bytes that is known before the first row is read.

    Attributes:
        schema: the Arrow schema, file metadata included.
        left_out: columns of the schema version that no input can fill.
    """

    schema: pa.Schema
    left_out: tuple[str, ...]

    @classmethod
    def of(
        cls,
        available: Collection[str],
        *,
        lsh: LshKind = "int64",
        mz_precision: MzPrecision = "float64",
        preprocessing: Mapping[str, object],
        carried: Mapping[str, pa.DataType] | None = None,
    ) -> Layout:
        """The layout for inputs that have the `available` optional columns between them.

        Args:
            carried: types of further columns, by name, that come after those of the schema.
        """
        present = [c for c in COLUMNS if not c.optional or c.name in available]
        fields = [_as_stored(column, lsh, mz_precision, preprocessing) for column in present]
        fields += [_extra(name, kind, CARRIED).field() for name, kind in (carried or {}).items()]
        metadata = {
            "schema_version": str(SCHEMA_VERSION),
            "preprocessing": json.dumps(dict(preprocessing), sort_keys=True),
            "intensity_scale": intensity_scale(preprocessing),
            "mz_precision": mz_precision,
        }
        left_out = tuple(c.name for c in COLUMNS if c not in present)
        return cls(pa.schema(fields, metadata=metadata), left_out)

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the shards, in order."""
        return tuple(self.schema.names)

    @property
    def plain_schema(self) -> pa.Schema:
        """The columns that hold no lists."""
        return pa.schema([f for f in self.schema if not pa.types.is_list(f.type)])


def float_paths(schema: pa.Schema) -> list[str]:
    """Parquet paths of the leaf columns that hold floats."""
    return [path for path, kind in _leaves(schema) if pa.types.is_floating(kind)]


def column_at(path: str) -> str:
    """The column that a Parquet path is of; a name that is carried may have dots in it."""
    return path.removesuffix(_ELEMENT)


def name_paths(schema: pa.Schema) -> list[str]:
    """Parquet paths of the columns whose few values repeat."""
    return [f.name for f in schema if pa.types.is_dictionary(f.type)]


def _leaves(schema: pa.Schema) -> list[tuple[str, pa.DataType]]:
    return [
        (f"{f.name}{_ELEMENT}", f.type.value_type) if pa.types.is_list(f.type) else (f.name, f.type)
        for f in schema
    ]


def intensity_scale(preprocessing: Mapping[str, object]) -> str:
    """What an intensity of 1 is."""
    return "base peak = 1" if preprocessing.get("normalize_intensities", True) else "source units"


def common_lsh(kinds: Mapping[str, LshKind]) -> LshKind:
    """The one type of the inputs' lsh columns, by input.

    Raises:
        InputUnusable: some are numbers and some are strings.
    """
    by_kind = {kind: name for name, kind in kinds.items()}
    if len(by_kind) > 1:
        raise InputUnusable(
            f"dataset `lsh` holds whole numbers in {by_kind['int64']} and text in "
            f"{by_kind['string']}: the two cannot share a column",
            hint="Build them apart, into two datasets.",
        )
    return next(iter(by_kind), "int64")


def _as_stored(
    column: Column, lsh: LshKind, mz_precision: MzPrecision, preprocessing: Mapping[str, object]
) -> pa.Field:
    field = column.field()
    if column.name == "lsh" and lsh == "string":
        return field.with_type(pa.string())
    if column.name == "mzs" and mz_precision == "float32":
        return field.with_type(_list_of(pa.float32()))
    if column.name == "ints":
        metadata = {**(field.metadata or {}), b"unit": intensity_scale(preprocessing).encode()}
        return field.with_metadata(metadata)
    return field
