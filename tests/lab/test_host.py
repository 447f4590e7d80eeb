"""The lab keeps its promises: what a test sees is a host of its own, and it leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from remote.hosts.command import run
from tests.lab.host import BASE_IMAGE, LabHost

pytestmark = pytest.mark.ssh

OWN_ENGINE = ["docker", "info", "--format", "{{.ID}}"]


def test_the_user_has_an_engine_that_is_not_this_machines(lab_host: LabHost) -> None:
    seen = lab_host.ssh(*OWN_ENGINE).stdout.strip()
    assert seen
    assert seen != run(OWN_ENGINE, timeout=30).stdout.strip()


def test_the_user_is_nobody_special(lab_host: LabHost) -> None:
    assert lab_host.ssh("id", "-un").stdout.strip() == "scientist"
    assert lab_host.ssh("id", "-Gn").stdout.split() == ["scientist", "docker"]
    assert lab_host.ssh("touch", "/etc/mine", check=False).returncode != 0
    assert lab_host.ssh("pwd").stdout.strip() == "/home/scientist"


def test_the_host_sees_no_files_of_the_controller(lab_host: LabHost, tmp_path: Path) -> None:
    (tmp_path / "here").touch()
    for path in (tmp_path, Path(__file__), lab_host.key):
        assert lab_host.ssh("test", "-e", str(path), check=False).returncode != 0, path


def test_the_base_image_runs_there(lab_host: LabHost) -> None:
    argv = ["docker", "run", "--rm", "--network=none", BASE_IMAGE, "python", "-c", "'print(6*7)'"]
    assert lab_host.ssh(*argv).stdout.strip() == "42"
