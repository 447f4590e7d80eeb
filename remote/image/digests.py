"""Digests of the lock and of the code: what a run's software is made of.

A tree's digest covers relative paths, executable bits and contents in sorted order; times,
owners and what a tool leaves lying about (bytecode, checkpoints, hidden files) do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from remote.errors import UsageError
from remote.model import CodeDigests, Project

PACKAGE = "remote"
NOTEBOOKS = "notebooks"
_SKIPPED = frozenset({"__pycache__"})
_SKIPPED_SUFFIXES = frozenset({".pyc", ".pyo"})


def code_digests(project: Project) -> CodeDigests:
    """Digest what the project's runs are made of.

    Raises:
        UsageError: the project lacks its lock, its package or its notebooks.
    """
    for needed in (project.requirements, project.root / PACKAGE, project.notebooks):
        if not needed.exists():
            raise UsageError(
                f"{needed}: not found; {project.root} is not a Workhorse checkout",
                hint="run this from the folder that holds requirements.txt and notebooks/",
            )
    package = tree_digest(project.root / PACKAGE)
    notebooks = tree_digest(project.notebooks)
    return CodeDigests(
        lock=hashlib.sha256(project.requirements.read_bytes()).hexdigest(),
        code=hashlib.sha256(f"{package} {notebooks}".encode()).hexdigest(),
        package=package,
        notebooks=notebooks,
    )


def tree_digest(root: Path) -> str:
    """SHA-256 (hex) of the files below `root`, as `code_files` lists them."""
    digest = hashlib.sha256()
    for path in code_files(root):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        mode = "x" if path.stat().st_mode & 0o100 else "-"
        digest.update(f"{path.relative_to(root).as_posix()}\0{mode}\0{content}\n".encode())
    return digest.hexdigest()


def code_files(root: Path) -> Iterator[Path]:
    """The regular files of a code tree in sorted order; links are followed to files only."""
    for path in sorted(root.rglob("*"), key=lambda item: item.relative_to(root).as_posix()):
        parts = path.relative_to(root).parts
        hidden = any(part.startswith(".") or part in _SKIPPED for part in parts)
        if not hidden and path.suffix not in _SKIPPED_SUFFIXES and path.is_file():
            yield path
