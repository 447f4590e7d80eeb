"""What cannot be started leaves nothing: no claim, no directory on the host."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import BuildFailed, IntegrityFailure, ResultsUnusable
from remote.hosts.connect import Host
from remote.model import Project
from remote.run import flow
from tests.contract.cells import Cell, Heard, now
from tests.contract.conftest import copy_checkout

pytestmark = pytest.mark.integration


@pytest.fixture
def other(cell: Cell, tmp_path: Path, project_root: Path) -> Cell:
    """The cell with a checkout of this test's own."""
    root = copy_checkout(project_root, tmp_path / "project")
    shutil.copytree(cell.project.notebooks, root / "notebooks")
    return replace(cell, project=Project(root))


def nothing_left(cell: Cell, host: Host) -> bool:
    unlaunched = [
        name
        for name in host.transport.names(host.layout.runs)
        if host.transport.status(host.layout.run(name) / "run.json") is None
    ]
    claims = list((cell.project.root / "results").glob(".incoming/*_*"))
    return not unlaunched and not claims


def test_a_lock_that_cannot_be_installed(other: Cell, host: Host) -> None:
    other.project.requirements.write_text("this is no requirement\n")
    with pytest.raises(BuildFailed) as caught:
        other.run("writes")
    assert "this is no requirement" in caught.value.problem
    assert "scripts/lock.sh" in caught.value.hint
    assert nothing_left(other, host)


def test_results_that_cannot_be_written(other: Cell, host: Host) -> None:
    request = other.request("writes")
    request.results_root.write_text("in the way")
    with pytest.raises(ResultsUnusable):
        flow.execute(request, Heard(), clock=now)
    assert nothing_left(other, host)


def test_a_notebook_that_changed_since_it_was_checked(other: Cell, host: Host) -> None:
    request = other.request("writes")
    request.notebook.write_text(request.notebook.read_text().replace("count", "number"))
    with pytest.raises(IntegrityFailure, match="changed"):
        flow.execute(request, Heard(), clock=now)
    assert nothing_left(other, host)
