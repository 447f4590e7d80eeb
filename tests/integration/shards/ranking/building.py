"""Builds whose spectra are scored by a service on this machine, and what is read of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from remote.workloads.shards import BuildResult, BuildSettings, Quality, Ranker, build_shards
from remote.workloads.shards.ranking.scores import SCORES_FILE
from tests.faults.commands import MSMS
from tests.unit.shards.making import RUN_ID, tree
from tests.unit.shards.ranking.service import (
    KEY,
    ChatService,
)

# More than a row group.
ROWS = 5_300
BAD = (40, 45)
BATCH = 200


def settings(asked: ChatService | str, **changes: Any) -> BuildSettings:
    given: dict[str, Any] = {
        "endpoint": asked if isinstance(asked, str) else asked.endpoint,
        "batch_size": BATCH,
        "requests_per_minute": 100_000.0,
        **changes,
    }
    return BuildSettings(quality=Quality(True, "tiny", Ranker(**given)))


def build(root: Path, inputs: list[Path], asked: BuildSettings, **options: Any) -> BuildResult:
    given: dict[str, Any] = {"num_workers": 1, "min_disk_gb": 0.1, "min_memory_gb": 0.1, **options}
    return build_shards(asked, input_hdf5=inputs, output_root=root, run_id=RUN_ID, **given)


def scores(root: Path) -> dict[str, float | None]:
    """The column, by sample id."""
    found: dict[str, float | None] = {}
    for path in sorted(root.glob("train/*.parquet")):
        table = pq.read_table(path, columns=["sample_id", "quality_score"])
        found |= dict(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    return found


def told(root: Path) -> list[dict[str, Any]]:
    """The lines of the file of scores."""
    return [json.loads(line) for line in (root / SCORES_FILE).read_text().splitlines()]


def alike(root: Path) -> dict[str, bytes]:
    """The files of a dataset but for mode, config and port, which have no part in the shards."""
    files = tree(root)
    record = json.loads(files["dataset_manifest.json"])
    for name in ("mode", "config_file", "config_hash"):
        record.pop(name)
    record["ranking"].pop("endpoint")
    files["dataset_manifest.json"] = json.dumps(record).encode()
    return {
        name: content
        for name, content in files.items()
        if name.endswith((".parquet", ".jsonl", "dataset_manifest.json"))
    }


def config_file(folder: Path, chat: ChatService, **changes: Any) -> Path:
    ranker = {"endpoint": chat.endpoint, "batch_size": BATCH, "requests_per_minute": 100_000}
    path = folder / "config.yaml"
    quality = {"enable_ranking": True, "ranker_model": "tiny", "ranker": {**ranker, **changes}}
    path.write_text(yaml.safe_dump({"quality": quality}))
    return path


def command(root: Path, inputs: list[Path], config: Path, *flags: str) -> list[str]:
    given = [word for path in inputs for word in ("--input-hdf5", str(path))]
    fixed = ("--config", str(config), "--output-root", str(root), "--run-id", RUN_ID)
    small = ("--num-workers", "1", "--min-memory-gb", "0.1", "--min-disk-gb", "0.1")
    return [*MSMS, "build-shards", *given, *fixed, *small, *flags]


def no_key_anywhere(root: Path, *texts: str | None) -> None:
    for path in root.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes(), path
    for text in texts:
        assert KEY not in (text or "")
