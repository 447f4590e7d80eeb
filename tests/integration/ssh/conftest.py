"""The second host as somebody has it in their ~/.ssh."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from remote.hosts.destination import parse_destination
from remote.hosts.ssh_config import Route, read_route
from tests.lab.host import LabHost


@pytest.fixture
def home(tmp_path: Path, lab_host: LabHost, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home whose ~/.ssh/config has the lab's host, and nothing else; no agent."""
    path = tmp_path / "home"
    (path / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copyfile(lab_host.ssh_config, path / ".ssh" / "config")
    monkeypatch.setenv("HOME", str(path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return path


@pytest.fixture
def route(home: Path, lab_host: LabHost) -> Route:
    """How the lab's host is reached."""
    return read_route(parse_destination(lab_host.name), home, None)
