"""Watch: pass on what a run tells, until it has ended. Looks only; the run does not notice."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from remote.errors import Interrupted, OutOfMemory
from remote.hosts.connect import Host
from remote.hosts.runtime import Status
from remote.model import Listener, Outcome, Run, RunRecord, RunState

POLL_SECONDS = 0.1
# How often the runtime is asked whether the run still exists.
STATUS_SECONDS = 0.5
# How long a run that has written its outcome may take to be gone.
LEAVING_SECONDS = 15
_OUTCOME_BYTES = 16 << 20
_INTERNAL = 70


class Events:
    """The run's events.jsonl, read by offset; a line is passed on once it is whole."""

    def __init__(self, host: Host, path: Path) -> None:
        self._host = host
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Mapping[str, Any]]:
        """The records that came since the last call; lines that are no records are skipped."""
        while True:
            data = self._host.transport.read(self._path, self._offset, 1 << 20) or b""
            whole = data[: data.rfind(b"\n") + 1]
            if not whole:
                return
            self._offset += len(whole)
            for line in whole.splitlines():
                record = _decoded(line)
                if record is not None:
                    yield record


def watch(host: Host, run: Run, listener: Listener) -> Outcome:
    """Return the outcome once the run has ended, however it ended.

    Raises:
        HostUnreachable: the link or the engine went away; the run may still go on.
    """
    events = Events(host, run.directory / "events.jsonl")
    asked = 0.0
    while True:
        for record in events.read():
            listener(RunRecord(record))
        outcome = read_outcome(host, run.directory)
        now = time.monotonic()
        if outcome is None and now - asked < STATUS_SECONDS:
            time.sleep(POLL_SECONDS)
            continue
        asked = now
        if outcome is not None:
            _wait_until_gone(host, run)
        elif host.runtime.status(run.id, run.directory).running:
            continue
        for record in events.read():
            listener(RunRecord(record))
        return final_outcome(host, run.id, run.directory)


def final_outcome(host: Host, run_id: str, directory: Path) -> Outcome:
    """The outcome of a run that has ended, with or without an outcome.json."""
    status = host.runtime.status(run_id, directory)
    written = read_outcome(host, directory)
    return written if written is not None else unwritten_outcome(status, run_id)


def state_of(host: Host, run_id: str, directory: Path) -> RunState:
    """A run's state as its host knows it now."""
    written = read_outcome(host, directory)
    if written is not None:
        return written.state
    if host.runtime.status(run_id, directory).running:
        return RunState.RUNNING
    return final_outcome(host, run_id, directory).state


def read_outcome(host: Host, directory: Path) -> Outcome | None:
    """outcome.json; None while it is not there. A broken one is a failure, not an absence."""
    data = host.transport.read(directory / "outcome.json", limit=_OUTCOME_BYTES)
    if data is None:
        return None
    try:
        details = json.loads(data)
        return Outcome(RunState(details["state"]), int(details["exit_code"]), details)
    except (ValueError, KeyError, TypeError) as error:
        problem = f"outcome.json cannot be read: {error}"
        return Outcome(RunState.FAILED, _INTERNAL, _details(RunState.FAILED, _INTERNAL, problem))


def unwritten_outcome(status: Status, run_id: str) -> Outcome:
    """What the runtime could find out about a run that left no outcome."""
    if status.killed_for_memory:
        state, code = RunState.OUT_OF_MEMORY, OutOfMemory.exit_code
        problem = f"run {run_id} was ended by its memory limit{status.detail and ': '}"
        hint = "raise `memory` of the host in configs/hosts.yaml, or use fewer workers"
    elif status.exit_code not in (None, 0, 137, 143):
        state, code = RunState.FAILED, _INTERNAL
        problem = f"the runner ended with exit status {status.exit_code} and left no outcome: "
        hint = "this is a defect in Workhorse; kernel.log may say more"
    else:
        state, code = RunState.INTERRUPTED, Interrupted.exit_code
        problem = f"run {run_id} is gone and left no outcome: "
        hint = "start it again; what it had written so far is in the result folder"
    return Outcome(state, code, _details(state, code, problem + status.detail, hint))


def _details(state: RunState, code: int, problem: str, hint: str = "") -> dict[str, Any]:
    kinds = {RunState.OUT_OF_MEMORY: "OutOfMemory", RunState.INTERRUPTED: "Interrupted"}
    return {
        "schema": 1,
        "state": state.value,
        "exit_code": code,
        "error": {
            "kind": kinds.get(state, "InternalError"),
            "problem": problem.rstrip(": "),
            "hint": hint,
        },
        "written_by": "controller",
    }


def _wait_until_gone(host: Host, run: Run) -> None:
    limit = time.monotonic() + LEAVING_SECONDS
    while host.runtime.status(run.id, run.directory).running:
        if time.monotonic() > limit:
            host.runtime.stop(run.id, run.directory)
            return
        time.sleep(POLL_SECONDS / 2)


def _decoded(line: bytes) -> Mapping[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and "event" in record else None
