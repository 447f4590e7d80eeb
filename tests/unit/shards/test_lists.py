"""Column chunks of lists that we encode, as three readers and pyarrow's own writer see them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remote.workloads.shards.blocks import CleanRows
from remote.workloads.shards.output import thrift
from remote.workloads.shards.output.append import ShardFile
from remote.workloads.shards.output.lists import PAGE_VALUES
from remote.workloads.shards.settings import MzPrecision
from tests.unit.shards.making import clean_rows, encoder, table_of

LENGTHS = st.lists(
    st.one_of(st.integers(1, 9), st.just(128), st.integers(PAGE_VALUES - 2, PAGE_VALUES + 2)),
    min_size=1,
    max_size=12,
)


def with_lengths(lengths: list[int], seed: int = 0) -> CleanRows:
    """Rows with this many peaks each."""
    random = np.random.default_rng(seed)
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    peaks = int(offsets[-1])
    return replace(
        clean_rows(len(lengths)),
        offsets=offsets,
        mzs=random.uniform(1e-3, 2e3, peaks),
        ints=random.random(peaks).astype(np.float32) + np.float32(1e-6),
    )


def written(path: Path, rows: CleanRows, mz_precision: MzPrecision = "float64") -> Path:
    """A shard of one row group."""
    encode = encoder(mz_precision=mz_precision)
    shard = ShardFile.create(path, encode.footer)
    group = encode(rows)
    shard.append(group, shard.place(group))
    shard.finish()
    return path


@settings(max_examples=20, deadline=None)
@given(LENGTHS, st.sampled_from(["float64", "float32"]))
def test_three_readers_find_the_lists(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], precision: MzPrecision
) -> None:
    rows = with_lengths(lengths)
    path = written(tmp_path_factory.mktemp("lists") / "shard.parquet", rows, precision)
    expected = table_of(encoder(mz_precision=precision), rows)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        assert file.read().equals(expected)
        assert file.read(columns=["ints.list.element"]).equals(expected.select(["ints"]))
    assert (
        pl.read_parquet(path)["mzs"]
        .to_arrow()
        .equals(
            pl.from_arrow(expected)["mzs"].to_arrow()  # type: ignore[index]
        )
    )
    with duckdb.connect() as connection:
        query = "select mzs, ints from read_parquet(?)"
        found = connection.execute(query, [str(path)]).fetchall()
    assert found == list(zip(*(expected[c].to_pylist() for c in ("mzs", "ints")), strict=True))


def test_a_chunk_says_of_itself_what_pyarrow_would_say(tmp_path: Path) -> None:
    rows = with_lengths([5, 1, PAGE_VALUES, 30])
    path = written(tmp_path / "ours.parquet", rows)
    theirs = tmp_path / "theirs.parquet"
    pq.write_table(
        table_of(encoder(), rows), theirs, compression="zstd", compression_level=1,
        use_dictionary=False, use_byte_stream_split=["mzs.list.element", "ints.list.element"],
        write_page_checksum=True,
    )  # fmt: skip
    ours, same = (pq.read_metadata(one).row_group(0) for one in (path, theirs))
    names = [ours.column(i).path_in_schema for i in range(ours.num_columns)]
    assert names == [same.column(i).path_in_schema for i in range(ours.num_columns)]
    for at, name in enumerate(names):
        if name.endswith("list.element"):
            a, b = ours.column(at).to_dict(), same.column(at).to_dict()
            assert a["statistics"] == b["statistics"]
            for key in ("num_values", "encodings", "compression", "physical_type"):
                assert a[key] == b[key]
    raw = sum(ours.column(i).total_uncompressed_size for i in range(ours.num_columns))
    assert ours.total_byte_size == raw


def test_pages_end_between_lists_and_are_of_a_fair_size(tmp_path: Path) -> None:
    """A reader need not hold more than a page, and a list longer than one has a page to itself."""
    rows = with_lengths([PAGE_VALUES // 2] * 4 + [2 * PAGE_VALUES, 1])
    path = written(tmp_path / "shard.parquet", rows)
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        lists = file.read()["mzs"].to_pylist()
    assert [len(one) for one in lists] == np.diff(rows.offsets).tolist()
    data, column = path.read_bytes(), pq.read_metadata(path).row_group(0).column(1)
    start = column.data_page_offset
    counts = []
    while start < column.data_page_offset + column.total_compressed_size:
        header, after = thrift.decode_struct(data, start)
        counts.append(header.struct(5).integer(1))
        start = after + header.integer(3)
    assert counts == [PAGE_VALUES, PAGE_VALUES, 2 * PAGE_VALUES, 1]
