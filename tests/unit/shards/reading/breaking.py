"""Damage to shards."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq


def break_page(path: Path) -> None:
    """Flip a bit in the middle of the m/z of the first row group."""
    column = pq.read_metadata(path).row_group(0).column(1)
    assert column.path_in_schema.startswith("mzs")
    data = bytearray(path.read_bytes())
    data[column.data_page_offset + column.total_compressed_size // 2] ^= 1
    path.write_bytes(data)
