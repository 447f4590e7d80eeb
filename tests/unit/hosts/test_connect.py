"""Opening a host: what it costs, and what cannot be opened."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from remote.errors import HostRefused
from remote.hosts.connect import connect
from remote.model import HostConfig


def test_docker_is_imported_without_paramiko_which_stays_importable() -> None:
    script = (
        "import sys; from remote.hosts.connect import import_docker; import_docker();"
        "assert 'paramiko' not in sys.modules; import docker, remote.hosts.docker.runtime;"
        "assert 'paramiko' not in sys.modules; import paramiko; paramiko.Transport"
    )
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", script], cwd=root, check=True)


def test_a_cell_that_is_not_there_yet_is_refused_before_anybody_is_called(tmp_path: Path) -> None:
    host = HostConfig("mini", "ssh", "process", "", tmp_path, destination="me@mini")
    with pytest.raises(HostRefused, match="mini: runs without a container"), connect(host):
        pass
