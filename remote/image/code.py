"""The code of a run: immutable trees on the host, keyed by their digest."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from remote.errors import IntegrityFailure
from remote.hosts.connect import Host
from remote.image.digests import NOTEBOOKS, PACKAGE, code_files, tree_digest
from remote.model import CodeDigests, Project


def place_code(host: Host, project: Project, digests: CodeDigests) -> Path:
    """Put package and notebooks on the host if they are not there; what PYTHONPATH holds."""
    package = host.layout.package(digests)
    notebooks = host.layout.notebooks(digests)
    _place(host, project.root / PACKAGE, package, PACKAGE, digests.package)
    _place(host, project.notebooks, notebooks, NOTEBOOKS, digests.notebooks)
    return package


def _place(host: Host, source: Path, final: Path, name: str, digest: str) -> None:
    """Copy under a temporary name, rename last: what is there under its final name is whole."""
    with host.transport.lock(final.with_name(f".{final.name}.lock")):
        if final.exists():
            return
        building = final.with_name(f".{final.name}.building")
        host.transport.remove(building)
        (building / name).mkdir(parents=True)
        copy_code(source, building / name, digest)
        building.rename(final)


def copy_code(source: Path, target: Path, digest: str) -> None:
    """Copy a tree with fixed modes and times.

    Raises:
        IntegrityFailure: it is not the tree that was digested.
    """
    for path in code_files(source):
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copied)
        copied.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
        os.utime(copied, (0, 0))
    for folder in (target, *target.rglob("*/")):
        if folder.is_dir():
            folder.chmod(0o755)
    _refuse_changed(source, tree_digest(target), digest)


def _refuse_changed(source: Path, copied: str, digested: str) -> None:
    if copied != digested:
        raise IntegrityFailure(
            f"{source} was changed while the run was being prepared",
            hint="save what is being edited and start the run again",
        )
