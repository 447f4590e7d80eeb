"""The host itself gets into trouble while a run goes on: a full disk, an engine that is killed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import HostRefused, HostUnreachable, WorkhorseError
from remote.hosts.connect import connect
from remote.model import RunState
from remote.results.verify import verify
from remote.run import here, runs
from remote.run.stop import stop
from tests.contract.cells import Cell, Heard, now, until, written
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]


@pytest.fixture
def cramped(ssh_cell: Cell, lab_host: LabHost) -> Iterator[Cell]:
    """The second host with its runs on a disk of their own, of 600 MB."""
    place, disk = f"/home/{lab_host.user}/cramped", "/srv/cramped.img"
    lab_host.run("truncate", "--size", "650M", disk)
    lab_host.run("mkfs.ext4", "-q", "-m", "0", "-F", disk)
    lab_host.run("mkdir", "-p", place)
    lab_host.run("mount", "-o", "loop", disk, place)
    try:
        lab_host.run("chown", f"{lab_host.user}:", place)
        lab_host.run("chmod", "700", place)
        cell = replace(ssh_cell, config=replace(ssh_cell.config, state_dir=Path("~/cramped")))
        cell.tried()
        yield cell
    finally:
        lab_host.run("umount", place)
        lab_host.run("rm", "-r", disk, place)


def test_a_disk_that_gets_full_is_named_and_what_was_written_is_kept(cramped: Cell) -> None:
    sealed = cramped.run("overfills")
    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.FAILED, 16)
    error = sealed.outcome.details["error"]
    assert error["kind"] == "DiskTooSmall"
    assert "the host's disk is full, " in error["problem"]
    assert "are free where runs are kept: OSError: [Errno 28]" in error["problem"]
    assert "free some disk on the host" in error["hint"]
    verify(sealed.path, cramped.project.root / "results").refuse_damage()
    files = written(sealed.path)
    assert files["whole.bin"] == bytes(range(256)) * 4096
    assert len(files["endless.bin"]) > 400_000_000
    with connect(cramped.config) as host:
        assert runs.list_runs(host) == ()
        assert host.transport.free_bytes(host.layout.root) > 500_000_000


def test_a_run_is_stopped_on_a_disk_that_is_full(cramped: Cell, lab_host: LabHost) -> None:
    with connect(cramped.config) as host:
        run = cramped.launch(host, "waits")
        cramped.started(host, run.directory)
        # Then small files, as long as there is a block for one.
        fill = 'cat /dev/zero >"$1"; i=0; while echo x >"$1.$i" && sync; do i=$((i + 1)); done'
        lab_host.run("sh", "-c", fill, "sh", f"{host.layout.root}/filler", check=False)
        assert host.transport.free_bytes(host.layout.root) < 1 << 12
        with pytest.raises(HostRefused, match="not all of it could be written"):
            host.transport.write(run.directory / "output" / "new", b"x")
        assert runs.find_run(host, run.id).state is RunState.RUNNING
        assert stop(host, run.id, now) is RunState.CANCELLED
        results = cramped.project.root / "results"
        sealed = runs.collect_run(host, run.id, results, Heard(), clock=now)
    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.CANCELLED, 6)
    assert written(sealed.path) == {"started": b""}


def test_an_engine_that_is_killed_says_nothing_about_the_run(
    ssh_cell: Cell, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows what becomes of it until the engine is back: then it was interrupted."""
    monkeypatch.setattr("remote.run.watch.UNREACHABLE_SECONDS", 2)
    results = ssh_cell.project.root / "results"
    places = here.Places(this_machine=False, others=(ssh_cell.config,))
    ssh_cell.tried()
    with connect(ssh_cell.config) as host:
        run = ssh_cell.launch(host, "waits")
        ssh_cell.started(host, run.directory)
        lab_host.run("pkill", "--signal", "KILL", "--exact", "dockerd")
        try:
            with pytest.raises(HostUnreachable, match="the Docker Engine does not answer") as gone:
                runs.attach(host, run.id, results, Heard(), clock=now)
            assert f"remote attach {run.id} --host mini" in gone.value.hint
            problems: list[WorkhorseError] = []
            assert here.list_runs(places, problems.append) == ()
            assert "the Docker Engine does not answer" in problems[0].problem
            with pytest.raises(WorkhorseError) as refused:
                here.collect(run.id, results, Heard(), clock=now, places=places)
            assert refused.value.exit_code == 14
        finally:
            lab_host.crash()
            time.sleep(0.1)
            lab_host.start()
    with connect(ssh_cell.config) as host:
        until(lambda: runs.find_run(host, run.id).state.ended, "it is still there")
        assert runs.find_run(host, run.id).state is RunState.INTERRUPTED
        sealed = runs.collect_run(host, run.id, results, Heard(), clock=now)
    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.INTERRUPTED, 7)
    assert written(sealed.path) == {"started": b""}
    assert sealed.path.parent.name == ".failed"
