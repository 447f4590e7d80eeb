"""Python, packages, compiled kernels, HDF5 filters."""

from __future__ import annotations

import importlib.util
import platform
import re
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import remote
from remote.errors import HostRefused
from remote.findings import Finding, note, ok, warn
from remote.workloads.shards.context import software
from remote.workloads.shards.doctor.place import Place

_LOCKS = (Path(remote.__file__).parents[1] / "requirements.txt", Path("/opt/requirements.txt"))
_PINNED = re.compile(r"([A-Za-z0-9_.-]+)==([^ ;\\]+)")
_INSTALL = "./scripts/msms uses an environment with exactly the packages of the lock"


def python(_: Place) -> Finding:
    return ok(f"{platform.python_version()}, {sys.executable}")


def packages(_: Place) -> Finding:
    """Those that bear on the shards' bytes."""
    found = {name: held for name, held in software().items() if name != "python"}
    missing = [name for name, held in found.items() if held == "absent"]
    if missing:
        raise HostRefused(f"{', '.join(missing)}: not installed", hint=_INSTALL)
    return ok(", ".join(f"{name} {held}" for name, held in found.items()))


def lock(_: Place) -> Finding:
    path = next((path for path in _LOCKS if path.is_file()), None)
    if path is None:
        return note("no requirements.txt is here to compare with")
    return of_lock(pinned(path.read_text(encoding="utf-8")), path)


def of_lock(locked: Mapping[str, frozenset[str]], path: Path) -> Finding:
    """A verdict on what is installed of what a lock names."""
    differ = [
        f"{name} {held}, the lock has {' or '.join(sorted(locked[name]))}"
        for name, held in _installed(locked)
        if held not in locked[name]
    ]
    if not differ:
        return ok(f"packages are those of {path}")
    bearing = [text for text in differ if text.split()[0] in software()]
    said = "\n".join([*bearing, *(text for text in differ if text not in bearing)])
    return warn(
        said,
        f"{_INSTALL}; with other versions shards may have other bytes than elsewhere, and equal "
        "values",
    )


def _installed(names: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name in names:
        with suppress(PackageNotFoundError):  # some are for other systems alone
            yield name, version(name)


def pinned(lock: str) -> dict[str, frozenset[str]]:
    """The versions that a lock names for each package: several, where systems differ."""
    found: dict[str, set[str]] = {}
    for line in lock.splitlines():
        match = _PINNED.match(line)
        if match:
            found.setdefault(match[1].lower(), set()).add(match[2])
    return {name: frozenset(versions) for name, versions in found.items()}


def kernels(_: Place) -> Finding:
    """Load what a build runs compiled; what is not there yet is compiled, and kept."""
    import numpy as np

    from remote.workloads.shards.bins import bin_counter
    from remote.workloads.shards.inputs.names import name_finder
    from remote.workloads.shards.kernels import cleaner
    from remote.workloads.shards.output.bytesplit import byte_splitter

    began = time.monotonic()
    loaded: list[Any] = [
        *(cleaner(np.dtype(kind), by_column=by) for kind in ("f8", "f4") for by in (False, True)),
        *(byte_splitter(np.dtype(kind)) for kind in ("u8", "u4")),
        bin_counter(),
        name_finder(),
    ]
    return of_kernels([one.stats for one in loaded], time.monotonic() - began)


def of_kernels(stats: list[Any], seconds: float) -> Finding:
    """A verdict on where compiled code came from, and whether it is kept."""
    folder = stats[0].cache_path
    if folder is None:
        return warn(
            f"compiled in {seconds:.1f} s and not kept: each process compiles again",
            "set NUMBA_CACHE_DIR to a directory that can be written",
        )
    if any(one.cache_misses for one in stats):
        return ok(f"compiled now, in {seconds:.1f} s, and kept in {folder}")
    return ok(f"ready, in {folder}")


def filters(_: Place) -> Finding:
    if importlib.util.find_spec("hdf5plugin") is None:
        return note(
            "gzip, shuffle, Fletcher-32 and lzf; hdf5plugin is not installed, so that inputs "
            "packed with blosc, zstd and others cannot be read "
            "(./scripts/add-package.sh hdf5plugin)"
        )
    return ok(f"all of hdf5plugin {version('hdf5plugin')}: blosc, zstd and others")
