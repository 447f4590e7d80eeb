"""The second host as somebody has it in their ~/.ssh."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from remote.hosts.ssh.config import Route, read_route
from remote.hosts.ssh.destination import parse_destination
from tests.contract.making import SOURCES, notebook
from tests.integration.ssh.controllers import Controller
from tests.lab.host import LabHost

NOTEBOOKS = ("saves", "prints", "overfills")


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


@pytest.fixture
def controller(
    tmp_path: Path, lab_host: LabHost, copy_checkout: Callable[[Path], Path]
) -> Controller:
    """A controller that knows the lab's host as `mini`."""
    return make_controller(tmp_path / "first", lab_host, copy_checkout)


@pytest.fixture
def other_controller(
    tmp_path: Path, lab_host: LabHost, copy_checkout: Callable[[Path], Path]
) -> Controller:
    """Another checkout, home and state directory, with the same ~/.ssh/config."""
    return make_controller(tmp_path / "second", lab_host, copy_checkout)


def make_controller(
    folder: Path, lab_host: LabHost, copy_checkout: Callable[[Path], Path]
) -> Controller:
    """A clone with the contract's notebooks that these tests run, and a home."""
    (folder / "home" / ".ssh").mkdir(mode=0o700, parents=True)
    shutil.copyfile(lab_host.ssh_config, folder / "home" / ".ssh" / "config")
    checkout = copy_checkout(folder / "checkout")
    for name in NOTEBOOKS:
        document = notebook((SOURCES / f"{name}.cells").read_text(encoding="utf-8"))
        (checkout / "notebooks" / f"{name}.ipynb").write_text(json.dumps(document))
    return Controller(checkout, folder / "home")
