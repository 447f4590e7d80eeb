"""The manifests: what a shard, and a dataset, says about itself.

Everything outside the `run` blocks is the same for equal input, settings and software, whoever
ran it, whenever, with whatever number of workers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from remote.errors import IntegrityFailure
from remote.workloads.durable import Digest
from remote.workloads.shards.output.encode import id_lines
from remote.workloads.shards.output.journal import GroupLine, PartLine
from remote.workloads.shards.settings import SCHEMA_VERSION

DATASET_MANIFEST = "dataset_manifest.json"
QUALITY_REPORT = "quality_report.json"
QUALITY_PAGE = "quality_report.html"


def manifest_path(shard: Path) -> Path:
    """The path of a shard's manifest."""
    return shard.with_suffix(".manifest.json")


@dataclass(frozen=True, slots=True)
class ShardNames:
    """Where the shards of one split of a run lie, and what they are called."""

    root: Path
    split: str
    run_id: str

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self.root / self.split

    def shard(self, index: int) -> Path:
        """The final path of a shard."""
        return self.folder / f"shard_{self.run_id}_{index:05d}.parquet"

    def manifest(self, index: int) -> Path:
        """The path of its manifest."""
        return manifest_path(self.shard(index))


@dataclass(frozen=True, slots=True)
class Appended:
    """What a shard holds of a row group, and the group that it is of."""

    group: GroupLine
    part: PartLine


@dataclass(frozen=True, slots=True)
class Identity:
    """What all manifests of a run share."""

    dataset: str
    run_id: str
    config_digest: str
    created_at: datetime
    inputs: tuple[str, ...]


def shard_manifest(
    identity: Identity,
    names: ShardNames,
    index: int,
    held: Sequence[Appended],
    sha256: str,
    ids_sha256: str | None,
    dropped: Mapping[str, int],
) -> dict[str, Any]:
    """The manifest of a finished shard, from what its row groups said.

    Args:
        sha256, ids_sha256: of the file, and of its sample ids; None to read the ids back.
    """
    path = names.shard(index)
    written = [one.part for one in held if one.part.rows]
    precursors = [part.precursor_mz for part in written if part.precursor_mz]
    rows = sum(part.rows for part in written)
    return {
        "dataset": identity.dataset,
        "split": names.split,
        "shard_index": index,
        "file": path.name,
        "num_samples": rows,
        "schema_version": SCHEMA_VERSION,
        "checksum": f"sha256:{sha256}",
        "file_size_bytes": path.stat().st_size,
        "first_sample_id": written[0].first_id,
        "last_sample_id": written[-1].last_id,
        "source_ranges": source_ranges(
            (identity.inputs[one.group.input_index], one.group.row_start, one.group.row_stop)
            for one in held
        ),
        "dropped": dict(dropped),
        "row_groups": row_groups(held, identity, dropped=bool(dropped)),
        "min_precursor_mz": min(low for low, _ in precursors),
        "max_precursor_mz": max(high for _, high in precursors),
        "sample_ids_sha256": ids_sha256 or sample_ids_sha256(path, rows),
        "config_digest": identity.config_digest,
        "run": {"run_id": identity.run_id, "created_at": timestamp(identity.created_at)},
    }


def row_groups(
    held: Iterable[Appended], identity: Identity, *, dropped: bool
) -> list[dict[str, Any]]:
    """The row groups that have rows: where each lies, and the source rows that it is of.

    What was dropped of its source rows is counted with it, and so are those of groups without
    rows: with the group before them, else with the first one. So other shards can be made of
    the same groups.

    Args:
        dropped: whether these shards count what was dropped.
    """
    found: list[dict[str, Any]] = []
    counts: dict[str, int] = {}
    for group, part in ((one.group, one.part) for one in held):
        if part.rows:
            counts = {} if found else counts
            place = {"offset": part.offset, "bytes": part.size, "rows": part.rows}
            of = {"input": identity.inputs[group.input_index], "row_start": group.row_start}
            found.append({**place, **of, "dropped": counts})
        for reason, count in sorted(group.stats["dropped"].items()) if dropped else ():
            counts[reason] = counts.get(reason, 0) + count
    return found


def source_ranges(pieces: Iterable[tuple[str, int, int]]) -> list[dict[str, Any]]:
    """The source rows that row groups account for, joined where they touch.

    Args:
        pieces: (input, row_start, row_stop), in order; dropped rows included.
    """
    ranges: list[dict[str, Any]] = []
    for name, start, stop in pieces:
        last = ranges[-1] if ranges else None
        if last and (last["input"], last["row_stop"]) == (name, start):
            last["row_stop"] = stop
        else:
            ranges.append({"input": name, "row_start": start, "row_stop": stop})
    return ranges


def sample_ids_sha256(path: Path, rows: int) -> str:
    """SHA-256 of a shard's sample ids as UTF-8 lines, read back from the file.

    Raises:
        IntegrityFailure: the file does not hold `rows` of them.
    """
    digest: Digest = hashlib.sha256()
    found = 0
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            ids = file.read_row_group(group, columns=["sample_id"], use_threads=False)[0]
            found += len(ids)
            for chunk in ids.chunks:
                digest.update(memoryview(id_lines(chunk)))
    if found != rows:
        raise IntegrityFailure(
            f"{path} holds {found} spectra, {rows} were written to it.",
            hint="The disk may be failing; build again into another directory.",
        )
    return digest.hexdigest()


def read_manifest(path: Path) -> dict[str, Any]:
    """A manifest as it was written."""
    manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return manifest


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
