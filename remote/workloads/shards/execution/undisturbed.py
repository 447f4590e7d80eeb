"""Loaded by Dask's worker processes of this machine: Ctrl-C is for the build, which ends them."""

from __future__ import annotations

import signal


def dask_setup(_worker: object) -> None:
    """Leave the terminal's interrupt to the parent; called in a worker's main thread."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
