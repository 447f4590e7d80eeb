"""What only a container promises: limits that hold, and nothing to reach but its own."""

from __future__ import annotations

import json
import os

import pytest

from remote.model import RunState
from tests.contract.cells import Cell

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
