"""Each lock has wheels for every platform that is promised."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import pytest
import uv

pytestmark = pytest.mark.integration

PLATFORMS = (
    "x86_64-manylinux_2_28",
    "aarch64-manylinux_2_28",
    "x86_64-apple-darwin",
    "aarch64-apple-darwin",
)


PYTHONS = ("3.11", "3.13")


@pytest.mark.parametrize("lock", ["requirements.txt", "scripts/locks/controller.txt"])
def test_a_lock_resolves_to_wheels(project_root: Path, tmp_path: Path, lock: str) -> None:
    def resolved(target: tuple[str, str]) -> subprocess.CompletedProcess[str]:
        platform, python = target
        command = [
            *(uv.find_uv_bin(), "pip", "install", "--dry-run", "--require-hashes"),
            *("--only-binary", ":all:", "--python-platform", platform, "--python-version", python),
            *("--target", str(tmp_path), "--requirement", str(project_root / lock)),
        ]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    targets = list(product(PLATFORMS, PYTHONS))
    with ThreadPoolExecutor(len(targets)) as pool:
        for target, done in zip(targets, pool.map(resolved, targets), strict=True):
            assert done.returncode == 0, (target, done.stderr)
            assert " + " in done.stderr, target
