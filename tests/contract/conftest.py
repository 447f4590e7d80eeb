"""The cells that the contract is tried on. Environments are made once and shared."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

import pytest
from docker.errors import ImageNotFound

from remote.hosts.connect import Host, connect
from remote.hosts.docker.engine import Answer, find_engine, open_engine
from remote.hosts.select import local_host
from remote.image.digests import code_digests
from remote.image.target import tags
from remote.model import HostConfig, Project
from tests.contract.cells import Cell
from tests.contract.making import write_notebooks
from tests.lab.host import LabHost

CELLS = (
    pytest.param("local+process", id="local+process"),
    pytest.param("local+docker", id="local+docker", marks=pytest.mark.docker),
    pytest.param("ssh+docker", id="ssh+docker", marks=pytest.mark.ssh),
)


@pytest.fixture(scope="session")
def contract_project(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path
) -> Iterator[Project]:
    """A checkout with the package under test and the contract's notebooks."""
    root = copy_checkout(project_root, tmp_path_factory.mktemp("contract") / "project")
    (root / "notebooks").mkdir()
    write_notebooks(root / "notebooks")
    project = Project(root)
    yield project
    forget_image(project)


@pytest.fixture(scope="session")
def shards_project(
    tmp_path_factory: pytest.TempPathFactory, project_root: Path
) -> Iterator[Project]:
    """A checkout as it is, with results of its own."""
    project = Project(copy_checkout(project_root, tmp_path_factory.mktemp("shards") / "project"))
    shutil.copytree(project_root / "notebooks", project.notebooks)
    yield project
    forget_image(project)


def copy_checkout(source: Path, target: Path) -> Path:
    """What a run is made of, but for the notebooks."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
    shutil.copytree(source / "remote", target / "remote", ignore=ignored)
    for name in ("Dockerfile", ".dockerignore", "requirements.txt", "pyproject.toml"):
        shutil.copyfile(source / name, target / name)
    return target


def forget_image(project: Project) -> None:
    """Remove the run image of a project that was made for tests; environments stay."""
    if find_engine(os.environ).answer is not Answer.ANSWERS:
        return
    host = local_host("docker", "a test")
    dockerfile = (project.root / "Dockerfile").read_bytes()
    with open_engine(host, os.environ) as engine:
        name = tags(dockerfile, host.base_image, code_digests(project)).run
        with suppress(ImageNotFound):
            engine.client.images.remove(name, force=True)


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
    if request.param == "ssh+docker":
        return cast(Cell, request.getfixturevalue("ssh_cell"))
    return open_cell(request.param, contract_project)


@pytest.fixture
def ssh_cell(
    lab_host: LabHost, contract_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Cell:
    """The second host, as somebody has it in their ~/.ssh/config."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copyfile(lab_host.ssh_config, home / ".ssh" / "config")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    state = Path("~/.workhorse")
    config = HostConfig("mini", "ssh", "docker", "a test", state, destination=lab_host.name)
    return Cell(config, contract_project)


@pytest.fixture
def docker_cell(contract_project: Project) -> Cell:
    """The container cell, for what only a container promises."""
    return open_cell("local+docker", contract_project)


@pytest.fixture
def host(cell: Cell) -> Iterator[Host]:
    """The cell's host, open."""
    with connect(cell.config) as opened:
        yield opened
