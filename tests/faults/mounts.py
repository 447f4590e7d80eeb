"""Small file systems that get full, or that cannot be written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar

import pytest

P = ParamSpec("P")
R = TypeVar("R")

_SKIPPED = pytest.mark.skipif(
    os.getuid() != 0 or not sys.platform.startswith("linux"),
    reason="mounting needs root on Linux",
)


def needs_mounts(test: Callable[P, R]) -> Callable[P, R]:
    """For tests that mount: of the tier `mounts`, which CI may not leave out."""
    marked: Callable[P, R] = pytest.mark.mounts(_SKIPPED(test))
    return marked


@contextmanager
def mounted(folder: Path, size: str) -> Iterator[Path]:
    """A small file system of its own."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=755", "tmpfs", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"this machine does not allow mounts: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(path: Path, leaving: int = 0) -> None:
    """Take all space of the file system but `leaving` bytes."""
    with path.open("wb", buffering=0) as file:
        status = os.statvfs(path)
        free = status.f_bavail * status.f_frsize
        file.write(b"x" * max(0, free - leaving))
