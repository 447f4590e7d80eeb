"""The net under the tests themselves: the user's files, and skips that CI does not allow."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from remote.config import state_dir

SKIPPING = """
import pytest

@pytest.mark.docker
def test_engine():
    pytest.skip("no engine")

@pytest.mark.ssh
def test_host():
    pytest.skip("no host")

def test_other():
    pytest.skip("no data")
"""


def refused(action: str) -> pytest.RaisesExc[AssertionError]:
    return pytest.raises(AssertionError, match=f"{action}.*tests keep to temporary directories")


def test_writing_to_the_results_of_the_checkout_is_an_error(project_root: Path) -> None:
    results = project_root / "results"
    with refused("open"):
        (results / "x").write_text("x")
    with refused("os.mkdir"):
        (results / "x").mkdir()
    with refused("os.rename"):
        (project_root / "README.md").rename(results / "README.md")
    assert not (results / "x").exists()
    assert (results / ".gitkeep").read_bytes() == b""


def test_writing_to_the_users_state_is_an_error() -> None:
    with refused("os.mkdir"):
        (Path.home() / ".workhorse").mkdir()


def test_writing_to_the_users_keys_is_an_error() -> None:
    with refused("open"):
        (Path.home() / ".ssh" / "known_hosts").open("a").close()


def test_state_lies_in_a_temporary_directory(workhorse_home: Path) -> None:
    assert state_dir() == workhorse_home
    assert os.environ["WORKHORSE_HOME"] == str(workhorse_home)


@pytest.mark.parametrize(("ci", "says"), [("true", "2 failed, 1 skipped"), ("", "3 skipped")])
def test_a_skipped_docker_or_ssh_tier_fails_in_ci(
    tmp_path: Path, project_root: Path, ci: str, says: str
) -> None:
    for name in ("pyproject.toml", "tests/conftest.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(project_root / name, tmp_path / name)
    plugin = shutil.ignore_patterns("test_*", "__pycache__")
    shutil.copytree(project_root / "tests/lab", tmp_path / "tests/lab", ignore=plugin)
    (tmp_path / "tests" / "test_it.py").write_text(SKIPPING)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "CI": ci, "PYTHONPATH": str(project_root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert says in done.stdout.splitlines()[-1], done.stdout
    assert ("which CI does not allow" in done.stdout) == bool(ci)
