"""Equal rows give equal bytes, however they were read; values arrive as they are."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from remote.errors import InputUnusable
from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.output.encode import EncodedGroup, Encoder
from remote.workloads.shards.schema import COLUMNS, Layout, common_lsh
from tests.unit.shards.making import clean_rows, encoder, table_of


@pytest.fixture(scope="module")
def encode() -> Encoder:
    return encoder()


def content(group: EncodedGroup) -> bytes:
    return b"".join(map(memoryview, group.data))


def with_columns(rows: CleanRows, **columns: Any) -> CleanRows:
    return replace(rows, columns={**rows.columns, **columns})


def test_bytes_do_not_depend_on_how_names_were_encoded(encode: Encoder) -> None:
    rows = clean_rows(30)
    names = rows.columns["source_file"]
    assert isinstance(names, pa.DictionaryArray)
    wider = pa.DictionaryArray.from_arrays(
        pa.array(names.indices.to_numpy() + 1, pa.int32()),
        pa.concat_arrays([pa.array(["unused"]), names.dictionary]),
    )
    expected = content(encode(rows))
    for same in (wider, names.cast(pa.string()), np.array(names.to_pylist(), object)):
        assert content(encode(with_columns(rows, source_file=same))) == expected


def test_a_column_that_an_input_lacks_is_null_there(encode: Encoder) -> None:
    rows = clean_rows(4)
    short = {k: v for k, v in rows.columns.items() if k not in ("charge", "source_file", "lsh")}
    table = table_of(encode, replace(rows, columns=short))
    for name in ("charge", "source_file", "lsh"):
        assert table[name].null_count == 4


def test_not_a_number_is_null_where_a_value_may_be_unknown(encode: Encoder) -> None:
    rows = clean_rows(3)
    rt = np.array([1.5, np.nan, 2.5], np.float32)
    assert table_of(encode, with_columns(rows, rt=rt))["rt"].to_pylist() == [1.5, None, 2.5]


def test_ids_rows_and_ends(encode: Encoder) -> None:
    rows = replace(clean_rows(3, row_start=7, input_index=1), source_row=np.array([7, 9, 12]))
    group = encode(rows)
    assert table_of(encode, rows)["sample_id"].to_pylist() == ["b:7", "b:9", "b:12"]
    assert table_of(encode, rows)["input_file"].to_pylist() == ["b.hdf5"] * 3
    assert (group.first_id, group.last_id) == ("b:7", "b:12")
    precursor = rows.columns["precursor_mz"]
    assert isinstance(precursor, np.ndarray)
    assert group.precursor_mz == (precursor.min(), precursor.max())


def test_a_group_without_rows_has_no_bytes(encode: Encoder) -> None:
    rows = replace(
        clean_rows(1),
        source_row=np.zeros(0, np.int64),
        offsets=np.zeros(1, np.int64),
        mzs=np.zeros(0),
        ints=np.zeros(0, np.float32),
        columns={name: values[:0] for name, values in clean_rows(1).columns.items()},
    )
    group = encode(rows)
    assert (group.rows, group.size, group.group) == (0, 0, None)


def test_single_precision_is_what_it_says() -> None:
    rows = clean_rows(5)
    stored = table_of(encoder(mz_precision="float32"), rows)["mzs"]
    assert stored.type.value_type == pa.float32()
    assert np.array_equal(stored.combine_chunks().values.to_numpy(), rows.mzs.astype(np.float32))


def test_columns_are_chosen_by_what_the_inputs_have() -> None:
    layout = Layout.of({"charge", "rt"}, preprocessing={"normalize_intensities": False})
    assert "charge" in layout.names
    assert "lsh" not in layout.names
    assert set(layout.left_out) | set(layout.names) == {column.name for column in COLUMNS}
    assert layout.schema.metadata[b"intensity_scale"] == b"source units"
    assert layout.schema.field("ints").metadata[b"unit"] == b"source units"
    assert layout.schema.field("mzs").metadata[b"accession"] == b"MS:1000514"
    assert not layout.schema.field("mzs").type.value_field.nullable


def test_one_kind_of_lsh_only() -> None:
    assert common_lsh({}) == "int64"
    assert common_lsh({"a": "string", "b": "string"}) == "string"
    with pytest.raises(InputUnusable, match="whole numbers in a and text in b"):
        common_lsh({"a": "int64", "b": "string"})


def test_text_hashes_are_stored_as_text() -> None:
    rows = with_columns(clean_rows(2), lsh=np.array([b"ab", b"cd"], "S2"))
    assert table_of(encoder(lsh="string"), rows)["lsh"].to_pylist() == ["ab", "cd"]


def test_groups_and_encoders_travel_between_processes(encode: Encoder) -> None:
    """What a pool of processes needs of the seam."""
    group = pickle.loads(pickle.dumps(encode))(clean_rows(9))
    again = pickle.loads(pickle.dumps(group))
    expected = encode(clean_rows(9))
    assert content(again) == content(expected)
    assert again.ids.equals(expected.ids)
    assert again.group == expected.group
    assert again.fingerprints.tolist() == expected.fingerprints.tolist()
