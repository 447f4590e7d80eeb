"""Lab hosts as fixtures: up once in a session, shared by the tests that ask for them.

A test that cuts the link, shapes it or crashes the host puts it back: `link_cut()` and `shaped()`
do so by themselves, after `crash()` comes `start()`. Tests that use a host are marked `ssh`; where
no host can be started they skip and say why, which CI=true makes a failure.

WORKHORSE_LAB_ENGINE=26-containerd (or another name of flavours.py) gives `lab_host` that engine,
so that any test can be run on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.lab.flavours import CONTAINERD_26, FLAVOURS, INSTALLED, OVERLAY2_26, Flavour
from tests.lab.host import BASE_IMAGE, LabHost, down, up
from tests.lab.machine import refusal


@pytest.fixture(scope="session")
def lab_machine() -> None:
    """Skips where this machine can hold no lab hosts."""
    reason = refusal(BASE_IMAGE)
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture(scope="session")
def lab_host(lab_machine: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabHost]:
    """A second host, named mini."""
    flavour = FLAVOURS[os.environ.get("WORKHORSE_LAB_ENGINE", INSTALLED.name)]
    with _host("mini", tmp_path_factory, flavour) as host:
        yield host


@pytest.fixture(scope="session")
def other_lab_host(
    lab_machine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabHost]:
    """A third host, named box, for what takes two."""
    with _host("box", tmp_path_factory) as host:
        yield host


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(INSTALLED, id=INSTALLED.name),
        pytest.param(OVERLAY2_26, id=OVERLAY2_26.name, marks=pytest.mark.slow),
        pytest.param(CONTAINERD_26, id=CONTAINERD_26.name, marks=pytest.mark.slow),
    ],
)
def engine_host(
    lab_machine: None, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabHost]:
    """A host with one engine after the other; all but the first belong to the long tier."""
    with _host("engine", tmp_path_factory, request.param) as host:
        yield host


@pytest.fixture
def small_lab_host(
    lab_machine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabHost]:
    """A host for one test, with 1 GB of disk for engine and files together."""
    with _host("small", tmp_path_factory, disk="1G") as host:
        yield host


@contextmanager
def _host(
    name: str,
    directories: pytest.TempPathFactory,
    flavour: Flavour = INSTALLED,
    disk: str | None = None,
) -> Iterator[LabHost]:
    host = up(name, directories.mktemp(f"lab-{name}"), flavour=flavour, disk=disk)
    try:
        yield host
    finally:
        down(host)
