"""What a run has to work with: where it is, which versions, how many cores, how much memory."""

from __future__ import annotations

import math
import os
import platform
import shutil
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from remote.workloads import OUTPUT_DIR
from remote.workloads.memory import memory_limit

THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
_SHOWN_PACKAGES = ("numpy", "h5py", "pyarrow", "numba", "dask", "papermill", "ipykernel")


def cores(root: Path = Path("/")) -> int:
    """The processors that this process may use, at least 1: affinity and CPU quota counted.

    A container with `--cpus 2.5` on a 48-core host has 3.
    """
    machine = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quota = _cpu_quota(root)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def _cpu_quota(root: Path) -> float | None:
    """Processors' worth of time that the control group grants; None without a limit."""
    mount = root / "sys/fs/cgroup"
    with suppress(OSError, ValueError):
        quota, period = (mount / "cpu.max").read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    with suppress(OSError, ValueError):
        granted = int((mount / "cpu/cpu.cfs_quota_us").read_text(encoding="ascii"))
        every = int((mount / "cpu/cpu.cfs_period_us").read_text(encoding="ascii"))
        return granted / every if granted > 0 else None
    return None


@dataclass(frozen=True, slots=True)
class HostFacts:
    """One look at the place where the run is. Sizes in bytes."""

    hostname: str
    system: str
    machine: str
    user: str
    in_container: bool
    python: str
    cores: int
    memory_limit_bytes: int
    output_free_bytes: int
    thread_caps: Mapping[str, str]
    packages: Mapping[str, str]

    def __str__(self) -> str:
        place = "in a container" if self.in_container else "as a plain process"
        caps = ", ".join(f"{name}={value}" for name, value in self.thread_caps.items())
        versions = ", ".join(f"{name} {version}" for name, version in self.packages.items())
        return "\n".join(
            [
                f"host      {self.hostname}, {place}, as user {self.user}",
                f"system    {self.system} on {self.machine}, Python {self.python}",
                f"cores     {self.cores}",
                f"memory    {self.memory_limit_bytes / 1e9:.1f} GB may be used",
                f"disk      {self.output_free_bytes / 1e9:.1f} GB free in OUTPUT_DIR",
                f"threads   {caps or 'no caps set'}",
                f"packages  {versions}",
            ]
        )


def host_facts() -> HostFacts:
    """Look around. Never fails for a fact that cannot be found out."""
    OUTPUT_DIR.mkdir(parents=True, exist_ok=True)
    return HostFacts(
        hostname=platform.node(),
        system=platform.platform(terse=True),
        machine=platform.machine(),
        user=os.environ.get("USER") or str(os.getuid()),
        in_container=_in_container(),
        python=platform.python_version(),
        cores=cores(),
        memory_limit_bytes=memory_limit(),
        output_free_bytes=shutil.disk_usage(OUTPUT_DIR).free,
        thread_caps={name: os.environ[name] for name in THREAD_CAPS if name in os.environ},
        packages={name: v for name in _SHOWN_PACKAGES if (v := _version(name))},
    )


def _in_container() -> bool:
    return sys.platform == "linux" and (
        Path("/.dockerenv").exists() or Path("/run/.containerenv").exists()
    )


def _version(name: str) -> str | None:
    import importlib.metadata  # slow to import, and `cores` does without

    with suppress(importlib.metadata.PackageNotFoundError):
        return importlib.metadata.version(name)
    return None


def write_proof(folder: Path = OUTPUT_DIR) -> Path:
    """Write a small file of facts, as proof that the run's output arrives.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    proof = folder / "host.txt"
    proof.write_text(f"{host_facts()}\n", encoding="utf-8")
    return proof
