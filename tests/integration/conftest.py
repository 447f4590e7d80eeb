"""Whole commands are run in copies of this checkout: `remote` writes to its own results/."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

CopyCheckout = Callable[[Path], Path]


@pytest.fixture(scope="session")
def copy_checkout(project_root: Path) -> CopyCheckout:
    """`copy_checkout(to)`: the files of a clean clone, as they are in the working tree."""
    listed = ["git", "-C", str(project_root), "ls-files", "-z"]
    listed += ["--cached", "--others", "--exclude-standard"]

    def copy(to: Path) -> Path:
        names = subprocess.run(listed, capture_output=True, check=True).stdout.decode()
        for name in filter(None, names.split("\0")):
            if (project_root / name).is_file():
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(project_root / name, to / name)
        return to

    return copy
