"""Parquet footers taken apart and put together: field ids, offsets, one footer for many groups.

A Parquet file is the magic, column chunks, the footer (a `FileMetaData` struct), its length and
the magic again. All places in it are absolute, so that moving a row group's bytes means adding
the same number to each of its offsets and changing nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from remote.errors import IntegrityFailure
from remote.workloads.shards.output import thrift
from remote.workloads.shards.output.thrift import Encoded, Items, Struct

MAGIC = b"PAR1"
_TAIL_BYTES = 8
# A row group's ordinal is an i16.
MAX_ROW_GROUPS = 32_767

# FileMetaData
_NUM_ROWS, _ROW_GROUPS = 3, 4
# RowGroup
_COLUMNS, _RAW_BYTES, _GROUP_OFFSET, _STORED_BYTES, _ORDINAL = 1, 2, 5, 6, 7
# ColumnChunk: where the page index and the metadata copy lie; we write neither
_CHUNK_OFFSET, _META, _OFFSET_INDEX, _COLUMN_INDEX = 2, 3, 4, 6
# ColumnMetaData
_COMPRESSED_BYTES, _DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE, _BLOOM = 7, 9, 10, 11, 14
_PLACES = (_DATA_PAGE, _INDEX_PAGE, _DICTIONARY_PAGE)


def footer_of(file: bytes | memoryview) -> bytes:
    """The footer's bytes of a whole Parquet file.

    Raises:
        IntegrityFailure: it is no Parquet file.
    """
    tail = bytes(file[-_TAIL_BYTES:])
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC or length + _TAIL_BYTES + len(MAGIC) > len(file):
        raise IntegrityFailure(
            "The bytes are not a whole Parquet file.", hint="Build or fetch the file again."
        )
    return bytes(file[-_TAIL_BYTES - length : -_TAIL_BYTES])


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer shared by all shards of a layout: everything but its row groups.

    `head` is the part before the number of rows (version and schema), as bytes.
    """

    template: Struct
    head: bytes

    @classmethod
    def of(cls, file: bytes | memoryview) -> Footer:
        """Take it from a Parquet file without row groups."""
        return cls.taken_apart(footer_of(file))[0]

    @classmethod
    def taken_apart(cls, footer: bytes) -> tuple[Footer, list[Struct]]:
        """A file's footer without its row groups, and these.

        Raises:
            IntegrityFailure: it is no footer.
        """
        template, _ = thrift.decode_struct(footer)
        groups = [x for x in template.items(_ROW_GROUPS).values if isinstance(x, Struct)]
        template.replace(_ROW_GROUPS, Items(thrift.STRUCT, []))
        fields = {k: v for k, v in template.fields.items() if k < _NUM_ROWS}
        head = thrift.encode_struct(Struct(fields))[:-1]
        return cls(template, head), groups

    def row_group(self, file: bytes | memoryview) -> Struct:
        """The only row group of a file of this layout.

        Raises:
            IntegrityFailure: the file's schema is another, or it has not exactly one row group.
        """
        footer = footer_of(file)
        if not footer.startswith(self.head):
            raise IntegrityFailure(
                "A row group was encoded with another schema than its shard.",
                hint="This is a defect in Workhorse; please report it.",
            )
        # The rest is a struct of its own whose field ids count on from the head's last one.
        rest, _ = thrift.decode_struct(footer, len(self.head))
        last = max(k for k in self.template.fields if k < _NUM_ROWS)
        groups = rest.items(_ROW_GROUPS - last).values
        if len(groups) != 1 or not isinstance(groups[0], Struct):
            raise IntegrityFailure(
                f"A file of one row group was expected, it has {len(groups)}.",
                hint="This is a defect in Workhorse; please report it.",
            )
        return groups[0]

    def assemble(self, rows: int, groups: Sequence[bytes]) -> bytes:
        """The footer of a shard, its length and the closing magic."""
        values: list[thrift.Value] = [Encoded(group) for group in groups]
        fields = dict(self.template.fields)
        fields[_NUM_ROWS] = (fields[_NUM_ROWS][0], rows)
        fields[_ROW_GROUPS] = (thrift.LIST, Items(thrift.STRUCT, values))
        footer = thrift.encode_struct(Struct(fields))
        return footer + len(footer).to_bytes(4, "little") + MAGIC

    def size(self, rows: int, count: int, groups_bytes: int) -> int:
        """Bytes that `assemble` would return for `count` groups of `groups_bytes` together."""
        long_list = 0 if count < 15 else max(1, -(-count.bit_length() // 7))
        return len(self.assemble(rows, ())) + long_list + groups_bytes


def columns_of(group: Struct) -> list[Struct]:
    """The `ColumnChunk` structs of a row group."""
    return [chunk for chunk in group.items(_COLUMNS).values if isinstance(chunk, Struct)]


def widened(group: Struct, columns: Sequence[Struct], raw_bytes: int, size: int) -> Struct:
    """A row group with other columns: further ones of `raw_bytes`, `size` bytes all together."""
    fields = dict(group.fields)
    fields[_COLUMNS] = (thrift.LIST, Items(thrift.STRUCT, list(columns)))
    fields[_RAW_BYTES] = (thrift.I64, group.integer(_RAW_BYTES) + raw_bytes)
    if _STORED_BYTES in fields:
        fields[_STORED_BYTES] = (thrift.I64, size)
    return Struct(fields)


def placed(group: Struct, shift: int, ordinal: int) -> bytes:
    """A row group's bytes after its column chunks were moved by `shift` bytes.

    Raises:
        IntegrityFailure: the group has a page index or Bloom filter, whose bytes lie elsewhere.
    """
    columns: list[thrift.Value] = [_moved_chunk(chunk, shift) for chunk in columns_of(group)]
    fields = dict(group.fields)
    fields[_COLUMNS] = (thrift.LIST, Items(thrift.STRUCT, columns))
    if _GROUP_OFFSET in fields:
        fields[_GROUP_OFFSET] = (thrift.I64, group.integer(_GROUP_OFFSET) + shift)
    if _ORDINAL in fields:
        fields[_ORDINAL] = (thrift.I16, ordinal)
    return thrift.encode_struct(Struct(fields))


def _moved_chunk(chunk: Struct, shift: int) -> Struct:
    meta = chunk.struct(_META)
    if _OFFSET_INDEX in chunk or _COLUMN_INDEX in chunk or _BLOOM in meta:
        raise IntegrityFailure(
            "A row group has a page index or a Bloom filter, which cannot be moved.",
            hint="This is a defect in Workhorse; please report it.",
        )
    fields = dict(meta.fields)
    for place in _PLACES:
        if place in fields:
            fields[place] = (thrift.I64, meta.integer(place) + shift)
    moved = dict(chunk.fields)
    moved[_META] = (thrift.STRUCT, Struct(fields))
    if chunk.integer(_CHUNK_OFFSET):  # 0 where the metadata is not repeated after the chunk
        moved[_CHUNK_OFFSET] = (thrift.I64, chunk.integer(_CHUNK_OFFSET) + shift)
    return Struct(moved)


def group_span(group: Struct) -> tuple[int, int]:
    """The bytes [start, stop) that the column chunks of a lone row group occupy.

    Raises:
        IntegrityFailure: they do not follow the magic and one another without gaps.
    """
    spans = []
    for chunk in columns_of(group):
        meta = chunk.struct(_META)
        start = min(meta.integer(place) for place in _PLACES if place in meta)
        spans.append((start, start + meta.integer(_COMPRESSED_BYTES)))
    spans.sort()
    ends = [len(MAGIC), *(stop for _, stop in spans)]
    if [start for start, _ in spans] != ends[:-1]:
        raise IntegrityFailure(
            "The column chunks of a row group do not follow one another.",
            hint="This is a defect in Workhorse; please report it.",
        )
    return spans[0][0], spans[-1][1]
