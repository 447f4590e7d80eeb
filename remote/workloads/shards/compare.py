"""Where two datasets that should be the same differ, said as exactly as can be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from remote.workloads.durable import sha256_file
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    QUALITY_PAGE,
    QUALITY_REPORT,
    manifest_path,
    read_manifest,
)
from remote.workloads.shards.schema import column_at
from remote.workloads.shards.validation.stored import Stored

# How it was made, not what it is.
_HOW = ("run", "mode")


def first_difference(one: Path, other: Path) -> str:
    """Where the dataset in `other` first differs from that in `one`; empty where it does not.

    Shards are compared byte by byte, manifests without what tells how they were made.
    """
    for difference in _differences(one, other):
        return difference
    return ""


def _differences(one: Path, other: Path) -> Iterator[str]:
    shards = [
        {str(path.relative_to(root)) for path in root.glob("*/shard_*.parquet")}
        for root in (one, other)
    ]
    for name in sorted(shards[0] & shards[1]):
        if sha256_file(one / name) != sha256_file(other / name):
            yield f"{name}: {_in_shard(one / name, other / name)}"
    for name in sorted(shards[0] ^ shards[1]):
        yield f"{name}: only one of the two has it"
    manifests = [manifest_path(Path(name)) for name in sorted(shards[0])]
    for path in (*manifests, Path(QUALITY_REPORT), Path(DATASET_MANIFEST)):
        then, now = (read_manifest(root / path) for root in (one, other))
        for key in (*then, *(now.keys() - then.keys())):
            if key not in _HOW and then.get(key) != now.get(key):
                yield f"{path}: {key}{_values(then.get(key), now.get(key))}"
    if (one / QUALITY_PAGE).read_bytes() != (other / QUALITY_PAGE).read_bytes():
        yield f"{QUALITY_PAGE}: its bytes"


def _values(then: object, now: object) -> str:
    texts = [json.dumps(value) for value in (then, now)]
    return f": {texts[0]} and {texts[1]}" if max(map(len, texts)) < 80 else ""


def _in_shard(one: Path, other: Path) -> str:
    """The first row group and column that differ."""
    shards = [Stored.opened(path) for path in (one, other)]
    groups = [len(shard.chunks) for shard in shards]
    for group in range(min(groups)):
        parts = [{x.column: (x.start, x.stop) for x in shard.chunks[group]} for shard in shards]
        if parts[0].keys() != parts[1].keys():
            return f"row group {group}: the columns differ"
        for column in parts[0]:
            first, second = (
                shard.read(*part[column]) for shard, part in zip(shards, parts, strict=True)
            )
            if first != second:
                name = column_at(column)
                same = _values_of(one, group, name).equals(_values_of(other, group, name))
                values = "equal values, stored otherwise" if same else "other values"
                return f"row group {group}, column {name}: {values}"
    if groups[0] != groups[1]:
        return f"{groups[0]} and {groups[1]} row groups"
    return "the footer"


def _values_of(path: Path, group: int, name: str) -> Any:
    with pq.ParquetFile(path) as file:
        return file.read_row_group(group, columns=[name])[name]
