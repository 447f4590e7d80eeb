"""Clean rows to the bytes of one Parquet row group, in memory.

pyarrow writes a file of one row group with the columns that hold no lists; what is kept of it is
the column chunks' bytes and the row group's metadata. The lists' chunks follow (`lists`). The
appending side only moves them. Equal rows give equal bytes, however they were read:
dictionaries are made here, from the group's own values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.output.footer import Footer, columns_of, group_span, widened
from remote.workloads.shards.output.lists import encode_lists
from remote.workloads.shards.output.thrift import Struct
from remote.workloads.shards.schema import Layout, float_paths, name_paths

COMPRESSION, COMPRESSION_LEVEL = "zstd", 1


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """One row group, ready to be appended to any shard of its layout.

    Attributes:
        input_index, row_start, row_stop: the source rows it was made from.
        rows: spectra kept, 0 where all were dropped; then `data` and `group` are empty.
        data: the column chunks' bytes, in parts that follow one another.
        ids: the sample ids as UTF-8 lines.
        group: the Parquet `RowGroup`, its offsets as if `data` followed a file's magic.
        first_id, last_id: the sample ids at its ends, empty without rows.
        precursor_mz: least and greatest, None where no row is kept.
        stats: what cleaning counted; merges by addition.
        fingerprints: (rows,) uint64.
    """

    input_index: int
    row_start: int
    row_stop: int
    rows: int
    data: tuple[pa.Buffer, ...]
    ids: pa.Buffer
    group: Struct | None
    first_id: str
    last_id: str
    precursor_mz: tuple[float, float] | None
    stats: Mapping[str, object]
    fingerprints: npt.NDArray[np.uint64]

    @property
    def size(self) -> int:
        """Bytes of the column chunks."""
        return sum(part.size for part in self.data)


@dataclass(frozen=True)
class Encoder:
    """Encodes row groups of one layout.

    Attributes:
        layout: the columns.
        stems: by input index, what `sample_id` begins with.
        files: by input index, what `input_file` says.
    """

    layout: Layout
    stems: tuple[str, ...]
    files: tuple[str, ...]

    @cached_property
    def footer(self) -> Footer:
        """What the footers of all shards of this layout share."""
        return Footer.of(memoryview(self._parquet(self.layout.schema.empty_table())))

    @cached_property
    def _plain(self) -> tuple[pa.Schema, Footer]:
        """The columns that hold no lists, and the footer of a file of them alone."""
        schema = self.layout.plain_schema
        return schema, Footer.of(memoryview(self._parquet(schema.empty_table())))

    @cached_property
    def _templates(self) -> dict[str, Struct]:
        """The `ColumnChunk` that pyarrow writes for each column of lists, by its name."""
        lists = [field for field in self.layout.schema if pa.types.is_list(field.type)]
        one = pa.Table.from_arrays(
            [pa.array([[1.0]], f.type) for f in lists], schema=pa.schema(lists)
        )
        file = memoryview(self._parquet(one))
        found = Footer.of(memoryview(self._parquet(one.schema.empty_table()))).row_group(file)
        return dict(zip(one.schema.names, columns_of(found), strict=True))

    def __call__(self, rows: CleanRows) -> EncodedGroup:
        """Encode one row group."""
        if not len(rows):
            return self._empty(rows)
        table = self.plain_table(rows)
        data, group = self._encoded(rows, table)
        precursor = np.asarray(rows.columns["precursor_mz"])
        return EncodedGroup(
            input_index=rows.input_index,
            row_start=rows.row_start,
            row_stop=rows.row_stop,
            rows=len(rows),
            data=data,
            ids=id_lines(table["sample_id"].chunk(0)),
            group=group,
            first_id=self._id(rows, 0),
            last_id=self._id(rows, -1),
            precursor_mz=(float(precursor.min()), float(precursor.max())),
            stats=rows.stats,
            fingerprints=rows.fingerprints,
        )

    def _encoded(self, rows: CleanRows, plain: pa.Table) -> tuple[tuple[pa.Buffer, ...], Struct]:
        """The column chunks' bytes, and the row group as if they followed a file's magic."""
        schema, footer = self._plain
        file = self._parquet(plain)
        group = footer.row_group(memoryview(file))
        start, stop = group_span(group)
        columns = dict(zip(schema.names, columns_of(group), strict=True))
        data = [file.slice(start, stop - start)]
        codec = pa.Codec(COMPRESSION, COMPRESSION_LEVEL)
        raw_size = 0
        for name, values in (("mzs", rows.mzs), ("ints", rows.ints)):
            wanted = self.layout.schema.field(name).type.value_type.to_pandas_dtype()
            stored = np.ascontiguousarray(values, wanted)
            chunk = encode_lists(rows.offsets, stored, self._templates[name], codec, stop)
            columns[name] = chunk.column
            data += chunk.data
            stop += chunk.size
            raw_size += chunk.raw_size
        ordered = [columns[name] for name in self.layout.names]
        return tuple(data), widened(group, ordered, raw_size, stop - start)

    def plain_table(self, rows: CleanRows) -> pa.Table:
        """The rows without their lists, as an Arrow table."""
        made, (schema, _) = self._made_columns(rows), self._plain
        arrays = [
            made[field.name] if field.name in made else _column(field, rows) for field in schema
        ]
        return pa.Table.from_arrays(arrays, schema=schema)

    def _made_columns(self, rows: CleanRows) -> dict[str, pa.Array]:
        return {
            "sample_id": self._ids(rows),
            "num_peaks": pa.array(np.diff(rows.offsets).astype(np.int32)),
            "input_file": pa.DictionaryArray.from_arrays(
                pa.array(np.zeros(len(rows), np.int32)), pa.array([self.files[rows.input_index]])
            ),
            "source_row": pa.array(rows.source_row),
        }

    def _ids(self, rows: CleanRows) -> pa.Array:
        numbers = pa.array(rows.source_row).cast(pa.string())
        return pc.binary_join_element_wise(f"{self.stems[rows.input_index]}:", numbers, "")

    def _id(self, rows: CleanRows, at: int) -> str:
        return f"{self.stems[rows.input_index]}:{rows.source_row[at]}"

    def _parquet(self, table: pa.Table) -> pa.Buffer:
        sink = pa.BufferOutputStream()
        with pq.ParquetWriter(
            sink,
            table.schema,
            compression=COMPRESSION,
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=name_paths(table.schema),
            use_byte_stream_split=float_paths(table.schema),
            write_statistics=True,
            write_page_index=False,
            write_page_checksum=True,
            store_schema=True,
        ) as writer:
            if len(table):
                writer.write_table(table, row_group_size=len(table))
        return sink.getvalue()

    def _empty(self, rows: CleanRows) -> EncodedGroup:
        return EncodedGroup(
            rows.input_index,
            rows.row_start,
            rows.row_stop,
            0,
            (),
            pa.py_buffer(b""),
            None,
            "",
            "",
            None,
            rows.stats,
            rows.fingerprints,
        )


def id_lines(ids: pa.Array) -> pa.Buffer:
    """Sample ids as UTF-8 lines; `ids` is of type string, without nulls."""
    lines = pc.binary_join_element_wise(ids, "", "\n")
    return lines.buffers()[2] or pa.py_buffer(b"")


def _column(field: pa.Field, rows: CleanRows) -> pa.Array:
    values = rows.columns.get(field.name)
    if values is None:  # this input lacks it, another one has it
        return pa.nulls(len(rows), field.type)
    if pa.types.is_dictionary(field.type):
        return _names(values)
    if isinstance(values, pa.Array):
        return _as(values, field.type)
    if values.dtype.kind == "S":
        return _as(pa.array(values.tolist(), pa.binary()), field.type)
    # In a nullable column of numbers NaN says that the value is unknown.
    return _as(pa.array(values, from_pandas=field.nullable), field.type)


def _as(values: pa.Array, wanted: pa.DataType) -> pa.Array:
    return values if values.type.equals(wanted) else values.cast(wanted)


def _names(values: npt.NDArray[np.generic] | pa.Array) -> pa.Array:
    plain = pa.array(values.tolist()) if isinstance(values, np.ndarray) else values
    return plain.cast(pa.string()).dictionary_encode()
