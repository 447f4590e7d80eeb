"""The Thrift codec gives back the bytes it read: on anything, and on pyarrow's own footers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.errors import IntegrityFailure
from remote.workloads.shards.output import thrift
from remote.workloads.shards.output.footer import footer_of
from remote.workloads.shards.output.thrift import (
    Encoded,
    Items,
    Map,
    Struct,
    decode_struct,
    encode_struct,
)
from remote.workloads.shards.schema import COLUMNS

SCALARS: dict[int, st.SearchStrategy[Any]] = {
    thrift.TRUE: st.booleans(),
    thrift.BYTE: st.integers(-128, 127),
    thrift.I16: st.integers(-(2**15), 2**15 - 1),
    thrift.I32: st.integers(-(2**31), 2**31 - 1),
    thrift.I64: st.integers(-(2**63), 2**63 - 1),
    thrift.DOUBLE: st.binary(min_size=8, max_size=8),
    thrift.BINARY: st.sampled_from([b"", b"x", b"y" * 127, b"z" * 128]),
}


def typed(children: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[tuple[int, Any]]:
    """Wire type and value: lists, maps and structs of what `children` gives."""

    def repeated(element: tuple[int, Any]) -> st.SearchStrategy[tuple[int, Any]]:
        kind, value = element
        sizes = st.sampled_from([0, 1, 14, 15, 130])
        kinds = st.sampled_from([thrift.LIST, thrift.SET])
        return st.builds(lambda k, n: (k, Items(kind, [value] * n)), kinds, sizes)

    maps = st.builds(
        lambda key, other: (thrift.MAP, Map(key[0], other[0], [(key[1], other[1])])),
        children,
        children,
    )
    empty = st.just((thrift.MAP, Map(0, 0, [])))
    return (
        children.flatmap(repeated)
        | maps
        | empty
        | structs(children).map(lambda struct: (thrift.STRUCT, struct))
    )


def structs(values: st.SearchStrategy[tuple[int, Any]]) -> st.SearchStrategy[Struct]:
    return st.dictionaries(st.integers(-5, 400), values, max_size=3).map(Struct)


VALUES = st.recursive(
    st.one_of([st.tuples(st.just(kind), values) for kind, values in SCALARS.items()]),
    typed,
    max_leaves=5,
)


@settings(max_examples=60)
@given(structs(VALUES))
def test_decoding_gives_back_the_value_and_encoding_the_bytes(struct: Struct) -> None:
    data = encode_struct(struct)
    decoded, end = decode_struct(data + b"rest")
    assert end == len(data)
    assert decoded == struct
    assert encode_struct(decoded) == data


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        struct, end = decode_struct(data)
    except IntegrityFailure:
        return
    assert 0 < end <= len(data)
    assert decode_struct(encode_struct(struct))[0] == struct


@settings(max_examples=30)
@given(structs(VALUES), st.data())
def test_a_message_cut_short_is_refused(struct: Struct, data: st.DataObject) -> None:
    whole = encode_struct(struct)
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(IntegrityFailure):
        decode_struct(whole[:cut])


def test_an_encoded_struct_is_taken_as_it_is() -> None:
    inner = Struct({1: (thrift.I32, 7), 2: (thrift.BINARY, b"x")})
    plain = Struct({4: (thrift.LIST, Items(thrift.STRUCT, [inner, inner]))})
    spliced = Struct(
        {4: (thrift.LIST, Items(thrift.STRUCT, [Encoded(encode_struct(inner)), inner]))}
    )
    assert encode_struct(spliced) == encode_struct(plain)


def test_known_bytes() -> None:
    """Against the protocol's specification, so that encoder and decoder cannot err together."""
    struct = Struct(
        {
            1: (thrift.I32, -1),
            2: (thrift.TRUE, True),
            20: (thrift.BINARY, b"hi"),
            21: (thrift.LIST, Items(thrift.I32, [1, 300])),
        }
    )
    expected = bytes.fromhex("15 01 11 08 28 02 68 69 19 25 02 d8 04 00")
    assert encode_struct(struct) == expected
    assert decode_struct(expected)[0] == struct


VALUES_OF = {
    pa.string(): ["a", "b", None, "ä" * 50],
    pa.float64(): [1.0, None, float("nan"), -0.0],
    pa.float32(): [1.0, None, float("inf"), -0.0],
    pa.int8(): [-1, 0, None, 127],
    pa.uint8(): [1, 0, None, 255],
    pa.int32(): [-1, 0, None, 2**31 - 1],
    pa.int64(): [-1, 0, None, 2**63 - 1],
}


def sample_of(kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array(VALUES_OF[pa.string()]).dictionary_encode()
    if pa.types.is_list(kind):
        return pa.array([[1.0, 2.0], [], [3.0], [4.0] * 20], kind)
    return pa.array(VALUES_OF[kind], kind)


@settings(max_examples=40)
@given(
    st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=25, unique_by=lambda c: c.name),
    st.sampled_from([0, 1, 2, 14, 15, 20]),
    st.booleans(),
    st.booleans(),
)
def test_footers_of_every_column_type_are_kept_byte_for_byte(
    columns: list[Any], groups: int, index: bool, dictionary: bool
) -> None:
    arrays = [sample_of(column.type) for column in columns]
    schema = pa.schema(
        [pa.field(c.name, c.type, metadata={"unit": c.unit}) for c in columns],
        metadata={"schema_version": "1"},
    )
    table = pa.Table.from_arrays(arrays, schema=schema)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        use_dictionary=dictionary,
        write_page_index=index,
        write_page_checksum=True,
    ) as writer:
        for _ in range(groups):
            writer.write_table(table)
    footer = footer_of(memoryview(sink.getvalue()))
    struct, end = decode_struct(footer)
    assert end == len(footer)
    assert encode_struct(struct) == footer
    assert struct.integer(3) == groups * 4
