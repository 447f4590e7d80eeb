"""A generic codec for the Thrift compact protocol, which Parquet footers are written in.

It knows no Parquet: a decoded value keeps every field id and wire type, so that encoding it
again gives the same bytes, also for fields that a later Parquet version adds. (A codec that maps
to fixed classes loses what it does not know, and integer widths with it.)

    decode_struct(data) -> (Struct, bytes read)      encode_struct(struct) -> bytes

Values by wire type: BOOL -> bool; BYTE (signed), I16, I32, I64 -> int; DOUBLE -> its 8 bytes;
BINARY -> bytes; LIST and SET -> Items; MAP -> Map; STRUCT -> Struct.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from remote.errors import IntegrityFailure

STOP, TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(13)
_INTEGERS = frozenset((I16, I32, I64))
_MAX_DEPTH = 64
_LONG_LIST = 15


@dataclass(slots=True)
class Items:
    """A list or set: the wire type of its elements, and the elements."""

    element: int
    values: list[Value]


@dataclass(slots=True)
class Map:
    """A map: the wire types of keys and values (both 0 where empty), and the pairs in order."""

    key: int
    value: int
    pairs: list[tuple[Value, Value]]


@dataclass(slots=True)
class Struct:
    """A struct: field id -> (wire type, value), in the order the fields were written."""

    fields: dict[int, tuple[int, Value]] = field(default_factory=dict)

    def __getitem__(self, field_id: int) -> Value:
        return self.fields[field_id][1]

    def __contains__(self, field_id: int) -> bool:
        return field_id in self.fields

    def replace(self, field_id: int, value: Value) -> None:
        """Give an existing field another value of the same wire type."""
        self.fields[field_id] = (self.fields[field_id][0], value)

    def integer(self, field_id: int) -> int:
        """The value of an integer field."""
        value = self[field_id]
        if not isinstance(value, int):
            raise TypeError(f"field {field_id} is not an integer")
        return value

    def items(self, field_id: int) -> Items:
        """The value of a list field."""
        value = self[field_id]
        if not isinstance(value, Items):
            raise TypeError(f"field {field_id} is not a list")
        return value

    def struct(self, field_id: int) -> Struct:
        """The value of a struct field."""
        value = self[field_id]
        if not isinstance(value, Struct):
            raise TypeError(f"field {field_id} is not a struct")
        return value


@dataclass(slots=True)
class Encoded:
    """A struct whose bytes are already known; encodes as they are."""

    data: bytes


Value: TypeAlias = "bool | int | bytes | Items | Map | Struct | Encoded"


class _Reader:
    """A cursor over the bytes of one message."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def byte(self) -> int:
        try:
            value = self.data[self.position]
        except IndexError:
            raise _damaged(self.position, "ends in the middle of a value") from None
        self.position += 1
        return value

    def take(self, count: int) -> bytes:
        end = self.position + count
        if end > len(self.data):
            raise _damaged(self.position, "ends in the middle of a value")
        value = bytes(self.data[self.position : end])
        self.position = end
        return value

    def varint(self) -> int:
        result = shift = 0
        while True:
            byte = self.byte()
            result |= (byte & 0x7F) << shift
            if byte < 0x80:
                return result
            shift += 7
            if shift > 63:
                raise _damaged(self.position, "holds an integer of more than 64 bits")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def value(self, kind: int, depth: int) -> Value:
        if kind in _INTEGERS:
            return self.zigzag()
        if kind == BINARY:
            return self.take(self.varint())
        if kind == STRUCT:
            return self.struct(depth)
        if kind in (LIST, SET):
            return self.sequence(depth)
        if kind == MAP:
            return self.map(depth)
        if kind == BYTE:
            return (self.byte() ^ 0x80) - 0x80
        if kind == DOUBLE:
            return self.take(8)
        if kind in (TRUE, FALSE):  # an element of a list or map: one byte, 1 is true
            return self.byte() == TRUE
        raise _damaged(self.position, f"holds the unknown wire type {kind}")

    def struct(self, depth: int) -> Struct:
        if depth > _MAX_DEPTH:
            raise _damaged(self.position, f"is nested deeper than {_MAX_DEPTH}")
        fields: dict[int, tuple[int, Value]] = {}
        last = 0
        while header := self.byte():
            kind = header & 0x0F
            delta = header >> 4
            last = last + delta if delta else self.zigzag()
            if kind in (TRUE, FALSE):
                fields[last] = (TRUE, kind == TRUE)
            else:
                fields[last] = (kind, self.value(kind, depth + 1))
        return Struct(fields)

    def sequence(self, depth: int) -> Items:
        header = self.byte()
        size, element = header >> 4, header & 0x0F
        if size == _LONG_LIST:
            size = self.varint()
        if size > len(self.data) - self.position:  # an element has one byte at least
            raise _damaged(self.position, "holds a list longer than the message")
        return Items(element, [self.value(element, depth + 1) for _ in range(size)])

    def map(self, depth: int) -> Map:
        size = self.varint()
        if not size:
            return Map(0, 0, [])
        if size > len(self.data) - self.position:
            raise _damaged(self.position, "holds a map longer than the message")
        kinds = self.byte()
        key, value = kinds >> 4, kinds & 0x0F
        pairs = [(self.value(key, depth + 1), self.value(value, depth + 1)) for _ in range(size)]
        return Map(key, value, pairs)


def _damaged(position: int, what: str) -> IntegrityFailure:
    return IntegrityFailure(
        f"Parquet footer {what} (at byte {position} of the footer).",
        hint="The file is damaged or was cut short; build or fetch it again.",
    )


def decode_struct(data: bytes, position: int = 0) -> tuple[Struct, int]:
    """Decode the struct that begins at `position`; also return the position after it.

    Raises:
        IntegrityFailure: the bytes are no Thrift compact struct.
    """
    reader = _Reader(data, position)
    return reader.struct(0), reader.position


def encode_struct(struct: Struct) -> bytes:
    """Encode a struct in the shortest form, as every known Parquet writer does."""
    out = bytearray()
    _put_struct(out, struct)
    return bytes(out)


def _put_varint(out: bytearray, value: int) -> None:
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _put_zigzag(out: bytearray, value: int) -> None:
    _put_varint(out, (value << 1) ^ (value >> 63))


def _put_struct(out: bytearray, struct: Struct) -> None:
    last = 0
    for field_id, (kind, value) in struct.fields.items():
        wire = (TRUE if value else FALSE) if kind == TRUE else kind
        delta = field_id - last
        if 0 < delta <= 15:
            out.append(delta << 4 | wire)
        else:
            out.append(wire)
            _put_zigzag(out, field_id)
        last = field_id
        if kind != TRUE:
            _put_value(out, kind, value)
    out.append(STOP)


def _put_value(out: bytearray, kind: int, value: Value) -> None:
    if isinstance(value, Struct):
        _put_struct(out, value)
    elif isinstance(value, Encoded):
        out += value.data
    elif isinstance(value, Items):
        _put_sequence(out, value)
    elif isinstance(value, Map):
        _put_map(out, value)
    elif isinstance(value, bytes):
        if kind == BINARY:
            _put_varint(out, len(value))
        out += value
    elif kind in (TRUE, FALSE):
        out.append(TRUE if value else FALSE)
    elif kind == BYTE:
        out.append(value & 0xFF)
    else:
        _put_zigzag(out, value)


def _put_sequence(out: bytearray, items: Items) -> None:
    size = len(items.values)
    if size < _LONG_LIST:
        out.append(size << 4 | items.element)
    else:
        out.append(_LONG_LIST << 4 | items.element)
        _put_varint(out, size)
    for value in items.values:
        _put_value(out, items.element, value)


def _put_map(out: bytearray, mapping: Map) -> None:
    _put_varint(out, len(mapping.pairs))
    if mapping.pairs:
        out.append(mapping.key << 4 | mapping.value)
        for key, value in mapping.pairs:
            _put_value(out, mapping.key, key)
            _put_value(out, mapping.value, value)
