"""The doctor on a real host: all well within its time, and what it says of each fault."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from remote.hosts.connect import import_docker
from remote.hosts.doctor import findings
from remote.hosts.doctor.check import Finding, Level, exit_code
from remote.model import HostConfig
from tests.lab.host import LabHost

pytestmark = [pytest.mark.integration, pytest.mark.ssh]

MOST_SECONDS = 5


@pytest.fixture
def config(home: Path, lab_host: LabHost) -> HostConfig:
    state = Path("~/.workhorse")
    return HostConfig("mini", "ssh", "docker", "a test", state, destination=lab_host.name)


def examined(config: HostConfig) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings(config)}


def failures(found: dict[str, Finding]) -> list[str]:
    return [name for name, one in found.items() if one.level is Level.FAIL]


def refused(config: HostConfig, check: str, code: int) -> dict[str, Finding]:
    """The one check that fails, with its exit code and a way to mend it."""
    found = examined(config)
    assert failures(found) == [check]
    assert exit_code(tuple(found.values())) == code
    assert found[check].fix
    return found


def test_a_host_that_is_well(config: HostConfig, lab_host: LabHost) -> None:
    import_docker()
    before = lab_host.run("ls", "-A", f"/home/{lab_host.user}", check=False).stdout
    started = time.monotonic()
    found = examined(config)
    took = time.monotonic() - started
    assert failures(found) == [], found
    assert took < MOST_SECONDS, found
    assert found["login"].found.startswith(lab_host.user)
    assert "1734:1734 arrives in /home/scientist/.workhorse, owner 1734" in found["mount"].found
    for name in ("engine", "image store", "architecture", "cores", "memory", "disk of the engine"):
        assert found[name].level in (Level.OK, Level.WARN), found[name]
    assert "sleep" not in found  # it is no Mac
    left = lab_host.run("sh", "-c", f"ls -A /home/{lab_host.user}/.workhorse").stdout
    assert "doctor" not in left + before
    listed = lab_host.run("docker", "ps", "--all", "--quiet", "--filter", "label=workhorse.doctor")
    assert listed.stdout == ""


def test_an_engine_that_the_user_may_not_use(config: HostConfig, lab_host: LabHost) -> None:
    lab_host.run("chmod", "600", "/run/docker.sock")
    try:
        found = refused(config, "permission", 25)
    finally:
        lab_host.run("chmod", "660", "/run/docker.sock")
    assert "scientist may not use" in found["permission"].found
    assert "usermod -aG docker scientist" in found["permission"].fix
    for name in ("engine", "memory", "container", "mount"):
        assert (found[name].level, found[name].found) == (
            Level.NOT_ASKED,
            "because of: permission",
        )
    assert found["clock"].level is Level.OK


def test_an_engine_that_is_not_there(config: HostConfig, lab_host: LabHost) -> None:
    lab_host.run("mv", "/run/docker.sock", "/run/moved.sock")
    try:
        found = refused(config, "permission", 14)
    finally:
        lab_host.run("mv", "/run/moved.sock", "/run/docker.sock")
    assert "no engine runs" in found["permission"].found


def test_no_docker(config: HostConfig) -> None:
    found = refused(replace(config, docker_binary="/opt/none/docker"), "docker command", 24)
    assert "/opt/none/docker" in found["docker command"].found


@contextmanager
def first_line(lab_host: LabHost, name: str, line: str) -> Iterator[None]:
    """A start-up file of the user with one line more at its top."""
    path = f"/home/{lab_host.user}/{name}"
    lab_host.run("cp", "-a", path, f"{path}.kept")
    lab_host.run("sed", "-i", f"1i {line}", path)
    try:
        yield
    finally:
        lab_host.run("mv", f"{path}.kept", path)


def test_a_start_up_file_that_prints(config: HostConfig, lab_host: LabHost) -> None:
    with first_line(lab_host, ".bashrc", "echo Welcome"):
        found = refused(config, "shell", 4)
    assert "'Welcome" in found["shell"].found
    assert "start-up file" in found["shell"].fix
    assert found["engine"].level is Level.NOT_ASKED


@pytest.mark.parametrize("path", ["/usr/workhorse", "/root/workhorse"])
def test_a_state_directory_that_cannot_be_written(config: HostConfig, path: str) -> None:
    found = refused(replace(config, state_dir=Path(path)), "state directory", 4)
    assert found["engine"].level is Level.OK
    assert found["mount"].level is Level.NOT_ASKED


def test_a_disk_that_is_nearly_full(small_lab_host: LabHost, home: Path) -> None:
    (home / ".ssh" / "config").write_text(small_lab_host.ssh_config.read_text())
    state = Path("~/.workhorse")
    small = HostConfig("s", "ssh", "docker", "", state, destination=small_lab_host.name)
    found = examined(small)
    assert failures(found) == ["disk of the host", "disk of the engine"]
    assert exit_code(tuple(found.values())) == 16


def test_nobody_answers(config: HostConfig, lab_host: LabHost) -> None:
    found = refused(replace(config, destination=f"{lab_host.name}:9"), "reach", 3)
    assert {one.level for name, one in found.items() if name != "reach"} == {Level.NOT_ASKED}


def test_another_user(config: HostConfig, lab_host: LabHost) -> None:
    found = refused(replace(config, destination=f"nobody@{lab_host.name}"), "login", 22)
    assert found["host key"].level is Level.OK


def test_a_key_that_is_not_known(config: HostConfig, home: Path) -> None:
    path = home / ".ssh" / "config"
    path.write_text(path.read_text().replace("UserKnownHostsFile ", "UserKnownHostsFile /none"))
    found = refused(config, "host key", 21)
    assert found["reach"].level is Level.OK
    assert found["login"].level is Level.NOT_ASKED


def test_runs_without_a_container_are_told_apart(config: HostConfig) -> None:
    found = refused(replace(config, runtime="process"), "runtime", 4)
    assert found["clock"].level is Level.OK
