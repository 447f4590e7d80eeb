"""A dataset in shards of another size: row groups are copied as they are, footers made anew.

Nothing is decoded but, for the manifests, the sample ids of what was written. The row groups of
a split keep their order, and shards are filled by the rule of the build: the build's own size
gives the build's own bytes.

Every page is verified while it is copied and every shard's SHA-256 when it has been read; only
then do the shards made of it get their manifests. The dataset manifest comes last. What a kill
leaves behind goes on with `resume`: shards with a manifest stay, the others are made again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from remote.errors import DiskTooSmall, IntegrityFailure, UsageError
from remote.workloads.durable import exclusive, json_bytes, write_atomic
from remote.workloads.progress import progress
from remote.workloads.shards.context import default_run_id
from remote.workloads.shards.meter import Progress, Watch
from remote.workloads.shards.output.manifest import (
    DATASET_MANIFEST,
    ShardNames,
    read_manifest,
)
from remote.workloads.shards.output.workspace import COMPLETE, RUNNING
from remote.workloads.shards.preflight import free_disk
from remote.workloads.shards.request import Clock, checked_run_id, utc_now
from remote.workloads.shards.resharding.copying import SplitCopy, origins
from remote.workloads.shards.resharding.origin import HINT
from remote.workloads.shards.resharding.packing import Packer
from remote.workloads.shards.resharding.records import (
    copy_scores,
    dataset_record,
    finished,
    parent_record,
    run_record,
    write_resharded_report,
)
from remote.workloads.shards.resharding.state import State, begin, sweep
from remote.workloads.shards.settings import GIB
from remote.workloads.shards.validation.agreement import disagreements
from remote.workloads.shards.validation.records import Record, ShardRecord, read_records
from remote.workloads.shards.words import several

# The least that a build takes as well: a footer has to fit beside a row group.
LEAST_BYTES = 65_536


@dataclass(frozen=True, slots=True, repr=False)
class Resharded:
    """A dataset in other shards. Sizes in bytes."""

    manifest: Path
    shards: tuple[Path, ...]
    num_samples: int
    total_bytes: int
    parent_shards: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        paths = {"manifest": str(self.manifest), "shards": [str(path) for path in self.shards]}
        return {**asdict(self), **paths}

    def __repr__(self) -> str:
        rate = self.total_bytes / 1e6 / self.seconds if self.seconds else 0.0
        return (
            f"{self.num_samples:,} spectra: {several(self.parent_shards, 'shard')} became "
            f"{several(len(self.shards), 'shard')}, {self.total_bytes / 1e6:,.1f} MB in "
            f"{self.seconds:.1f} s ({rate:,.0f} MB/s)\nmanifest {self.manifest}"
        )


@dataclass(frozen=True, slots=True, repr=False)
class ReshardPreview:
    """What a resharding would write: by split, the sizes of the shards in bytes."""

    output_root: str
    max_shard_size_bytes: int
    num_samples: int
    parent_shards: int
    shards: Mapping[str, list[int]]

    def to_json(self) -> dict[str, Any]:
        """The preview as JSON values."""
        return asdict(self)

    def __repr__(self) -> str:
        lines = [
            f"read    {self.num_samples:,} spectra in {several(self.parent_shards, 'shard')}",
            f"write   below {self.output_root}, at most {self.max_shard_size_bytes:,} bytes each:",
        ]
        for split, sizes in self.shards.items():
            total = f"{sum(sizes) / 1e6:,.1f} MB, the largest {max(sizes):,} bytes"
            lines.append(f"        {split}: {several(len(sizes), 'shard')}, {total}")
        return "\n".join(lines)


def reshard(
    root: str | os.PathLike[str],
    output_root: str | os.PathLike[str],
    *,
    shard_size: int,
    run_id: str | None = None,
    resume: bool = False,
    watch: Watch | None = None,
    clock: Clock = utc_now,
) -> Resharded:
    """Make shards of at most `shard_size` bytes of those of the dataset in `root`.

    Args:
        output_root: where they go; must hold no dataset.
        run_id: what shard names carry; by default the time.
        resume: go on with what a killed call left there.
        watch: is told how far it is, after each row group.

    Raises:
        WorkhorseError: a subclass for each thing that can be wrong.
    """
    began = time.monotonic()
    given = _Given.checked(Path(root), Path(output_root), shard_size)
    now = clock()
    named = checked_run_id(run_id or default_run_id(now))
    wanted = State(given.output, named, now, shard_size, parent_record(given.root, given.dataset))
    with exclusive(given.output):
        state, done = begin(wanted, resume=resume)
        if not done:
            _check_disk(given)
            state.write(RUNNING)
            _copy(given, state, watch or (lambda _: None), clock)
            state.write(COMPLETE)
    return _result(given, time.monotonic() - began)


def preview(
    root: str | os.PathLike[str], output_root: str | os.PathLike[str], *, shard_size: int
) -> ReshardPreview:
    """What `reshard` would write with the same arguments; reads the footers alone.

    Raises:
        WorkhorseError: the same refusals as those of a real run.
    """
    given = _Given.checked(Path(root), Path(output_root), shard_size)
    sizes = {split: _sizes(shards, shard_size) for split, shards in given.splits().items()}
    return ReshardPreview(
        str(output_root), shard_size, given.dataset["num_samples"], len(given.shards), sizes
    )


@dataclass(frozen=True, slots=True)
class _Given:
    """What is resharded, and where to."""

    root: Path
    output: Path
    limit: int
    dataset: Record
    shards: tuple[ShardRecord, ...]

    @classmethod
    def checked(cls, root: Path, output: Path, limit: int) -> _Given:
        if limit < LEAST_BYTES:
            raise UsageError(
                f"The shard size is {limit} bytes; it must be at least {LEAST_BYTES:,}."
            )
        records = read_records(root)
        problems = [*records.problems, *(disagreements(records) if records.dataset else ())]
        if problems or records.dataset is None:
            raise IntegrityFailure(
                f"{root} is damaged: {problems[0]}",
                hint=HINT,
            )
        if output.resolve().is_relative_to(root.resolve()):
            raise UsageError(
                f"{output} lies in the dataset that is resharded.",
                hint="Choose an output directory outside of it.",
            )
        return cls(root, output, limit, records.dataset, records.shards)

    def splits(self) -> dict[str, list[ShardRecord]]:
        """The shards of each split, in order."""
        found: dict[str, list[ShardRecord]] = {}
        for shard in self.shards:
            assert shard.manifest is not None
            found.setdefault(shard.manifest["split"], []).append(shard)
        return found


def _check_disk(given: _Given) -> None:
    free, wanted = free_disk(given.output), given.dataset["total_bytes"]
    if free < wanted:
        raise DiskTooSmall(
            f"{free / GIB:.1f} GB of disk are free at {given.output}, the shards need "
            f"{wanted / GIB:.1f} GB",
            hint="Free some space, or choose another output directory.",
        )


def _copy(given: _Given, state: State, watch: Watch, clock: Clock) -> None:
    passed = _Meter(given.dataset["num_samples"], watch)
    run = run_record(state.run_id, state.created_at)
    manifests: list[dict[str, Any]] = []
    for split, shards in given.splits().items():
        names = ShardNames(given.output, split, state.run_id)
        sweep(names)
        copy = SplitCopy(shards, names, given.limit, run, passed)
        copy()
        manifests += copy.manifests
        passed.split_done(len(copy.manifests))
    copy_scores(given.root, given.output, given.dataset)
    write_resharded_report(given.root, given.output, manifests, given.limit)
    dataset = dataset_record(given.dataset, state.parent, manifests, finished(run, clock()))
    write_atomic(given.output / DATASET_MANIFEST, json_bytes(dataset))


class _Meter:
    """Tells of spectra done and shards begun over all splits."""

    def __init__(self, total: int, watch: Watch) -> None:
        self._total = total
        self._watch = watch
        self._done = 0
        self._shards = 0

    def __call__(self, spectra: int, shards: int) -> None:
        self._done += spectra
        begun = self._shards + shards
        progress("reshard", self._done, self._total, unit="spectra", shards=begun)
        self._watch(Progress(self._done, self._total, self._done, 0, 0, begun))

    def split_done(self, shards: int) -> None:
        self._shards += shards


def _result(given: _Given, seconds: float) -> Resharded:
    manifest = read_manifest(given.output / DATASET_MANIFEST)
    return Resharded(
        manifest=given.output / DATASET_MANIFEST,
        shards=tuple(given.output / shard["file"] for shard in manifest["shards"]),
        num_samples=manifest["num_samples"],
        total_bytes=manifest["total_bytes"],
        parent_shards=len(given.shards),
        seconds=seconds,
    )


def _sizes(shards: list[ShardRecord], limit: int) -> list[int]:
    """The sizes of the shards that would be made of a split's."""
    found: dict[int, int] = {}
    pack: Packer | None = None
    for origin in origins(shards):
        pack = pack or Packer(origin.footer, limit)
        for part in origin.parts:
            one = pack(part)
            found[one.shard] = pack.size
    return list(found.values())
