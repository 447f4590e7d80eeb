"""One thread a worker: set before a worker starts, verified in it.

Workers times the threads of their libraries must not exceed the cores.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from remote.errors import InternalError
from remote.workloads.hostfacts import THREAD_CAPS

_TASKS = Path("/proc/self/task")

# The one that works, the one that looks at the parent, and one of pyarrow's allocator.
MOST_THREADS = 3


def capped(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment whose processes compute with one thread."""
    return {**environment, **THREAD_CAPPED}


THREAD_CAPPED: Mapping[str, str] = {
    **dict.fromkeys(THREAD_CAPS, "1"),
    "NUMBA_NUM_THREADS": "1",
    "ARROW_IO_THREADS": "1",
}


def cap_arrow() -> None:
    """What pyarrow takes from no environment."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)


def verify(most: int = MOST_THREADS) -> None:
    """Make sure of it, in a worker. Where the system does not list threads only settings are.

    Raises:
        InternalError: there are more threads than that, or a library is set to use more.
    """
    import pyarrow as pa

    unset = [name for name, value in THREAD_CAPPED.items() if os.environ.get(name) != value]
    threads = len(list(_TASKS.iterdir())) if _TASKS.is_dir() else 0
    if unset or pa.cpu_count() != 1 or threads > most:
        raise InternalError(
            f"Worker process {os.getpid()} has {threads} threads, of which {most} are allowed; "
            f"not set to 1: {', '.join(unset) or 'nothing'}",
            hint="Use --mode local, and report it as a defect of Workhorse.",
        )
