"""Reserving an id: exclusive, given back on any failure, swept after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remote.errors import DiskTooSmall
from remote.model import Project, RunRequest
from remote.run.launch import check_disk, reserved
from tests.contract.cells import now
from tests.unit.runs.fakes import fake_host


@pytest.fixture
def asked(tmp_path: Path) -> RunRequest:
    (tmp_path / "notebooks").mkdir()
    host = fake_host(tmp_path / "state")
    path = tmp_path / "notebooks" / "nb.ipynb"
    return RunRequest(Project(tmp_path), path, "0" * 64, (), host.config, tmp_path / "results")


def everything(root: Path) -> set[str]:
    """What a reservation could leave: runs and claims."""
    found = [*root.glob("state/runs/*"), *root.glob("results/.incoming/nb_*")]
    return {path.relative_to(root).as_posix() for path in found}


def test_a_failure_gives_everything_back(tmp_path: Path, asked: RunRequest) -> None:
    host = fake_host(tmp_path / "state")
    seen: list[int] = []

    def interrupted() -> None:
        with reserved(host, asked, now) as reservation:
            (reservation.directory / "output").mkdir()
            seen.append(len(everything(tmp_path)))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert seen == [3]  # the directory on the host; directory and record here
    assert everything(tmp_path) == set()


def test_ids_that_the_host_knows_are_not_given_again(tmp_path: Path, asked: RunRequest) -> None:
    host = fake_host(tmp_path / "state")
    elsewhere = RunRequest(
        asked.project, asked.notebook, "0" * 64, (), host.config, tmp_path / "other"
    )
    with reserved(host, asked, now) as one, reserved(host, elsewhere, now) as two:
        assert one.claim.id < two.claim.id


def test_what_a_killed_controller_left_is_swept(tmp_path: Path, asked: RunRequest) -> None:
    host = fake_host(tmp_path / "state")
    with reserved(host, asked, now) as dead:
        pass
    signed = dead.directory / "reserved.json"
    record = json.loads(signed.read_text())
    record["controller"]["started"] = "another"
    signed.write_text(json.dumps(record))
    with reserved(host, asked, now) as alive:
        left = everything(tmp_path)
    claim = f"results/.incoming/{alive.claim.id}"
    assert left == {f"state/runs/{alive.claim.id}", claim, f"{claim}.json"}


def test_a_launched_run_is_never_swept(tmp_path: Path, asked: RunRequest) -> None:
    host = fake_host(tmp_path / "state")
    with reserved(host, asked, now) as launched:
        (launched.directory / "run.json").write_text("{}")
    signed = launched.directory / "reserved.json"
    record = json.loads(signed.read_text())
    record["controller"]["boot"] = "another"
    signed.write_text(json.dumps(record))
    with reserved(host, asked, now):
        assert launched.directory.exists()


def test_too_little_disk_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DiskTooSmall, match="GiB are free"):
        check_disk(fake_host(tmp_path), tmp_path / "results", needed=1 << 60)
