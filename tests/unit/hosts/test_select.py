"""Where a run goes, and the reason that is given."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from remote.config import Config
from remote.errors import EngineUnusable, UsageError
from remote.hosts.select import choose, local_host
from remote.model import HostConfig
from tests.unit.hosts.engines import fake_cli, listening

BASE = "python:3.11-slim"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout on a machine without an engine."""
    monkeypatch.setenv("WORKHORSE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


@pytest.fixture
def engine(tmp_path: Path, checkout: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The same machine with an engine that answers."""
    with listening(tmp_path / "engine") as url:
        monkeypatch.setenv("DOCKER_HOST", url)
        yield


def config(checkout: Path, default: str | None = None, **hosts: HostConfig) -> Config:
    return Config(checkout / "configs" / "hosts.yaml", default, hosts)


def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **how: bool) -> Path:
    """A docker command first on PATH."""
    binary = fake_cli(tmp_path / "cli", **how)  # type: ignore[arg-type]
    monkeypatch.setenv("PATH", f"{binary.parent}:/usr/bin:/bin")
    return binary.parent


def test_without_an_engine_it_is_a_process(checkout: Path) -> None:
    host = choose(config(checkout))
    assert (host.name, host.transport, host.runtime) == ("local", "local", "process")
    assert host.reason == "no host is named; no Docker Engine is here"


@pytest.mark.usefixtures("engine")
def test_with_engine_and_base_image_it_is_docker(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (client(tmp_path, monkeypatch) / "images" / BASE).touch()
    host = choose(config(checkout))
    assert (host.runtime, host.reason) == (
        "docker",
        f"no host is named; a Docker Engine answers and has {BASE}",
    )


@pytest.mark.usefixtures("engine")
def test_a_base_image_that_can_be_pulled_is(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client(tmp_path, monkeypatch, pulls=True)
    assert choose(config(checkout)).runtime == "docker"
    assert (folder / "images" / BASE).exists()


@pytest.mark.usefixtures("engine")
def test_a_pull_that_failed_is_not_tried_again_at_once(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = client(tmp_path, monkeypatch) / "calls"
    first, second = choose(config(checkout)), choose(config(checkout))
    assert (first.runtime, second.runtime) == ("process", "process")
    assert "could not be pulled within 10 s" in first.reason
    assert "a moment ago" in second.reason
    assert [line for line in calls.read_text().splitlines() if line.startswith("pull")] == [
        f"pull --quiet -- {BASE}"
    ]


@pytest.mark.usefixtures("engine")
def test_the_environments_image_makes_the_base_unnecessary(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = client(tmp_path, monkeypatch)
    (checkout / "requirements.txt").write_text("x==1\n")
    (folder / "labelled").write_text("abc\n")
    assert choose(config(checkout)).runtime == "docker"
    lock = hashlib.sha256(b"x==1\n").hexdigest()
    assert (
        f"image ls --quiet --filter label=workhorse.lock={lock}" in (folder / "calls").read_text()
    )


def test_docker_by_name_says_what_is_wrong(checkout: Path) -> None:
    with pytest.raises(EngineUnusable) as caught:
        choose(config(checkout), "local+docker")
    assert "is not there" in caught.value.problem
    assert "--host local+process" in caught.value.hint


@pytest.mark.usefixtures("engine")
def test_a_cell_can_be_forced(checkout: Path) -> None:
    assert choose(config(checkout), "local+process").runtime == "process"
    docker = choose(config(checkout), "local+docker")
    assert (docker.runtime, docker.reason) == ("docker", "--host local+docker")


def test_named_hosts_and_the_default_one(checkout: Path) -> None:
    mini = local_host("process", "", "mini")
    configured = config(checkout, "mini", mini=mini)
    assert choose(configured).reason == "default_host of hosts.yaml"
    assert choose(configured, "mini").reason == "--host mini"
    assert choose(configured, "local+process").name == "local+process"


def test_an_unknown_name_is_told_the_nearest(checkout: Path) -> None:
    configured = config(checkout, mini=local_host("process", "", "mini"))
    with pytest.raises(UsageError, match="mini"):
        choose(configured, "mnii")


def test_a_destination_needs_no_configuration(checkout: Path) -> None:
    host = choose(config(checkout), "me@there")
    assert (host.transport, host.destination) == ("ssh", "me@there")
