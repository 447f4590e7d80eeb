"""What is collected while a run goes on at the other end of a link, and what becomes of it."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from remote.hosts.connect import connect
from remote.model import RunState, SealedRun, StepFinished
from remote.results.verify import verify
from remote.run import early, runs
from tests.contract.cells import Cell, Heard, in_background, now, until, written
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]


@pytest.fixture(autouse=True)
def eager(ssh_cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files look finished, and are looked for, sooner than they should be."""
    ssh_cell.tried()
    monkeypatch.setattr(early, "ROUND_SECONDS", 0.3)
    monkeypatch.setattr(early, "UNCHANGED_SECONDS", 1)


def copies(cell: Cell, run_id: str) -> list[Path]:
    folder = cell.project.root / "results" / ".incoming" / f"{run_id}.early"
    return [path for path in folder.glob("*") if path.suffix != ".part" and path.stat().st_size]


def said_of_collecting(heard: Heard) -> str:
    finished = [message for message in heard.messages if isinstance(message, StepFinished)]
    return next(one.detail for one in finished if one.step == "collect")


def leaves_nothing(cell: Cell, run_id: str) -> bool:
    return list((cell.project.root / "results" / ".incoming").glob(f"{run_id}*")) == []


@pytest.mark.parametrize("change", [False, True])
def test_files_are_there_before_the_run_has_ended(ssh_cell: Cell, change: bool) -> None:
    heard = Heard()
    results = ssh_cell.project.root / "results"
    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "saves", change=change)
        join = in_background(lambda: runs.attach(host, run.id, results, heard, clock=now))
        ssh_cell.started(host, run.directory)
        until(lambda: len(copies(ssh_cell, run.id)) == 3, "nothing is collected early")
        early_digests = {path.name.partition(".")[0] for path in copies(ssh_cell, run.id)}
        ssh_cell.go_on(host, run.directory)
        sealed = join()
    assert sealed.outcome.state is RunState.SUCCEEDED
    verify(sealed.path, results).refuse_damage()
    files = {name: data for name, data in written(sealed.path).items() if data}
    assert set(files) == {"0.bin", "1.bin", "2.bin"}
    same = {name for name, data in files.items() if sha256(data) in early_digests}
    assert same == ({"1.bin", "2.bin"} if change else set(files))
    assert f"{2 * len(same)} MB of it already here" in said_of_collecting(heard)
    assert leaves_nothing(ssh_cell, run.id)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_copies_of_a_controller_that_is_gone_are_found_by_the_next(
    ssh_cell: Cell, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The link goes for good while the run goes on; `collect` finds the run and the copies."""
    monkeypatch.setattr("remote.hosts.ssh.link.PROBE_SECONDS", 0.5)
    monkeypatch.setattr("remote.hosts.ssh.link.SILENCE_SECONDS", 2)
    results = ssh_cell.project.root / "results"

    def watch() -> SealedRun:
        with connect(ssh_cell.config) as host:
            return runs.attach(host, run.id, results, Heard(), clock=now)

    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "saves", seconds=8)
    join = in_background(watch)
    until(lambda: len(copies(ssh_cell, run.id)) == 3, "nothing is collected early")
    with lab_host.link_cut(), pytest.raises(Exception, match="the link is down"):
        join()
    assert len(copies(ssh_cell, run.id)) == 3
    heard = Heard()
    with connect(ssh_cell.config) as host:
        until(lambda: runs.find_run(host, run.id).state.ended, "it does not end")
        sealed = runs.collect_run(host, run.id, results, heard, clock=now)
    assert sealed.outcome.state is RunState.SUCCEEDED
    assert "6 MB of it already here" in said_of_collecting(heard)
    assert leaves_nothing(ssh_cell, run.id)


def test_watching_comes_first(ssh_cell: Cell, lab_host: LabHost) -> None:
    """On a slow link with much to collect, what the run says is heard as it is said."""
    heard = Heard()
    results = ssh_cell.project.root / "results"
    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "saves", files=1, megabytes=60)
        ssh_cell.started(host, run.directory)
        partial = results / ".incoming" / f"{run.id}.early" / "1.part"
        with lab_host.shaped("20mbit"):
            join = in_background(lambda: runs.attach(host, run.id, results, heard, clock=now))
            until(lambda: partial.exists() and partial.stat().st_size > 2_000_000, "not begun")
            asked = time.monotonic()
            ssh_cell.go_on(host, run.directory)
            until(lambda: len(heard.events("cell_finished")) == 2, "the end is not heard")
            took = time.monotonic() - asked
            assert partial.stat().st_size < 59_000_000 if partial.exists() else True
        join()
    assert took < 3, f"heard after {took:.1f} s"
