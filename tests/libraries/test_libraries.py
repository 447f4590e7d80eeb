"""Converters against the libraries themselves, in an environment that is made at first use.

torch's ordinary wheel for Linux on x86-64 brings gigabytes for CUDA along: where PIP_FIND_LINKS
names a folder with one without, that is taken. None of it is part of a run's environment.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import pytest

from benchmarks.sharding.others.cases import environment
from remote.workloads.shards import build_shards
from tests.unit.shards.making import make_input

pytestmark = pytest.mark.slow

CHECKS = {
    "torch": ["tensors", "workers", "epochs", "training"],
    "matchms": ["spectra", "harmonised", "used"],
    "depthcharge": ["names", "datasets"],
}
MADE = Path(tempfile.gettempdir()) / "workhorse-libraries"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12,995 spectra in three row groups."""
    root = tmp_path_factory.mktemp("libraries")
    source = make_input(root / "a.hdf5", 13_000, 3, bad=(6_000, 6_005))
    build_shards(input_hdf5=source, output_root=root / "out", min_memory_gb=0, min_disk_gb=0)
    return root / "out"


@pytest.mark.parametrize(
    ("library", "check"), [(library, check) for library, all_ in CHECKS.items() for check in all_]
)
def test_against_the_library(project_root: Path, dataset: Path, library: str, check: str) -> None:
    MADE.mkdir(exist_ok=True)
    python = environment(MADE, Path(__file__).with_name("requirements.txt"))
    # By its path: some of the packages bring a `tests` of their own.
    program = Path(__file__).with_name(f"{library}_checks.py")
    done = subprocess.run(
        [python, program, check, dataset],
        env={**os.environ, "PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4_000:]
