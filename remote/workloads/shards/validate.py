"""Is a dataset what its manifests say? Every difference is found and named; nothing is changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from remote.errors import IntegrityFailure, ResultsUnusable
from remote.workloads.durable import sha256_file
from remote.workloads.shards.damage import rows_in
from remote.workloads.shards.dataset import dataset_hash
from remote.workloads.shards.manifest import DATASET_MANIFEST, read_manifest, sample_ids_sha256
from remote.workloads.shards.settings import SCHEMA_VERSION


@dataclass(frozen=True, slots=True)
class Findings:
    """What was checked, and everything that is not as recorded.

    Attributes:
        damaged: spectra that the build left out, because its input was damaged; no problem of
            this dataset, which says so itself.
    """

    num_shards: int
    num_samples: int
    problems: tuple[str, ...]
    damaged: int = 0


def validate(root: Path, *, decode: bool = True) -> Findings:
    """Check the dataset in `root`; with `decode` every page is read, checksums verified.

    Raises:
        ResultsUnusable: there is no dataset.
    """
    path = root / DATASET_MANIFEST
    if not path.is_file():
        raise ResultsUnusable(
            f"{root} holds no {DATASET_MANIFEST}.",
            hint="Name a directory that `msms build-shards` finished.",
        )
    try:
        dataset = read_manifest(path)
    except ValueError as error:
        return Findings(0, 0, (f"{DATASET_MANIFEST}: {error}",))
    problems = [*_dataset(dataset)]
    for entry in dataset["shards"]:
        problems += [f"{entry['file']}: {text}" for text in _shard(root, entry, decode)]
    known = {entry["file"] for entry in dataset["shards"]}
    for extra in sorted(root.glob("*/shard_*.parquet")):
        if str(extra.relative_to(root)) not in known:
            problems.append(f"{extra.relative_to(root)}: not in {DATASET_MANIFEST}")
    return Findings(
        dataset["num_shards"],
        dataset["num_samples"],
        tuple(problems),
        damaged=dataset["counts"]["damaged"],
    )


def _dataset(dataset: Mapping[str, Any]) -> Iterator[str]:
    shards = dataset["shards"]
    expected = {
        "num_shards": len(shards),
        "num_samples": sum(shard["num_samples"] for shard in shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "dataset_hash": dataset_hash(shards),
        "version": SCHEMA_VERSION,
    }
    for name, value in expected.items():
        if dataset[name] != value:
            yield f"{DATASET_MANIFEST}: {name} is {dataset[name]}, not {value}"
    yield from _marked(dataset)


def _marked(dataset: Mapping[str, Any]) -> Iterator[str]:
    """Damage must be marked, listed and counted, or none of these."""
    spectra, ranges = dataset["counts"]["damaged"], dataset["damaged_ranges"]
    marked = dataset["status"] == "damaged"
    rows = rows_in(ranges)
    if rows != spectra or marked != bool(ranges):
        yield (
            f"{DATASET_MANIFEST}: status {dataset['status']}, {spectra} damaged spectra and "
            f"damaged_ranges of {rows} rows do not agree"
        )


def _shard(root: Path, entry: Mapping[str, Any], decode: bool) -> Iterator[str]:
    path = root / entry["file"]
    if not path.is_file():
        yield "is missing"
        return
    if path.stat().st_size != entry["file_size_bytes"]:
        yield f"has {path.stat().st_size} bytes, not {entry['file_size_bytes']}"
    if f"sha256:{sha256_file(path)}" != entry["checksum"]:
        yield "its SHA-256 is not the recorded one"
    manifest_path = path.with_suffix(".manifest.json")
    if not manifest_path.is_file():
        yield "its manifest is missing"
        return
    try:
        manifest = read_manifest(manifest_path)
    except ValueError as error:
        yield f"its manifest is no JSON: {error}"
        return
    for name in ("num_samples", "file_size_bytes", "checksum"):
        if manifest.get(name) != entry[name]:
            yield f"its manifest says {name} {manifest.get(name)}, the dataset's {entry[name]}"
    try:
        yield from _content(path, manifest, decode)
    except (pa.ArrowException, OSError, ValueError, KeyError, IntegrityFailure) as error:
        yield f"cannot be read: {error}"


def _content(path: Path, manifest: Mapping[str, Any], decode: bool) -> Iterator[str]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        metadata = file.metadata
        if metadata.num_rows != manifest["num_samples"]:
            yield f"holds {metadata.num_rows} spectra, not {manifest['num_samples']}"
        version = (file.schema_arrow.metadata or {}).get(b"schema_version", b"").decode()
        if version != str(manifest["schema_version"]):
            yield f"has schema version {version!r}, not {manifest['schema_version']}"
        rows = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
        if rows != [group["rows"] for group in manifest["row_groups"]]:
            yield "has other row groups than its manifest says"
        if decode:
            for group in range(metadata.num_row_groups):
                file.read_row_group(group)
    if decode and sample_ids_sha256(path, metadata.num_rows) != manifest["sample_ids_sha256"]:
        yield "has other sample ids than its manifest says"
