"""A worker process: gets its work once, then tasks, and sends back what comes of them.

    python -m remote.workloads.shards.execution.worker LINK PARENT [CPU,CPU,...]

It ends with the process that started it: at the end of the link, and, while it is busy, when it
finds itself with another parent. Signals of the terminal are left to the parent.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from remote.errors import InternalError, WorkhorseError
from remote.workloads.shards.crashes import log_crash
from remote.workloads.shards.execution import caps
from remote.workloads.shards.execution.numa import bind
from remote.workloads.shards.execution.wire import Outcome, receive, send

_SECONDS_BETWEEN_LOOKS = 0.5
# Where memory ends, a worker goes before the process that knows how to go on.
_OOM_SCORE = "500"


def main(arguments: Sequence[str]) -> None:
    """Serve until the link ends."""
    descriptor, parent, *cpus = arguments
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    bind(frozenset(map(int, cpus[0].split(","))) if cpus else None)
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")
    threading.Thread(target=_end_with, args=(int(parent),), daemon=True).start()
    with socket.socket(fileno=int(descriptor)) as link, suppress(EOFError, OSError):
        _serve(link)


def _end_with(parent: int) -> None:
    pause = threading.Event()
    while os.getppid() == parent:
        pause.wait(_SECONDS_BETWEEN_LOOKS)
    os._exit(1)


def _serve(link: socket.socket) -> None:
    pickled = receive(link)
    caps.cap_arrow()
    opened = outcome(lambda: pickle.loads(pickled))  # noqa: S301 - from the parent
    send(link, Outcome(error=opened.error))
    while opened.error is None:
        task = receive(link)
        send(link, outcome(partial(_verified, opened.result, task)))


def _verified(work: Callable[[Any], Any], task: Any) -> Any:
    result = work(task)
    caps.verify()
    return result


def outcome(call: Callable[[], Any]) -> Outcome:
    """What comes of a call; every error as one that can be sent."""
    try:
        return Outcome(call())
    except WorkhorseError as error:
        return Outcome(error=error)
    except Exception as error:  # noqa: BLE001 - the outermost edge of this process
        problem = f"Unexpected error in a worker process: {error!r}"
        return Outcome(error=InternalError(problem, hint=f"The traceback is in {log_crash()}."))


if __name__ == "__main__":
    main(sys.argv[1:])
