"""What a build gives back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from remote.workloads.shards.counts import DAMAGED
from remote.workloads.shards.forecast import Forecast
from remote.workloads.shards.inputs.damage import summary
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, QUALITY_REPORT, read_manifest
from remote.workloads.shards.ranking.outlook import Outlook
from remote.workloads.shards.words import several


@dataclass(frozen=True, slots=True, repr=False)
class BuildResult:
    """A finished dataset.

    Attributes:
        manifest: path of the dataset manifest.
        shards: paths of the shards, in order.
        num_samples: spectra in them.
        read: source rows looked at.
        dropped: spectra left out, by reason.
        total_bytes: size of the shards.
        quality: the quality report's overall status (PASS, WARN, FAIL).
        seconds: how long this call took.
        resumed_rows: source rows that an earlier attempt had done.
        damaged_ranges: rows left out because they cannot be read, as in the dataset manifest.
        splits: spectra by split.
    """

    manifest: Path
    shards: tuple[Path, ...]
    num_samples: int
    read: int
    dropped: Mapping[str, int]
    total_bytes: int
    quality: str
    seconds: float
    resumed_rows: int = 0
    damaged_ranges: tuple[Mapping[str, Any], ...] = ()
    splits: Mapping[str, int] = field(default_factory=dict)

    @property
    def spectra_per_second(self) -> float:
        """Source rows that this call worked off, per second."""
        return (self.read - self.resumed_rows) / self.seconds if self.seconds > 0 else 0.0

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        plain = {**asdict(self), "manifest": str(self.manifest)}
        return {
            **plain,
            "shards": [str(path) for path in self.shards],
            "damaged_ranges": [dict(damage) for damage in self.damaged_ranges],
            "spectra_per_second": round(self.spectra_per_second, 1),
        }

    def __repr__(self) -> str:
        resumed = f", {self.resumed_rows:,} rows resumed" if self.resumed_rows else ""
        shards = several(len(self.shards), "shard")
        speed = f"{self.seconds:.1f} s ({self.spectra_per_second:,.0f} spectra/s{resumed})"
        lines = [
            f"{self.num_samples:,} spectra in {shards}, {self.total_bytes / 1e6:,.1f} MB",
            f"read {self.read:,} in {speed}",
        ]
        if len(self.splits) > 1:
            splits = [f"{name} {count:,}" for name, count in self.splits.items()]
            lines.append(f"splits {', '.join(splits)}")
        if self.dropped:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in self.dropped.items())
            lines.append(f"dropped {sum(self.dropped.values()):,} ({reasons})")
        if self.damaged_ranges:
            lines.append(summary(self.dropped[DAMAGED], self.damaged_ranges))
        lines += [f"quality {self.quality}", f"manifest {self.manifest}"]
        return "\n".join(lines)


def known_result(root: Path, seconds: float) -> BuildResult:
    """The result of a dataset that was finished before."""
    manifest = read_manifest(root / DATASET_MANIFEST)
    return BuildResult(
        manifest=root / DATASET_MANIFEST,
        shards=tuple(root / shard["file"] for shard in manifest["shards"]),
        num_samples=manifest["num_samples"],
        read=manifest["counts"]["read"],
        dropped=manifest["counts"]["dropped"],
        total_bytes=manifest["total_bytes"],
        quality=read_manifest(root / QUALITY_REPORT)["overall"],
        seconds=seconds,
        resumed_rows=manifest["counts"]["read"],
        damaged_ranges=tuple(manifest["damaged_ranges"]),
        splits=spectra_by_split(manifest),
    )


def spectra_by_split(manifest: Mapping[str, Any]) -> dict[str, int]:
    """Of a dataset manifest."""
    return {name: split["num_samples"] for name, split in manifest["splits"].items()}


@dataclass(frozen=True, slots=True, repr=False)
class Preview:
    """What a build would do: the plan that a real run follows.

    Attributes:
        inputs: name and rows of each; empty where a sample would be generated.
        rows: source rows that would be read.
        columns: of the shards.
        left_out: columns that no input can fill.
        workers: at one time, as they fit into memory.
        memory: the most that it will take, in bytes, over all processes.
        lowered: what was lowered to fit into memory, in words.
        forecast: what it will write, how long it takes, and what binds it.
        ranking: what having spectra scored will take; None where that is off.
    """

    inputs: Mapping[str, int]
    rows: int
    tasks: int
    row_groups: int
    columns: tuple[str, ...]
    left_out: tuple[str, ...]
    output_root: str
    run_id: str
    max_shard_size_bytes: int
    workers: int
    memory: int
    lowered: str
    forecast: Forecast
    ranking: Outlook | None = None

    def to_json(self) -> dict[str, Any]:
        """The preview as JSON values."""
        return asdict(self)

    def __repr__(self) -> str:
        names = [f"{name}: {rows:,} rows" for name, rows in self.inputs.items()]
        told = self.forecast
        stages = ", ".join(f"{name} {spent:.2f}" for name, spent in told.stages.items())
        lines = [
            f"input   {'; '.join(names) or 'a generated sample'}",
            f"read    {self.rows:,} spectra in {self.tasks} tasks, {self.workers} at a time",
            (
                f"write   about {told.spectra:,} spectra, {told.bytes / 1e6:,.0f} MB in "
                f"{self.row_groups} row groups and {told.shards} "
                f"{'shard' if told.shards == 1 else 'shards'} of at most "
                f"{self.max_shard_size_bytes:,} bytes, below {self.output_root}, "
                f"run id {self.run_id}"
            ),
            f"columns {', '.join(self.columns)}",
            f"absent  {', '.join(self.left_out) or 'none'}",
            f"time    about {told.seconds:,.1f} s, {told.spectra_per_second:,.0f} spectra/s",
            f"stages  {stages} (seconds of one core for a million spectra)",
            f"memory  at most about {self.memory / 1e6:,.0f} MB",
            f"bound   by {told.binds}",
            *([f"ranking {self.ranking!r}"] if self.ranking else []),
        ]
        return "\n".join([*lines, *([self.lowered] if self.lowered else [])])
