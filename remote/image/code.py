"""The process runtime's code: immutable trees on the host, keyed by their digest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from remote.hosts.connect import Host
from remote.image.digests import NOTEBOOKS, PACKAGE, code_files
from remote.model import CodeDigests, Project


def place_code(host: Host, project: Project, digests: CodeDigests) -> Path:
    """Put package and notebooks on the host if they are not there; what PYTHONPATH holds."""
    package = host.layout.package(digests)
    _place(host, project.root / PACKAGE, package, PACKAGE)
    _place(host, project.notebooks, host.layout.notebooks(digests), NOTEBOOKS)
    return package


def _place(host: Host, source: Path, final: Path, name: str) -> None:
    """Copy under a temporary name, rename last: what is there under its final name is whole."""
    with host.transport.lock(final.with_name(f".{final.name}.lock")):
        if final.exists():
            return
        building = final.with_name(f".{final.name}.building")
        host.transport.remove(building)
        for path in code_files(source):
            target = building / name / path.relative_to(source)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
            target.chmod(0o555 if path.stat().st_mode & 0o100 else 0o444)
            os.utime(target, (0, 0))
        building.rename(final)
