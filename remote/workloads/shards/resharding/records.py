"""The manifests of a resharded dataset: those of its parent, but for what the sizes change."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

import remote
from remote.errors import IntegrityFailure
from remote.workloads.durable import sha256_file, write_atomic
from remote.workloads.shards.context import RunContext, hardware
from remote.workloads.shards.counts import added
from remote.workloads.shards.output.dataset import dataset_hash, shard_entry, splits_record
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    sample_ids_sha256,
    source_ranges,
    timestamp,
)
from remote.workloads.shards.quality.files import read_report, write_report
from remote.workloads.shards.ranking.scores import SCORES_FILE
from remote.workloads.shards.report import resharded
from remote.workloads.shards.resharding.origin import HINT
from remote.workloads.shards.resharding.packing import Packed
from remote.workloads.shards.validation.records import Record
from remote.workloads.shards.validation.stored import Stored, precursors


def shard_record(
    parent: Record, path: Path, index: int, sha256: str, held: Sequence[Packed], run: Record
) -> dict[str, Any]:
    """The manifest of a finished shard.

    Args:
        parent: the manifest of a shard of the same split.
        held: its row groups.
        run: its `run` block.
    """
    rows = sum(one.part.rows for one in held)
    least, greatest = precursors(Stored.opened(path))
    first, last = _ends(path)
    return {
        **parent,
        "shard_index": index,
        "file": path.name,
        "num_samples": rows,
        "checksum": f"sha256:{sha256}",
        "file_size_bytes": path.stat().st_size,
        "first_sample_id": first,
        "last_sample_id": last,
        "source_ranges": source_ranges(
            (x["input"], x["row_start"], x["row_stop"]) for one in held for x in one.part.ranges
        ),
        "dropped": dict(sorted(added(one.part.record["dropped"] for one in held).items())),
        "row_groups": [{**one.part.record, "offset": one.offset} for one in held],
        "min_precursor_mz": least,
        "max_precursor_mz": greatest,
        "sample_ids_sha256": sample_ids_sha256(path, rows),
        "run": dict(run),
    }


def _ends(path: Path) -> tuple[str, str]:
    """The first and the last sample id, read back."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        first, last = (
            file.read_row_group(group, columns=["sample_id"], use_threads=False)[0]
            for group in (0, file.num_row_groups - 1)
        )
    return str(first[0]), str(last[-1])


def parent_record(root: Path, dataset: Record) -> dict[str, Any]:
    """What a dataset was made from, as its manifest says it."""
    return {
        "dataset_hash": dataset["dataset_hash"],
        "manifest_sha256": f"sha256:{sha256_file(root / DATASET_MANIFEST)}",
        "num_shards": dataset["num_shards"],
        "run": dict(dataset["run"]),
    }


def dataset_record(
    dataset: Record, parent: Record, shards: Sequence[Record], run: Record
) -> dict[str, Any]:
    """The dataset manifest.

    Args:
        dataset: that of the parent; `parent` says which it is.
        shards: the shards' manifests.
    """
    return {
        **dataset,
        "shards": [shard_entry(shard) for shard in shards],
        "dataset_hash": dataset_hash(shards),
        "num_shards": len(shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "splits": splits_record(shards),
        "parent": dict(parent),
        "parent_runs": list(RunContext.current().parents),
        "run": dict(run),
    }


def run_record(run_id: str, created_at: datetime) -> dict[str, Any]:
    """The `run` block of a shard's manifest."""
    return {"run_id": run_id, "created_at": timestamp(created_at)}


def finished(run: Record, finished_at: datetime) -> dict[str, Any]:
    """The `run` block of the dataset manifest."""
    return {
        **run,
        "finished_at": timestamp(finished_at),
        "workhorse": remote.__version__,
        "hardware": dict(hardware()),
    }


def copy_scores(root: Path, output: Path, dataset: Record) -> None:
    """The file of scores of a ranked dataset, as it is.

    Raises:
        IntegrityFailure: it is not what was recorded of it.
    """
    if "ranking" not in dataset:
        return
    path = root / SCORES_FILE
    try:
        content = path.read_bytes()
    except OSError as error:
        raise IntegrityFailure(f"{path} cannot be read: {error.strerror}.", hint=HINT) from error
    if f"sha256:{hashlib.sha256(content).hexdigest()}" != dataset["ranking"]["scores_sha256"]:
        raise IntegrityFailure(f"{path}: its SHA-256 is not the recorded one.", hint=HINT)
    write_atomic(output / SCORES_FILE, content)


def write_resharded_report(root: Path, output: Path, shards: Sequence[Record], limit: int) -> None:
    """The parent's quality report and its page, with what they say of shards made anew.

    Raises:
        ResultsUnusable: the parent has no report that can be read.
    """
    write_report(output, resharded(read_report(root), shards, limit))
