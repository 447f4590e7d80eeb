"""The dataset manifest: all shards of a run, what they were made from, and with what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.workloads.durable import canonical_digest
from remote.workloads.shards.context import RunContext, hardware, software
from remote.workloads.shards.manifest import timestamp
from remote.workloads.shards.request import Request
from remote.workloads.shards.schema import SCHEMA_VERSION, Layout


@dataclass(frozen=True, slots=True)
class InputRecord:
    """One input as the dataset manifest describes it.

    `chunks` (null where contiguous) and `dtypes` are by dataset of the file.
    """

    name: str
    sha256: str
    rows: int
    chunks: Mapping[str, Sequence[int] | None]
    dtypes: Mapping[str, str]


def dataset_manifest(
    request: Request,
    layout: Layout,
    config: Mapping[str, Any],
    preprocessing: Mapping[str, Any],
    inputs: Sequence[InputRecord],
    shards: Sequence[Mapping[str, Any]],
    counts: Mapping[str, Any],
) -> dict[str, Any]:
    """The manifest, from the shards' own ones."""
    context = RunContext.current()
    return {
        "dataset": request.settings.dataset_name,
        "version": SCHEMA_VERSION,
        "mode": request.mode,
        "config_file": request.config_file,
        "config_hash": f"sha256:{canonical_digest(config)}",
        "hdf5_hashes": {x.name: f"sha256:{x.sha256}" for x in inputs},
        "shards": [shard_entry(shard) for shard in shards],
        "dataset_hash": dataset_hash(shards),
        "num_shards": len(shards),
        "num_samples": sum(shard["num_samples"] for shard in shards),
        "total_bytes": sum(shard["file_size_bytes"] for shard in shards),
        "splits": splits_record(shards),
        "counts": dict(counts),
        "inputs": [
            {
                "name": x.name,
                "sha256": x.sha256,
                "rows": x.rows,
                "chunks": dict(x.chunks),
                "dtypes": dict(x.dtypes),
            }
            for x in inputs
        ],
        "preprocessing": dict(preprocessing),
        "config": dict(config),
        "schema": schema_record(layout),
        "software": software(),
        "image_digest": context.image_digest,
        "parent_runs": list(context.parents),
        "damaged_ranges": [],
        "status": "complete",
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


def describe(path: Path) -> tuple[dict[str, Sequence[int] | None], dict[str, str]]:
    """Chunk shapes and dtypes of an HDF5 file's datasets, by name."""
    import h5py

    chunks: dict[str, Sequence[int] | None] = {}
    dtypes: dict[str, str] = {}
    with h5py.File(path, "r", locking=False) as file:
        for name, item in sorted(file.items()):
            if isinstance(item, h5py.Dataset):
                chunks[name] = list(item.chunks) if item.chunks else None
                text = h5py.check_string_dtype(item.dtype)
                dtypes[name] = "string" if text and text.length is None else item.dtype.str
    return chunks, dtypes


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
