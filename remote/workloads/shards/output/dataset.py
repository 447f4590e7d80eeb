"""The dataset manifest: all shards of a run, what they were made from, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from remote.workloads.durable import canonical_digest
from remote.workloads.shards.context import RunContext, hardware, software
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.output.manifest import timestamp
from remote.workloads.shards.request import Request
from remote.workloads.shards.schema import Layout
from remote.workloads.shards.settings import SCHEMA_VERSION


def dataset_manifest(
    request: Request,
    layout: Layout,
    config_digest: str,
    preprocessing: Mapping[str, Any],
    sources: Sequence[Source],
    hashes: Sequence[str],
    shards: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Any],
    damaged: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """The manifest, from the shards' own ones.

    Args:
        hashes: SHA-256 (hex) of each source's file.
        counts: read, written, attrition, integrity and damaged spectra, dropped by reason.
        damaged: the ranges that were left out because they cannot be read.
    """
    context = RunContext.current()
    return {
        "dataset": request.settings.dataset_name,
        "version": SCHEMA_VERSION,
        "mode": request.mode,
        "config_file": request.config_file,
        "config_hash": f"sha256:{config_digest}",
        "hdf5_hashes": {
            source.path.name: f"sha256:{sha256}"
            for source, sha256 in zip(sources, hashes, strict=True)
        },
        "shards": [shard_entry(shard) for shard in shards],
        "dataset_hash": dataset_hash(shards),
        "num_shards": len(shards),
        "num_samples": sum(shard["num_samples"] for shard in shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "splits": splits_record(shards),
        "sample": request.settings.sample,
        "counts": dict(counts),
        "inputs": [
            input_record(source, sha256) for source, sha256 in zip(sources, hashes, strict=True)
        ],
        "preprocessing": dict(preprocessing),
        "input_rules": {
            "ms_level": request.settings.input.ms_level,
            "carry": list(request.settings.input.carry),
        },
        "schema": schema_record(layout),
        "software": software(),
        "image_digest": context.image_digest,
        "parent_runs": list(context.parents),
        "damaged_ranges": list(damaged),
        "status": "damaged" if damaged else "complete",
        "run": {
            "run_id": request.run_id,
            "created_at": timestamp(request.created_at),
            "finished_at": timestamp(request.clock()),
            "workers": request.execution.workers,
            "batch_size": request.execution.batch_size,
            "checkpoint_interval": request.execution.checkpoint_interval,
            "hardware": dict(hardware()),
        },
    }


def input_record(source: Source, sha256: str) -> dict[str, Any]:
    """An input; `chunks` is the chunk shape of its spectra, null where there is none."""
    return {
        "name": source.path.name,
        "kind": source.kind,
        "sha256": sha256,
        "rows": source.rows,
        "chunks": list(source.chunks) if source.chunks else None,
        "dtypes": dict(source.dtypes),
    }


def dataset_hash(shards: Iterable[Mapping[str, Any]]) -> str:
    """SHA-256 over the shards' checksums in order."""
    return f"sha256:{canonical_digest([shard['checksum'] for shard in shards])}"


def schema_record(layout: Layout) -> dict[str, Any]:
    """The columns of the shards, and those that no input could fill."""
    fields = []
    for field in layout.schema:
        described = {k.decode(): v.decode() for k, v in (field.metadata or {}).items()}
        entry = {"name": field.name, "type": str(field.type), "nullable": field.nullable}
        fields.append({**entry, **described})
    return {"version": SCHEMA_VERSION, "columns": fields, "left_out": list(layout.left_out)}


def shard_entry(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A shard as the dataset manifest lists it; `file` is relative to the dataset's root."""
    return {
        "file": f"{manifest['split']}/{manifest['file']}",
        "num_samples": manifest["num_samples"],
        "file_size_bytes": manifest["file_size_bytes"],
        "checksum": manifest["checksum"],
    }


def splits_record(shards: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Shards and spectra by split."""
    splits: dict[str, dict[str, int]] = {}
    for shard in shards:
        entry = splits.setdefault(shard["split"], {"num_shards": 0, "num_samples": 0})
        entry["num_shards"] += 1
        entry["num_samples"] += shard["num_samples"]
    return splits
