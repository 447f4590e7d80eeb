"""Runs and sealed results for the tests, made by the same steps as real ones."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remote.results.claim import claim, staging
from remote.results.collect import Collected, collect
from remote.results.files import LocalRunFiles
from remote.results.seal import seal, shelve

NOTEBOOK = "10_build_shards"
NOW = datetime(2025, 4, 23, 14, 30, 22, tzinfo=UTC)
FILES = {
    "executed.ipynb": b'{"cells": []}',
    "kernel.log": b"hello\n",
    "events.jsonl": b'{"t": 1.0, "event": "finished"}\n',
    "output/train/shard_00000.parquet": bytes(range(256)) * 40,
    "output/train/shard_00000.manifest.json": b"{}",
    "output/odd \\ name 'here' \u00e9.txt": b"odd",
    "output/-": b"dash",
    "output/empty": b"",
}


def clock() -> datetime:
    """The same moment for ever."""
    return NOW


def make_run(directory: Path, files: Mapping[str, bytes] = FILES) -> LocalRunFiles:
    """A run's directory as its host has it."""
    (directory / "output").mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        target = directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return LocalRunFiles(directory)


def run_json(run_id: str, uuid: str, state: str = "succeeded", attempt: int = 1) -> dict[str, Any]:
    """What the flow gives to `seal`."""
    error = {"kind": "ValueError", "problem": "cell 3: no spectra", "hint": "look at the input"}
    return {
        "schema": 1,
        "id": run_id,
        "uuid": uuid,
        "attempt": attempt,
        "created_at": "2025-04-23T14:30:22Z",
        "notebook": {
            "name": NOTEBOOK,
            "path": f"notebooks/{NOTEBOOK}.ipynb",
            "sha256": hashlib.sha256(b"notebook").hexdigest(),
        },
        "parameters": [
            {"name": "max_spectra", "value": 50000, "source": "default", "kind": "value"},
            {"name": "limits", "value": [1, None], "source": "-y", "kind": "value"},
        ],
        "inputs": [
            {
                "parameter": "input_hdf5",
                "path_seen": "data/raw/GeMS_C.9.hdf5",
                "path_in_run": "/inputs/input_hdf5/GeMS_C.9.hdf5",
                "sha256": hashlib.sha256(b"input").hexdigest(),
                "size_bytes": 5,
            }
        ],
        "parents": [],
        "host": {
            "name": "local",
            "transport": "local",
            "runtime": "process",
            "reason": "no engine",
        },
        "software": {"version": "0.1.0", "lock_sha256": "ab" * 32},
        "git": {"commit": "c" * 40, "dirty": True, "diff": "+x"},
        "timings": {"build": 0.5, "stage": 0.25},
        "outcome": {
            "state": state,
            "exit_code": 0 if state == "succeeded" else 1,
            "error": None if state == "succeeded" else error,
            "started_at": "2025-04-23T14:30:23.25Z",
            "finished_at": "2025-04-23T14:31:00Z",
            "seconds": 36.75,
            "cells": 5,
            "cells_run": 5,
        },
    }


def collect_run(tmp_path: Path, files: Mapping[str, bytes] = FILES) -> tuple[Collected, Path]:
    """A run's files, collected into a directory of their own."""
    destination = tmp_path / "staged"
    destination.mkdir()
    return collect(make_run(tmp_path / "run", files), destination), destination


def publish(
    results_root: Path,
    run_directory: Path,
    files: Mapping[str, bytes] = FILES,
    notebook: str = NOTEBOOK,
    state: str = "succeeded",
) -> Path:
    """Claim, collect and seal one run; gives its folder."""
    run = make_run(run_directory, files)
    claimed = claim(notebook, results_root, clock)
    with staging(claimed.id, claimed.uuid, results_root) as incoming:
        collected = collect(run, incoming)
        publisher = seal if state == "succeeded" else shelve
        record = run_json(claimed.id, claimed.uuid, state)
        return publisher(incoming, results_root, record, collected.digests, clock)


def unseal(folder: Path) -> None:
    """Give the owner write permission back, as somebody who tampers would."""
    folder.chmod(0o755)
    for path in folder.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() else 0o644)
