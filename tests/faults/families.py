"""The processes of a command that was started in a session of its own, and what each of them is."""

from __future__ import annotations

import os
import time
from contextlib import suppress

import psutil

from tests.faults.commands import wait_until

PARENT = "parent"
SCHEDULER = "scheduler"


def family(leader: int) -> list[psutil.Process]:
    """All that live in the session, the leader included; it may be dead already."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, ProcessLookupError):
            if os.getsid(process.pid) == leader and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def role(process: psutil.Process, leader: int) -> str:
    """What a process of a family does; "tracker" is the helper that Python adds to its children."""
    if process.pid == leader:
        return PARENT
    with suppress(psutil.Error):
        command = " ".join(process.cmdline())
        for part, name in _PARTS.items():
            if part in command:
                return name
    return "worker"


_PARTS = {
    "resource_tracker": "tracker",
    "dask_scheduler": SCHEDULER,
    "dask_worker": "nanny",
}


def seconds_until_gone(leader: int, patience: float) -> float:
    """How long it takes until nobody of a session lives.

    Raises:
        AssertionError: somebody still does when the patience is over.
    """
    began = time.monotonic()
    wait_until(lambda: not family(leader), patience)
    return time.monotonic() - began
