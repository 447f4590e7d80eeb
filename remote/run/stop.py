"""Stop: ask a run to end, then make it."""

from __future__ import annotations

import json
from contextlib import suppress

from remote.errors import HostRefused
from remote.hosts.connect import Host
from remote.model import Clock, RunState
from remote.run.ended import STOPPED, state_of
from remote.run.spec import utc_text


def stop(host: Host, run_id: str, clock: Clock) -> RunState:
    """Stop a run; it is asked first, so that it saves its notebook and writes its outcome.

    Returns the state it is in now; a run that had ended keeps its own.

    Raises:
        HostRefused: it does not end.
        HostUnreachable: the engine does not answer.
    """
    directory = host.layout.run(run_id)
    if not state_of(host, directory).ended:
        record = {"stopped_at": utc_text(clock())}
        # On a full disk the run is stopped all the same; its own outcome then says so.
        with suppress(HostRefused, OSError):
            host.transport.write(directory / STOPPED, json.dumps(record).encode())
        host.runtime.stop(directory)
    return state_of(host, directory)
