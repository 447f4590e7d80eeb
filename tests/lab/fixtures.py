"""Lab hosts as fixtures: up once in a session, shared by the tests that ask for them.

A test that cuts the link, shapes it or crashes the host puts it back: `link_cut()` and `shaped()`
do so by themselves, after `crash()` comes `start()`. Tests that use a host are marked `ssh`; where
no host can be started they skip and say why, which CI=true makes a failure.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

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
    with _host("mini", tmp_path_factory) as host:
        yield host


@pytest.fixture(scope="session")
def other_lab_host(
    lab_machine: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LabHost]:
    """A third host, named box, for what takes two."""
    with _host("box", tmp_path_factory) as host:
        yield host


@contextmanager
def _host(name: str, directories: pytest.TempPathFactory) -> Iterator[LabHost]:
    host = up(name, directories.mktemp(f"lab-{name}"))
    try:
        yield host
    finally:
        down(host)
