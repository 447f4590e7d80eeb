"""What was run, so that only the same is gone on with.

input fingerprints, settings that bear on the bytes, schema version, code, software
"""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from remote.workloads.shards.context import code_sha256, software
from remote.workloads.shards.schema import Layout
from remote.workloads.shards.settings import (
    SCHEMA_VERSION,
    BuildSettings,
    MzPrecision,
    Split,
    quality_record,
)

_SAMPLES = 64
_SAMPLE_BYTES = 64 << 10


def input_fingerprint(path: Path) -> str:
    """Tells one input from another without reading all of it: size and 64 blocks.

    The whole file's SHA-256 is in the dataset manifest; it is known only when a build is over.
    """
    with path.open("rb") as source:
        size = os.fstat(source.fileno()).st_size
        digest = hashlib.sha256(str(size).encode())
        last = max(0, size - _SAMPLE_BYTES)
        for sample in range(_SAMPLES):
            source.seek(last * sample // (_SAMPLES - 1))
            digest.update(source.read(_SAMPLE_BYTES))
    return digest.hexdigest()


def config_record(
    settings: BuildSettings,
    split: Split,
    mz_precision: MzPrecision,
    limit: int,
    skip_damaged: bool,
) -> dict[str, Any]:
    """The settings that bear on what is written, with nothing about where or how fast."""
    return {
        "dataset_name": settings.dataset_name,
        "split": split,
        "max_shard_size_bytes": limit,
        "max_spectra": settings.max_spectra,
        "sample": settings.sample,
        "splits": {name: list(value) for name, value in asdict(settings.splits).items()},
        "mz_precision": mz_precision,
        "preprocessing": asdict(settings.preprocessing),
        "input": {"ms_level": settings.input.ms_level, "carry": list(settings.input.carry)},
        "quality": quality_record(settings.quality),
        "random_seed": settings.random_seed,
        "skip_damaged": skip_damaged,
    }


def run_key(
    inputs: Sequence[tuple[str, Path]], config: Mapping[str, Any], run_id: str, layout: Layout
) -> dict[str, Any]:
    """The key of a build. JSON-serialisable; compared part by part."""
    return {
        "run_id": run_id,
        "inputs": {name: input_fingerprint(path) for name, path in inputs},
        "order": [name for name, _ in inputs],
        "config": dict(config),
        "schema_version": SCHEMA_VERSION,
        "columns": list(layout.names),
        "code": code_sha256(),
        "software": software(),
        "machine": platform.machine(),
    }
