"""The pages of a row group as they are stored: each has a checksum, and none is missing.

Nothing is unpacked. A page is a header (a Thrift struct) and its stored bytes, over which the
header has a CRC-32.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import deflate

from remote.errors import IntegrityFailure
from remote.workloads.shards.output.thrift import Struct, decode_struct

# PageHeader
_KIND, _STORED_BYTES, _CRC = 1, 3, 4
_DATA_PAGE = 0
_DATA_HEADER, _NUM_VALUES = 5, 1


@dataclass(frozen=True, slots=True)
class Chunk:
    """A column chunk as the footer tells of it; `start` and `stop` are places in the file."""

    column: str
    start: int
    stop: int
    values: int


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with the pages of a column."""

    column: str
    text: str
    kind: str = "pages"


def flaws(data: bytes, origin: int, chunks: Iterable[Chunk]) -> Iterator[Flaw]:
    """Check the pages of a row group.

    Args:
        data: the bytes of the row group, which begins at `origin` in the file.
    """
    for chunk in chunks:
        try:
            yield from _chunk(data, chunk, origin)
        except (IntegrityFailure, KeyError, TypeError):
            yield Flaw(chunk.column, "the header of a page cannot be read")


def _chunk(data: bytes, chunk: Chunk, origin: int) -> Iterator[Flaw]:
    position, end = chunk.start - origin, chunk.stop - origin
    values = number = 0
    while position < end:
        header, body = decode_struct(data, position)
        position = body + header.integer(_STORED_BYTES)
        if not body <= position <= end:
            yield Flaw(chunk.column, f"page {number} reaches over the end of its column chunk")
            return
        if _CRC not in header:
            yield Flaw(chunk.column, f"page {number} has no checksum")
        elif deflate.crc32(memoryview(data)[body:position]) != header.integer(_CRC) & 0xFFFFFFFF:
            yield Flaw(chunk.column, f"page {number} is damaged: its checksum is another")
        values += _values(header)
        number += 1
    if values != chunk.values:
        text = f"its pages have {values} values, the footer says {chunk.values}"
        yield Flaw(chunk.column, text)


def _values(header: Struct) -> int:
    """Values of a data page; 0 of a page of another kind (a dictionary)."""
    if header.integer(_KIND) != _DATA_PAGE:
        return 0
    return header.struct(_DATA_HEADER).integer(_NUM_VALUES)
