"""One-row-group files merged into one: every value, offset and checksum as pyarrow wrote it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from remote.errors import IntegrityFailure
from remote.workloads.shards.output.append import ShardFile, longest_prefix, partial_path
from remote.workloads.shards.output.encode import Encoder
from remote.workloads.shards.output.footer import Footer
from tests.unit.shards.making import clean_rows, encoder, table_of

SIZES = (50, 1, 300, 17)


def write(path: Path, encode: Encoder, sizes: tuple[int, ...] = SIZES) -> pa.Table:
    """Write groups of these sizes to a shard; return the table that they make up."""
    tables = []
    shard = ShardFile.create(path, encode.footer)
    start = 0
    for size in sizes:
        rows = clean_rows(size, row_start=start)
        tables.append(table_of(encode, rows))
        group = encode(rows)
        shard.append(group, shard.place(group))
        start += size
    assert not path.exists()
    shard.finish()
    assert not partial_path(path).exists()
    assert shard.sha256() == hashlib.sha256(path.read_bytes()).hexdigest()
    return pa.concat_tables(tables)


@pytest.fixture(scope="module")
def encode() -> Encoder:
    return encoder()


def test_three_readers_read_what_went_in(tmp_path: Path, encode: Encoder) -> None:
    path = tmp_path / "shard.parquet"
    table = write(path, encode)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert file.read().equals(table)
        assert [file.metadata.row_group(i).num_rows for i in range(4)] == list(SIZES)
        assert file.schema_arrow.equals(encode.layout.schema, check_metadata=True)
    expected = table.to_pylist()
    assert pl.read_parquet(path).to_dicts() == expected
    with duckdb.connect() as connection:
        rows = connection.execute("select * from read_parquet(?)", [str(path)])
        names = [column[0] for column in rows.description or ()]
        assert [dict(zip(names, row, strict=True)) for row in rows.fetchall()] == expected


def test_each_row_group_can_be_read_alone_by_its_statistics(
    tmp_path: Path, encode: Encoder
) -> None:
    path = tmp_path / "shard.parquet"
    table = write(path, encode)
    with duckdb.connect() as connection:
        (found,) = connection.execute(
            "select count(*) from read_parquet(?) where source_row between 51 and 60", [str(path)]
        ).fetchall()
    assert found == (10,)
    with pq.ParquetFile(path) as file:
        at = file.schema_arrow.names.index("source_row")
        statistics = [file.metadata.row_group(i).column(at).statistics for i in range(4)]
        assert [(s.min, s.max) for s in statistics] == [(0, 49), (50, 50), (51, 350), (351, 367)]
        assert file.read_row_group(2).equals(table.slice(51, 300))


def test_the_bytes_are_as_the_format_says(tmp_path: Path, encode: Encoder) -> None:
    path = tmp_path / "shard.parquet"
    write(path, encode)
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(1)
        columns = {group.column(i).path_in_schema: group.column(i) for i in range(14)}
    for name, column in columns.items():
        assert column.compression == "ZSTD"
        assert column.is_stats_set
        assert not column.has_offset_index
        assert not column.has_column_index
        assert column.has_dictionary_page == (name in ("source_file", "input_file"))
        floats = column.physical_type in ("FLOAT", "DOUBLE")
        assert ("BYTE_STREAM_SPLIT" in column.encodings) == floats


def test_a_shard_of_many_groups_has_the_size_that_was_foretold(
    tmp_path: Path, encode: Encoder
) -> None:
    """Around 15 and 128 groups the footer's list header grows."""
    path = tmp_path / "shard.parquet"
    for count in (1, 14, 15, 16, 127, 128, 130):
        shard = ShardFile.create(path, encode.footer)
        group = encode(clean_rows(1))
        for _ in range(count - 1):
            shard.append(group, shard.place(group))
        metadata = shard.place(group)
        low, high = 0, count * 8_000  # the least limit that the shard stays within
        while low < high:
            middle = (low + high) // 2
            if shard.takes(group, metadata, middle):
                high = middle
            else:
                low = middle + 1
        shard.append(group, metadata)
        shard.finish()
        assert path.stat().st_size == low
        assert pq.read_metadata(path).num_row_groups == count


def test_every_flipped_byte_of_the_data_is_noticed(tmp_path: Path, encode: Encoder) -> None:
    path = tmp_path / "shard.parquet"
    write(path, encode, (40,))
    whole = path.read_bytes()
    with pq.ParquetFile(path) as file:
        table = file.read()
    end_of_pages = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    silent = []
    random = np.random.default_rng(7)
    for at in random.integers(4, end_of_pages, 300).tolist():
        damaged = bytearray(whole)
        damaged[at] ^= 1 << int(random.integers(8))
        try:
            with pq.ParquetFile(io.BytesIO(damaged), page_checksum_verification=True) as file:
                same = file.read().equals(table)
        except (pa.ArrowException, OSError, ValueError):
            continue
        if not same:
            silent.append(at)
    assert silent == []


def test_a_group_of_another_layout_is_refused(encode: Encoder) -> None:
    other = encoder(mz_precision="float32")
    file = other._parquet(table_of(other, clean_rows(3)))
    with pytest.raises(IntegrityFailure, match="another schema"):
        encode.footer.row_group(memoryview(file))


def test_a_page_index_is_refused(encode: Encoder) -> None:
    sink = io.BytesIO()
    table = table_of(encode, clean_rows(3))
    pq.write_table(table, sink, write_page_index=True, use_dictionary=False)
    footer = Footer.of(memoryview(_empty(table)))
    group = footer.row_group(memoryview(sink.getvalue()))
    from remote.workloads.shards.output.footer import placed

    with pytest.raises(IntegrityFailure, match="page index"):
        placed(group, 10, 0)


def _empty(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table.slice(0, 0), sink, write_page_index=True, use_dictionary=False)
    return sink.getvalue()


def test_the_longest_good_prefix_is_found(tmp_path: Path) -> None:
    path = tmp_path / "partial"
    path.write_bytes(b"abcdefgh")
    ends = [(n, hashlib.sha256(b"abcdefgh"[:n]).hexdigest()) for n in (2, 2, 5, 8)]
    assert [p.size for p in longest_prefix(path, ends)] == [2, 2, 5, 8]
    path.write_bytes(b"abcdXfgh")
    assert [p.size for p in longest_prefix(path, ends)] == [2, 2]
    path.write_bytes(b"abcdef")
    assert [p.size for p in longest_prefix(path, ends)] == [2, 2, 5]
    assert longest_prefix(tmp_path / "none", ends) == []


def test_a_shard_goes_on_after_its_good_prefix(tmp_path: Path, encode: Encoder) -> None:
    groups = [encode(clean_rows(20, row_start=20 * n)) for n in range(3)]

    def append(shard: ShardFile, at: int) -> tuple[bytes, int, str]:
        metadata = shard.place(groups[at])
        shard.append(groups[at], metadata)
        return metadata, shard.size, shard.sha256()

    whole = ShardFile.create(tmp_path / "whole.parquet", encode.footer)
    marks = [append(whole, n) for n in range(3)]
    whole.finish()

    cut = ShardFile.create(tmp_path / "cut.parquet", encode.footer)
    append(cut, 0)
    append(cut, 1)
    cut.close()
    partial = partial_path(cut.path)
    partial.write_bytes(partial.read_bytes()[:-5])
    good = longest_prefix(partial, [(size, digest) for _, size, digest in marks])
    assert len(good) == 1
    again = ShardFile.reopen(cut.path, encode.footer, [(marks[0][0], 20)], good[-1])
    append(again, 1)
    append(again, 2)
    again.finish()
    assert cut.path.read_bytes() == whole.path.read_bytes()
