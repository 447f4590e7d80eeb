"""Changes to a dataset on disk, some of them with every digest made right again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote.workloads.durable import sha256_file
from remote.workloads.shards.output.dataset import dataset_hash, shard_entry, splits_record
from remote.workloads.shards.output.encode import id_lines
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    QUALITY_REPORT,
    manifest_path,
    read_manifest,
)
from remote.workloads.shards.validation.stored import Stored

Change = Callable[[pa.Table], pa.Table]


def shards(root: Path) -> list[Path]:
    """The shards in the order of the dataset manifest."""
    return [root / entry["file"] for entry in read_manifest(root / DATASET_MANIFEST)["shards"]]


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Change a JSON file."""
    record = read_manifest(path)
    change(record)
    path.write_text(json.dumps(record))


def rewrite(
    shard: Path, group: int, change: Change, schema: pa.Schema | None = None, **options: Any
) -> None:
    """Write a shard again, one of its row groups changed, and make its digests right."""
    with pq.ParquetFile(shard) as file:
        tables = [file.read_row_group(place) for place in range(file.num_row_groups)]
    tables[group] = change(tables[group])
    schema = schema or tables[group].schema
    settings: dict[str, Any] = {"write_page_checksum": True, "use_dictionary": ["input_file"]}
    with pq.ParquetWriter(shard, schema, **{**settings, **options}) as writer:
        for table in tables:
            writer.write_table(table.cast(schema), row_group_size=len(table))
    seal(shard)


def put(name: str, row: int, value: Any) -> Change:
    """One value of a column."""

    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(name)
        values = table[name].to_pylist()
        values[row] = value(values[row]) if callable(value) else value
        place = table.schema.get_field_index(name)
        made = pa.array(values, field.type, from_pandas=False)
        return table.set_column(place, field, made)

    return change


def seal(shard: Path) -> None:
    """Make the manifests agree with what lies in a shard, whatever it is."""
    stored = Stored.opened(shard)
    ids = pq.read_table(shard, columns=["sample_id"])[0].combine_chunks()
    precursors = pq.read_table(shard, columns=["precursor_mz"])[0].drop_null()

    def told(manifest: dict[str, Any]) -> None:
        for record, (start, stop), rows in zip(
            manifest["row_groups"], stored.spans, stored.rows, strict=True
        ):
            record.update(offset=start, bytes=stop - start, rows=rows)
        manifest.update(
            checksum=f"sha256:{sha256_file(shard)}",
            file_size_bytes=stored.size,
            first_sample_id=str(ids[0]),
            last_sample_id=str(ids[-1]),
            sample_ids_sha256=hashlib.sha256(memoryview(id_lines(ids))).hexdigest(),
            min_precursor_mz=least(precursors, min),
            max_precursor_mz=least(precursors, max),
        )

    edit(manifest_path(shard), told)
    agree(shard.parent.parent)


def least(precursors: Any, end: Callable[..., float]) -> float:
    """As the footer has it, which passes over what is no number."""
    return end(x for x in precursors.to_pylist() if x == x)


def agree(root: Path) -> None:
    """Make the dataset manifest agree with those of its shards."""
    manifests = [read_manifest(manifest_path(path)) for path in shards(root)]

    def told(dataset: dict[str, Any]) -> None:
        dataset.update(
            shards=[shard_entry(one) for one in manifests],
            total_bytes=sum(one["file_size_bytes"] for one in manifests),
            dataset_hash=dataset_hash(manifests),
            splits=splits_record(manifests),
        )

    edit(root / DATASET_MANIFEST, told)
    known = dataset_hash(manifests)
    edit(root / QUALITY_REPORT, lambda report: report["dataset"].update(dataset_hash=known))


def flip(path: Path, at: int, bit: int = 0) -> None:
    """Change one bit; `at` may count from the end."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1 << bit
    path.write_bytes(data)


def with_metadata(schema: pa.Schema, **changes: str) -> pa.Schema:
    """A schema with other file metadata."""
    known: Mapping[bytes, bytes] = schema.metadata
    return schema.with_metadata({**known, **{k.encode(): v.encode() for k, v in changes.items()}})
