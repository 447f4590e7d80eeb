"""The cells that the contract is tried on. Environments are made once and shared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.hosts.connect import Host, connect
from remote.hosts.engine import Answer, find_engine
from remote.hosts.select import local_host
from remote.model import Project
from tests.contract.cells import Cell
from tests.contract.making import write_notebooks

# The SSH cells join here.
CELLS = (
    pytest.param("local+process", id="local+process"),
    pytest.param("local+docker", id="local+docker", marks=pytest.mark.docker),
)
ONLY_DOCKER = CELLS[1:]


@pytest.fixture(scope="session")
def contract_project(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Project:
    """A checkout with the package under test and the contract's notebooks."""
    root = tmp_path_factory.mktemp("contract") / "project"
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(project_root / "remote", root / "remote", ignore=ignored)
    for name in ("Dockerfile", ".dockerignore", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(project_root / name, root / name)
    (root / "notebooks").mkdir()
    write_notebooks(root / "notebooks")
    return Project(root)


def open_cell(name: str, project: Project) -> Cell:
    """The cell of that name; skips, with the reason, where this machine lacks it."""
    _, _, runtime = name.partition("+")
    if runtime == "docker":
        found = find_engine(os.environ)
        if found.answer is not Answer.ANSWERS:
            pytest.skip(f"the Docker Engine at {found.url} {found.answer.value}")
        return Cell(local_host("docker", "a test", name), project)
    return Cell(local_host("process", "a test", name), project)


@pytest.fixture(params=CELLS)
def cell(request: pytest.FixtureRequest, contract_project: Project) -> Cell:
    """One cell after the other."""
    return open_cell(request.param, contract_project)


@pytest.fixture
def docker_cell(contract_project: Project) -> Cell:
    """The container cell, for what only a container promises."""
    return open_cell("local+docker", contract_project)


@pytest.fixture
def host(cell: Cell) -> Iterator[Host]:
    """The cell's host, open."""
    with connect(cell.config) as opened:
        yield opened
