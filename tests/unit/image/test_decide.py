"""Where an environment is built, decided on what real engines told of themselves."""

from __future__ import annotations

import pytest

from remote.errors import ConfigInvalid, HostRefused
from remote.hosts.docker.engine import EngineFacts, facts_of
from remote.image.decide import choose_place, image_architecture, refuse_emulated
from remote.model import BuildPlace


def told(machine: str, version: str, system: str) -> EngineFacts:
    """The parts of `docker info` that count, as these products answer it."""
    return facts_of(
        {
            "MemTotal": 8_217_473_024,
            "NCPU": 8,
            "Architecture": machine,
            "ServerVersion": version,
            "OperatingSystem": system,
            "OSType": "linux",
            "ID": f"{system}-id",
            "Driver": "overlay2",
            "SecurityOptions": ["name=seccomp,profile=builtin"],
        }
    )


IMAC = told("x86_64", "27.3.1", "Docker Desktop")
MINI = told("aarch64", "27.3.1", "Docker Desktop")
ORBSTACK = told("aarch64", "28.2.2", "OrbStack")
BOX = told("x86_64", "20.10.24+dfsg1", "Debian GNU/Linux 12 (bookworm)")
PI = told("armv7l", "24.0.5", "Raspbian GNU/Linux 11 (bullseye)")


@pytest.mark.parametrize(
    ("asked", "host", "here", "where"),
    [
        ("auto", BOX, IMAC, "here"),
        ("auto", MINI, ORBSTACK, "here"),
        ("auto", MINI, IMAC, "host"),
        ("auto", BOX, MINI, "host"),
        ("auto", PI, MINI, "host"),
        ("auto", MINI, None, "host"),
        ("host", BOX, IMAC, "host"),
        ("host", BOX, None, "host"),
        ("here", BOX, IMAC, "here"),
    ],
)
def test_where(asked: BuildPlace, host: EngineFacts, here: EngineFacts | None, where: str) -> None:
    choice = choose_place(asked, host, here)
    assert choice.where == where
    assert choice.reason


def test_the_reason_names_both_architectures() -> None:
    assert choose_place("auto", MINI, IMAC).reason == (
        "this machine's engine is amd64, the host's arm64"
    )


@pytest.mark.parametrize("here", [IMAC, None])
def test_here_is_refused_where_it_would_be_emulated(here: EngineFacts | None) -> None:
    with pytest.raises(ConfigInvalid, match="`build: here` cannot serve") as caught:
        choose_place("here", MINI, here)
    assert "leave `build` out" in caught.value.hint


def test_an_image_of_another_architecture_is_refused() -> None:
    refuse_emulated("workhorse-env:1", "arm64", MINI, "mini")
    refuse_emulated("workhorse-env:1", "amd64", BOX, "box")
    with pytest.raises(HostRefused, match="for amd64, the Docker Engine is arm64") as caught:
        refuse_emulated("workhorse-env:1", "amd64", MINI, "mini")
    assert "linux/arm64" in caught.value.hint


def test_names_of_architectures() -> None:
    found = [image_architecture(name) for name in ("x86_64", "aarch64", "armv7l", "riscv64")]
    assert found == ["amd64", "arm64", "arm", "riscv64"]
