"""What only a container promises: limits that hold, and nothing to reach but its own."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from remote.errors import BaseImageUnavailable, InputUnusable, MemoryTooSmall
from remote.hosts.connect import connect
from remote.model import RunState
from remote.run import runs
from tests.contract.cells import Cell, Heard, now

pytestmark = [pytest.mark.integration, pytest.mark.docker]


def test_hardening_seen_from_inside(docker_cell: Cell) -> None:
    sealed = docker_cell.limited(shm_bytes=128 << 20).run("probes")
    assert sealed.outcome.state is RunState.SUCCEEDED, sealed.outcome.details
    facts = json.loads((sealed.path / "facts.json").read_bytes())

    uid = os.getuid() or 1000
    assert facts == {
        "uid": uid,
        "gid": os.getgid() or 1000,
        "home": "/home/workhorse",
        "user": "workhorse",
        "capabilities": "0" * 16,
        "bounding": "0" * 16,
        "no_new_privs": "1",
        "seccomp": facts["seccomp"],
        "root": "OSError",
        "code": "OSError",
        "results": "OSError",
        "tmp": "allowed",
        "own_home": "allowed",
        "output": "allowed",
        "interfaces": ["lo"],
        "loopback": "allowed",
        "engine": False,
        "shm_bytes": 128 << 20,
        "first_process": "docker-init",
    }


def test_memory_limit_is_named(docker_cell: Cell) -> None:
    sealed = docker_cell.limited(memory_bytes=400 << 20).run("hungry")

    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.OUT_OF_MEMORY, 5)
    error = sealed.outcome.details["error"]
    assert "memory" in error["problem"]
    assert error["hint"]
    assert sealed.path.parent.name == ".failed"


def test_a_container_that_is_removed_is_interrupted(docker_cell: Cell) -> None:
    with connect(docker_cell.config) as host:
        run = docker_cell.launch(host, "waits")
        docker_cell.started(host, run.directory)
        host.runtime.remove(run.directory)
        results = docker_cell.project.root / "results"
        sealed = runs.attach(host, run.id, results, Heard(), clock=now)
    assert (sealed.outcome.state, sealed.outcome.exit_code) == (RunState.INTERRUPTED, 7)
    assert "container is gone" in sealed.outcome.details["error"]["problem"]


def test_more_memory_than_the_engine_has_is_refused(docker_cell: Cell) -> None:
    with pytest.raises(MemoryTooSmall, match="the Docker Engine has"):
        docker_cell.limited(memory_bytes=1 << 60).run("writes")


@pytest.mark.skipif(os.getuid() != 0, reason="the run is another user only where this is root")
def test_an_input_that_the_run_could_not_read_is_refused(docker_cell: Cell, tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("x")
    path.chmod(0o600)
    with pytest.raises(InputUnusable, match=r"cannot be read by the run's user \(1000:1000\)"):
        docker_cell.run("reads", data=path)
    assert not list((docker_cell.project.root / "results").rglob("reads_*.json"))


def test_a_base_image_that_is_not_to_be_had(docker_cell: Cell) -> None:
    config = replace(docker_cell.config, base_image="registry.invalid/none:1")
    with pytest.raises(BaseImageUnavailable, match=r"registry\.invalid/none:1"):
        replace(docker_cell, config=config).run("writes")
