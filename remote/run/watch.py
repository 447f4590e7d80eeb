"""Watch: pass on what a run tells, until it has ended. Looks only; the run does not notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from remote.errors import HostUnreachable
from remote.hosts.connect import Host
from remote.hosts.runtime import Status
from remote.model import Listener, Notice, Outcome, RunRecord
from remote.run.ended import final_outcome, read_outcome, settle

POLL_SECONDS = 0.1
# How often the runtime is asked whether the run still exists.
STATUS_SECONDS = 0.5
# How long a runtime that does not answer is asked again.
UNREACHABLE_SECONDS = 30


_PIECE_BYTES = 1 << 20


class Events:
    """The run's events.jsonl, read by offset; a line is passed on once it is whole."""

    def __init__(self, host: Host, path: Path) -> None:
        self._host = host
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The records that came since the last call; lines that are no records are skipped."""
        while True:
            data = self._host.transport.read(self._path, self._offset, _PIECE_BYTES) or b""
            whole = data[: data.rfind(b"\n") + 1]
            if not whole and len(data) == _PIECE_BYTES:
                whole = data  # a line that long is no record; what follows it may be
            if not whole:
                return
            self._offset += len(whole)
            for line in whole.splitlines():
                record = _decoded(line)
                if record is not None:
                    yield record


@contextmanager
def way_back(host: Host, run_id: str) -> Iterator[None]:
    """A link that goes down says how to come back to the run."""
    try:
        yield
    except HostUnreachable as error:
        raise HostUnreachable(
            error.problem,
            hint=f"run {run_id} is on its host and needs no link; when it is back: "
            f"remote attach {run_id}{host.config.argument}",
        ) from error


def watch(host: Host, directory: Path, listener: Listener) -> Outcome:
    """Return the outcome once the run has ended, however it ended.

    Raises:
        HostUnreachable: the link or the engine went away; the run may still go on.
    """
    events = Events(host, directory / "events.jsonl")
    asked = 0.0
    while True:
        for record in events.read():
            listener(RunRecord(record))
        if read_outcome(host, directory) is not None:
            settle(host, directory)
            break
        if time.monotonic() - asked < STATUS_SECONDS:
            time.sleep(POLL_SECONDS)
            continue
        if not _runs(host, directory, listener):
            break
        asked = time.monotonic()
    for record in events.read():
        listener(RunRecord(record))
    return final_outcome(host, directory)


def _runs(host: Host, directory: Path, listener: Listener) -> bool:
    """Whether the run goes on; a launch that is under way counts, as its lock tells."""
    if _status(host, directory, listener).running:
        return True
    with host.transport.lock(host.layout.run_lock(directory.name)):
        return _status(host, directory, listener).running


def _status(host: Host, directory: Path, listener: Listener) -> Status:
    """Ask again for a while where there is no answer: an engine that restarts comes back."""
    limit = time.monotonic() + UNREACHABLE_SECONDS
    told = False
    while True:
        try:
            return host.runtime.status(directory)
        except HostUnreachable as error:
            host.transport.status(directory)  # a link that is down says so itself
            if time.monotonic() > limit:
                raise
            if not told:
                listener(Notice(f"{error.problem}; asking again"))
                told = True
            time.sleep(STATUS_SECONDS)


def _decoded(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None
