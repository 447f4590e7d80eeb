"""Does this configuration give the same bytes whatever way it is run? Tried, not claimed."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from remote.errors import InternalError
from remote.workloads.hostfacts import cores
from remote.workloads.shards.build import build_shards
from remote.workloads.shards.compare import first_difference
from remote.workloads.shards.meter import Progress
from remote.workloads.shards.output.manifest import DATASET_MANIFEST, read_manifest
from remote.workloads.shards.settings import BuildSettings, Quality

_RUN_ID = "determinism"
# Small enough that a few shards are closed, so that this is tried as well.
_SHARDS = 4
_BYTES_PER_SPECTRUM = 250
_LEAST_SHARD = 65_536
_PREFIX = "msms-determinism-"


@dataclass(frozen=True, slots=True)
class Way:
    """A way of running a build.

    Attributes:
        options: of `build_shards`, those that must not change a byte.
        killed: the process is killed half way, and the build goes on with what it left.
    """

    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    killed: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What one way gave.

    Attributes:
        difference: from the first way; empty where there is none, None for the first itself.
    """

    way: str
    dataset_hash: str
    seconds: float
    difference: str | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was tried. Equal where no way differs from the first.

    Attributes:
        rows: source rows that each way read.
        shards: how many they made, of at most `shard_bytes`.
        not_tried: what this says nothing about.
    """

    rows: int
    shards: int
    shard_bytes: int
    tried: tuple[Tried, ...]
    not_tried: tuple[str, ...]

    @property
    def difference(self) -> str:
        """The first one, with the way that gave it; empty where all are equal."""
        found = [f"{tried.way}: {tried.difference}" for tried in self.tried if tried.difference]
        return found[0] if found else ""


def ways(most_workers: int | None = None) -> tuple[Way, ...]:
    """All ways of this machine; the first one is the plainest."""
    most = most_workers or max(2, cores())
    counts = sorted({2, most})
    return (
        Way("1 worker", {"num_workers": 1}),
        *(Way(f"{count} workers", {"num_workers": count}) for count in counts),
        Way("batches of 1,000", {"num_workers": 2, "batch_size": 1_000}),
        Way("batches of 7,777", {"num_workers": 2, "batch_size": 7_777}),
        Way("2 processes", {"num_workers": 2, "mode": "production"}),
        Way("Dask, threads", {"num_workers": 2, "use_dask": True}),
        Way("Dask, processes", {"num_workers": 2, "use_dask": True, "mode": "production"}),
        Way("without a journal", {"num_workers": 2, "checkpoint": False}),
        Way("killed, then resumed", {"num_workers": 2}, killed=True),
    )


def try_ways(
    settings: BuildSettings,
    inputs: Sequence[Path],
    *,
    max_spectra: int,
    tries: Sequence[Way],
    tell: Callable[[Tried], None] = lambda _: None,
) -> Verdict:
    """Build the first `max_spectra` rows in every way, in a temporary directory.

    Args:
        settings: the config; its shard size is made smaller, so that there are several shards.
        inputs: none for the config's own, and without those for a generated sample.
        tell: is told what each way gave.

    Raises:
        WorkhorseError: what `build_shards` raises.
    """
    rows = min(max_spectra, settings.max_spectra or max_spectra)
    limit = max(_LEAST_SHARD, rows * _BYTES_PER_SPECTRUM // _SHARDS)
    limit = min(limit, settings.max_shard_size_bytes or limit)
    small = replace(
        settings, max_spectra=rows, max_shard_size_bytes=limit, quality=Quality()
    )  # a model asked twice may answer otherwise, and wants to be paid twice
    tried: list[Tried] = []
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as temporary:
        first = Path(temporary) / "0"
        for index, way in enumerate(tries):
            root = Path(temporary) / str(index)
            seconds = _build(small, inputs, root, way, rows)
            manifest = read_manifest(root / DATASET_MANIFEST)
            difference = first_difference(first, root) if index else None
            tried.append(Tried(way.name, manifest["dataset_hash"], seconds, difference))
            tell(tried[-1])
            if index:
                shutil.rmtree(root)
        manifest = read_manifest(first / DATASET_MANIFEST)
    total = sum(entry["rows"] for entry in manifest["inputs"])
    read = min(rows, total)
    return Verdict(read, manifest["num_shards"], limit, tuple(tried), _not_tried(read, total))


def _not_tried(read: int, total: int) -> tuple[str, ...]:
    rest = () if read == total else (f"source rows after the first {read:,} of {total:,}",)
    return (
        *rest,
        "workers of a Dask scheduler elsewhere (--scheduler)",
        "scores of a quality ranker, which are the model's",
        "other processor architectures, where values are equal and bytes may differ",
        "other versions of the software: a resume refuses them",
    )


def _build(
    settings: BuildSettings, inputs: Sequence[Path], root: Path, way: Way, rows: int
) -> float:
    given = {
        "input_hdf5": [str(path) for path in inputs] or None,
        "output_root": str(root),
        "run_id": _RUN_ID,
        "sample_spectra": rows,
        "min_disk_gb": 0.0,
        "min_memory_gb": 0.0,
        "checkpoint_interval": 5_000,
        **way.options,
    }
    began = time.monotonic()
    if way.killed:
        _killed(settings, given)
    build_shards(settings, resume=way.killed, **given)
    return time.monotonic() - began


def _killed(settings: BuildSettings, given: dict[str, Any]) -> None:
    """A build in a process of its own, which is dead when half of the rows are done."""
    process = multiprocessing.get_context("spawn").Process(
        target=_dies_half_way, args=(settings, given)
    )
    process.start()
    process.join()
    if process.exitcode != -signal.SIGKILL:
        raise InternalError(f"A build that was to be killed ended with {process.exitcode}.")


def _dies_half_way(settings: BuildSettings, given: dict[str, Any]) -> None:
    def watch(now: Progress) -> None:
        if 2 * now.done >= now.total:
            os.kill(os.getpid(), signal.SIGKILL)

    build_shards(settings, watch=watch, **given)
