"""A shard's file before any of its values is looked at: footer, row groups, columns."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.shards.output.footer import MAGIC
from remote.workloads.shards.output.versions import refuse_newer
from remote.workloads.shards.schema import OPTIONAL, Layout
from remote.workloads.shards.settings import SCHEMA_VERSION
from remote.workloads.shards.validation.pages import Chunk
from remote.workloads.shards.validation.records import Record

UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, IndexError, OverflowError)
_TAIL_BYTES = 8


@dataclass(frozen=True, slots=True)
class Stored:
    """An opened shard.

    Attributes:
        size: of the file, in bytes.
        metadata, schema: what its footer says, and the Arrow schema of it.
        chunks: the column chunks of each row group.
        spans: the bytes [start, stop) of each row group; they follow one another, see `layout`.
        rows: spectra of each row group.
    """

    path: Path
    size: int
    metadata: Any
    schema: pa.Schema
    chunks: tuple[tuple[Chunk, ...], ...]
    spans: tuple[tuple[int, int], ...]
    rows: tuple[int, ...]

    @classmethod
    def opened(cls, path: Path) -> Stored:
        """Read the footer.

        Raises:
            OSError, pyarrow.ArrowException, ValueError: it cannot be read.
        """
        with pq.ParquetFile(path) as file:
            metadata, schema = file.metadata, file.schema_arrow
        groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
        chunks = tuple(tuple(_chunks(group)) for group in groups)
        spans = tuple((min(c.start for c in x), max(c.stop for c in x)) for x in chunks)
        rows = tuple(group.num_rows for group in groups)
        return cls(path, path.stat().st_size, metadata, schema, chunks, spans, rows)

    @property
    def firsts(self) -> tuple[int, ...]:
        """The first row of each row group, counted from the file's first one."""
        return tuple(accumulate(self.rows, initial=0))[:-1]

    def read(self, start: int, stop: int) -> bytes:
        """The bytes [start, stop) of the file; fewer where it ends before."""
        with self.path.open("rb", buffering=0) as file:
            return os.pread(file.fileno(), stop - start, start)


def _chunks(group: Any) -> Iterator[Chunk]:
    for index in range(group.num_columns):
        column = group.column(index)
        start = column.data_page_offset
        if column.has_dictionary_page:
            start = min(start, column.dictionary_page_offset)
        stop = start + column.total_compressed_size
        yield Chunk(column.path_in_schema, start, stop, column.num_values)


def layout(stored: Stored) -> str:
    """What is wrong with where things lie; empty where all bytes have one place each."""
    if not stored.spans:
        return "has no row groups"
    for place, (chunks, span) in enumerate(zip(stored.chunks, stored.spans, strict=True)):
        ordered = sorted((chunk.start, chunk.stop) for chunk in chunks)
        whole = all(a[1] == b[0] for a, b in pairwise(ordered))
        if not whole or span[0] < len(MAGIC) or any(a >= b for a, b in ordered):
            return f"the columns of row group {place} do not follow one another"
    tail = stored.read(stored.size - _TAIL_BYTES, stored.size)
    footer = stored.size - _TAIL_BYTES - int.from_bytes(tail[:4], "little")
    ends = [len(MAGIC), *(stop for _, stop in stored.spans)]
    starts = [*(start for start, _ in stored.spans), footer]
    wrong = [place for place, (a, b) in enumerate(zip(ends, starts, strict=True)) if a != b]
    return f"there is a gap or an overlap before row group {wrong[0]}" if wrong else ""


def against_manifest(stored: Stored, manifest: Record) -> Iterator[str]:
    """How the footer differs from the shard's manifest."""
    if stored.metadata.num_rows != manifest["num_samples"]:
        yield f"holds {stored.metadata.num_rows} spectra, not {manifest['num_samples']}"
    if sum(stored.rows) != stored.metadata.num_rows:
        yield f"its row groups have {sum(stored.rows)} spectra, it {stored.metadata.num_rows}"
    ends = precursors(stored)
    if ends != (manifest["min_precursor_mz"], manifest["max_precursor_mz"]):
        yield (
            f"has precursor_mz {ends[0]} to {ends[1]}, its manifest says "
            f"{manifest['min_precursor_mz']} to {manifest['max_precursor_mz']}"
        )
    found = [
        (start, stop - start, rows)
        for (start, stop), rows in zip(stored.spans, stored.rows, strict=True)
    ]
    recorded = [(x["offset"], x["bytes"], x["rows"]) for x in manifest["row_groups"]]
    if found != recorded:
        place = next(
            (i for i, (a, b) in enumerate(zip(found, recorded, strict=False)) if a != b),
            min(len(found), len(recorded)),
        )
        yield f"has other row groups than its manifest says, from row group {place} on"


def precursors(stored: Stored) -> tuple[float | None, float | None]:
    """The least and the greatest precursor m/z that the footer tells of."""
    place = stored.metadata.schema.names.index("precursor_mz")
    found = [
        stored.metadata.row_group(group).column(place).statistics
        for group in range(len(stored.spans))
    ]
    told = [x for x in found if x is not None and x.has_min_max]
    return min((x.min for x in told), default=None), max((x.max for x in told), default=None)


def check_schema(stored: Stored, dataset: Record) -> Iterator[tuple[str, str]]:
    """How columns and metadata differ from the schema version's, as (column, text).

    Raises:
        ResultsUnusable: the file is of a newer schema version.
    """
    metadata = {k.decode(): v.decode() for k, v in (stored.schema.metadata or {}).items()}
    version = metadata.get("schema_version", "")
    if version.isdecimal():
        refuse_newer(int(version), str(stored.path))
    if version != str(SCHEMA_VERSION):
        yield "", f"has schema version {version!r}, not {SCHEMA_VERSION}"
    expected = expected_layout(stored.schema, dataset)
    for name, value in (expected.schema.metadata or {}).items():
        key, wanted = name.decode(), value.decode()
        if not _same(metadata.get(key), wanted):
            yield "", f"its metadata has {key} {metadata.get(key)!r}, not {wanted!r}"
    yield from _columns(stored.schema, expected.schema)
    yield from _recorded(stored.schema, expected, dataset)


def expected_layout(schema: pa.Schema, dataset: Record) -> Layout:
    """The layout of shards that have these columns."""
    text = "lsh" in schema.names and pa.types.is_string(schema.field("lsh").type)
    rules = dataset["preprocessing"]
    return Layout.of(
        OPTIONAL & set(schema.names),
        lsh="string" if text else "int64",
        mz_precision=rules["mz_precision"],
        preprocessing=rules,
    )


def _same(found: str | None, wanted: str) -> bool:
    if found == wanted:
        return True
    try:  # JSON may be written in more than one way
        return found is not None and bool(json.loads(found) == json.loads(wanted))
    except ValueError:
        return False


def _columns(found: pa.Schema, expected: pa.Schema) -> Iterator[tuple[str, str]]:
    for field in expected:
        if field.name not in found.names:
            yield field.name, "is missing"
        else:
            yield from ((field.name, text) for text in _field(found.field(field.name), field))
    names = [name for name in found.names if name in expected.names]
    if names != expected.names and sorted(names) == sorted(expected.names):
        yield "", f"its columns are in the order {', '.join(names)}"
    elif len(set(names)) != len(names):
        yield "", "has a column twice"


def _field(found: pa.Field, expected: pa.Field) -> Iterator[str]:
    if not found.type.equals(expected.type):
        yield f"holds {found.type}, not {expected.type}"
    if found.nullable != expected.nullable:
        yield "may be null, and should not" if found.nullable else "may not be null, and should"
    wanted = expected.metadata or {}
    held = {k: v for k, v in (found.metadata or {}).items() if not k.startswith(b"PARQUET:")}
    if held != wanted:
        yield f"its metadata is {_text(held)}, not {_text(wanted)}"


def _text(metadata: Mapping[bytes, bytes]) -> str:
    return json.dumps({k.decode(): v.decode() for k, v in sorted(metadata.items())})


def _recorded(found: pa.Schema, expected: Layout, dataset: Record) -> Iterator[tuple[str, str]]:
    """The dataset manifest's list of columns, and those that are carried from the input."""
    recorded = dataset["schema"]
    carried = dataset.get("input_rules", {}).get("carry", ())
    listed: Sequence[Mapping[str, Any]] = recorded["columns"]
    names = [x["name"] for x in listed]
    if names != list(found.names):
        yield "", f"has the columns {', '.join(found.names)}, the manifest {', '.join(names)}"
        return
    if list(expected.left_out) != recorded["left_out"]:
        yield "", f"leaves out {list(expected.left_out)}, the manifest {recorded['left_out']}"
    for entry, field in zip(listed, found, strict=True):
        if (entry["type"], entry["nullable"]) != (str(field.type), field.nullable):
            text = f"holds {field.type}, the manifest says {entry['type']}"
            yield field.name, text
        if field.name not in expected.names and (field.name not in carried or not field.nullable):
            yield field.name, "is no column of this schema version, and not carried"
