"""The run that a build is part of, and the software and machine it runs on."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from remote.workloads.hostfacts import cores
from remote.workloads.progress import EVENTS_VARIABLE

_PACKAGES = ("deflate", "h5py", "llvmlite", "lxml", "numba", "numpy", "pyarrow", "pyteomics")


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the run directory says; all empty where a build is run by hand."""

    image_digest: str | None = None
    parents: tuple[str, ...] = ()

    @classmethod
    def current(cls) -> RunContext:
        """Read `run.json` beside the events file."""
        events = os.environ.get(EVENTS_VARIABLE)
        path = Path(events).with_name("run.json") if events else None
        if path is None or not path.is_file():
            return cls()
        run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        image = run.get("software", {}).get("image_digest")
        return cls(image, tuple(str(parent["id"]) for parent in run.get("parents", ())))


def default_run_id(now: datetime) -> str:
    """The time part of the run's id, else `now`: what shard names carry."""
    found = re.search(r"\d{8}_\d{6}$", os.environ.get("WORKHORSE_RUN_ID", ""))
    return found[0] if found else now.strftime("%Y%m%d_%H%M%S")


def software() -> dict[str, str]:
    """Versions of everything that bears on the shards' bytes."""
    import remote

    found = {"workhorse": remote.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "absent"
    return found


@cache
def code_sha256() -> str:
    """SHA-256 over the sources of this package, names included; taken once a process."""
    digest = hashlib.sha256()
    home = Path(__file__).parent
    for path in sorted([*home.glob("*.py"), *home.glob("ranking/*.py")]):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def hardware() -> Mapping[str, object]:
    """The machine, for the `run` block."""
    return {
        "machine": platform.machine(),
        "system": platform.platform(),
        "hostname": platform.node(),
        "cores": cores(),
    }
