"""What is checked before work starts: inputs, memory, disk.

A build that cannot end well is refused here, in seconds, rather than after hours.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from remote.errors import DiskTooSmall, MemoryTooSmall
from remote.workloads.memory import available_memory
from remote.workloads.shards.inputs.opening import open_inputs
from remote.workloads.shards.inputs.source import Source
from remote.workloads.shards.settings import GIB, InputRules

DEFAULT_MIN_MEMORY_GB = 4.0
DEFAULT_MIN_DISK_GB = 10.0

# Measured bytes of a written spectrum: what its columns take, and what each peak takes.
_BYTES_PER_SPECTRUM = 60
_BYTES_PER_PEAK = 9.5


@dataclass(frozen=True, slots=True)
class Findings:
    """What preflight found, in bytes and rows. Printable: a dry run shows it."""

    rows: int
    memory_available: int
    memory_wanted: int
    disk_free: int
    disk_wanted: int
    output_estimate: int


def check(
    inputs: Sequence[Path],
    output_root: Path,
    *,
    min_memory_gb: float = DEFAULT_MIN_MEMORY_GB,
    min_disk_gb: float = DEFAULT_MIN_DISK_GB,
    max_spectra: int | None = None,
    skip_damaged: bool = False,
    rules: InputRules | None = None,
) -> Findings:
    """Check everything; what each input has stored first and last is read.

    Args:
        inputs: the files.
        output_root: where the shards will be; need not exist.
        min_memory_gb: least memory that must be available.
        min_disk_gb: least free disk; the estimated output, where that is larger.
        max_spectra: source rows that will be read; None for all.
        skip_damaged: let damage pass that concerns some rows only.
        rules: what is taken of the inputs.

    Raises:
        InputUnusable: a file is missing, damaged, or of a kind that is not read.
        MemoryTooSmall, DiskTooSmall: as they say.
    """
    sources = open_inputs(inputs, skip_damaged=skip_damaged, rules=rules)
    try:
        for source in sources:
            source.probe()
        rows = sum(source.rows for source in sources)
        bytes_each = bytes_per_spectrum(sources)
    finally:
        for source in sources:
            source.close()
    read = rows if max_spectra is None else min(rows, max_spectra)
    estimate = int(read * bytes_each)
    findings = Findings(
        rows=read,
        memory_available=available_memory(),
        memory_wanted=int(min_memory_gb * GIB),
        disk_free=free_disk(output_root),
        disk_wanted=max(int(min_disk_gb * GIB), estimate),
        output_estimate=estimate,
    )
    _refuse(findings, output_root)
    return findings


def bytes_per_spectrum(sources: Sequence[Source]) -> float:
    """An estimate of what a spectrum of these inputs takes in a shard."""
    peaks = max((source.peaks_per_spectrum() for source in sources), default=0.0)
    return _BYTES_PER_SPECTRUM + _BYTES_PER_PEAK * peaks


def free_disk(path: Path) -> int:
    """Bytes that this user can still write at `path`, or where it will be."""
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def _refuse(found: Findings, output_root: Path) -> None:
    if found.memory_available < found.memory_wanted:
        raise MemoryTooSmall(
            f"{_gb(found.memory_available)} of memory are available here, "
            f"{_gb(found.memory_wanted)} are wanted",
            hint="Close other programs, raise the container's memory limit, use fewer workers, "
            "or accept less with --min-memory-gb.",
        )
    if found.disk_free < found.disk_wanted:
        raise DiskTooSmall(
            f"{_gb(found.disk_free)} of disk are free at {output_root}, "
            f"{_gb(found.disk_wanted)} are wanted (the output is estimated at "
            f"{_gb(found.output_estimate)})",
            hint="Free some space, choose another output directory, "
            "or accept less with --min-disk-gb.",
        )


def _gb(size: int) -> str:
    return f"{size / GIB:.1f} GB"
