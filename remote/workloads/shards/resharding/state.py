"""What a resharding that is under way leaves to be known: of what, into what, by which size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from remote.errors import ResumeRefused, UsageError
from remote.workloads.durable import (
    fsync_directory,
    json_bytes,
    make_directory,
    reading_errors,
    write_atomic,
    writing_errors,
)
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    ShardNames,
    manifest_path,
    read_manifest,
    timestamp,
)
from remote.workloads.shards.output.workspace import COMPLETE, RUNNING, refuse_occupied

_ANEW = "Choose another output directory, or empty this one first."


@dataclass(frozen=True, slots=True)
class State:
    """A resharding, as its state file has it."""

    root: Path
    run_id: str
    created_at: datetime
    limit: int
    parent: Mapping[str, Any]

    def write(self, status: str) -> None:
        """Say that it is RUNNING or COMPLETE."""
        make_directory(self.root / "checkpoints")
        record = {
            "run_id": self.run_id,
            "status": status,
            "created_at": timestamp(self.created_at),
            "max_shard_size_bytes": self.limit,
            "parent": dict(self.parent),
        }
        write_atomic(_path(self.root), json_bytes(record))


def _path(root: Path) -> Path:
    return root / "checkpoints" / "reshard.json"


def begin(wanted: State, *, resume: bool) -> tuple[State, bool]:
    """The resharding to do in an output root that is locked, and whether it is done already.

    Raises:
        UsageError: something is there, and is not to be gone on with.
        ResumeRefused: what is there is no resharding, or one of something else.
    """
    known = _known(wanted.root)
    if not resume:
        if known is not None and known["status"] == RUNNING:
            raise UsageError(
                f"{wanted.root} holds the unfinished resharding {known['run_id']}.",
                hint="Go on with it: --resume. Or choose another output directory.",
            )
        refuse_occupied(wanted.root)
    if known is None:
        if resume and _occupied(wanted.root):
            raise ResumeRefused(
                f"{wanted.root} holds shards that no resharding has made.", hint=_ANEW
            )
        return wanted, False
    _check_same(wanted, known)
    created = datetime.strptime(known["created_at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    state = State(wanted.root, known["run_id"], created, wanted.limit, wanted.parent)
    return state, known["status"] == COMPLETE


def _known(root: Path) -> dict[str, Any] | None:
    path = _path(root)
    if not path.is_file():
        return None
    with reading_errors(root):
        return read_manifest(path)


def _occupied(root: Path) -> bool:
    return (root / DATASET_MANIFEST).exists() or any(root.glob("*/shard_*.parquet"))


def _check_same(wanted: State, known: Mapping[str, Any]) -> None:
    differ = []
    if known["parent"]["manifest_sha256"] != wanted.parent["manifest_sha256"]:
        differ.append("dataset: another one")
    if known["max_shard_size_bytes"] != wanted.limit:
        differ.append(f"shard size: was {known['max_shard_size_bytes']}, is now {wanted.limit}")
    if differ:
        listing = "\n".join(f"  {text}" for text in differ)
        raise ResumeRefused(
            f"The resharding in {wanted.root} is of something else:\n{listing}",
            hint=f"Give the same dataset and size again to go on with it. {_ANEW}",
        )


def sweep(names: ShardNames) -> None:
    """Remove what was not finished: temporary files, and shards without a manifest."""
    folder = names.folder
    if not folder.is_dir():
        return
    shards = folder.glob(f"shard_{names.run_id}_*.parquet")
    unrecorded = [path for path in shards if not manifest_path(path).exists()]
    with writing_errors(folder):
        for path in (*folder.glob(".*.partial"), *unrecorded):
            path.unlink()
    fsync_directory(folder)
