"""How a run ended: its own outcome.json, or what the runtime could find out without one."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from remote.errors import Cancelled, Interrupted, OutOfMemory
from remote.hosts.connect import Host
from remote.hosts.runtime import Status
from remote.model import Outcome, RunState

# Written before a run is stopped, so that one that was killed then is known as cancelled.
STOPPED = "stop.json"
# How long a run that has written its outcome may take to be gone.
LEAVING_SECONDS = 15
_LEAVING_POLL_SECONDS = 0.05
_OUTCOME_BYTES = 16 << 20
_INTERNAL = 70
# How a container ends that was killed, or stopped, from outside; 255 is what an engine that was
# killed itself says afterwards of one whose end it did not see.
_KILLED = frozenset({None, 0, 137, 143, 255})


def final_outcome(host: Host, directory: Path) -> Outcome:
    """The outcome of a run that has ended, with or without an outcome.json."""
    status = host.runtime.status(directory)  # before the file: it may be written in between
    written = read_outcome(host, directory)
    if written is not None:
        return written
    stopped = host.transport.read(directory / STOPPED) is not None
    return unwritten_outcome(status, directory.name, stopped=stopped)


def settle(host: Host, directory: Path) -> None:
    """Return when nothing of an ended run is there any more; what lingers is stopped."""
    limit = time.monotonic() + LEAVING_SECONDS
    while host.runtime.status(directory).running:
        if time.monotonic() > limit:
            host.runtime.stop(directory)
            return
        time.sleep(_LEAVING_POLL_SECONDS)


def state_of(host: Host, directory: Path) -> RunState:
    """A run's state as its host knows it now."""
    written = read_outcome(host, directory)
    if written is not None:
        return written.state
    if host.runtime.status(directory).running:
        return RunState.RUNNING
    return final_outcome(host, directory).state


def read_outcome(host: Host, directory: Path) -> Outcome | None:
    """outcome.json; None while it is not there. A broken one is a failure, not an absence."""
    data = host.transport.read(directory / "outcome.json", limit=_OUTCOME_BYTES)
    if data is None:
        return None
    try:
        details = json.loads(data)
        state, code = RunState(details["state"]), int(details["exit_code"])
        _refuse_contradiction(state, code)
    except (ValueError, KeyError, TypeError) as error:
        return _outcome(
            RunState.FAILED,
            _INTERNAL,
            f"outcome.json cannot be used: {error!r}",
            "the notebook may have overwritten it; kernel.log may say more",
        )
    return Outcome(state, code, details)


def unwritten_outcome(status: Status, run_id: str, *, stopped: bool) -> Outcome:
    """What the runtime could find out about a run that left no outcome."""
    if status.killed_for_memory:
        return _outcome(
            RunState.OUT_OF_MEMORY,
            OutOfMemory.exit_code,
            f"run {run_id} was ended by its memory limit: {status.detail}",
            "raise `limits: memory` of the host in configs/hosts.yaml, or use fewer workers",
        )
    if stopped:
        return _outcome(
            RunState.CANCELLED,
            Cancelled.exit_code,
            f"run {run_id} was stopped before it could write its outcome",
            "what it had written so far is in the result folder",
        )
    if status.exit_code not in _KILLED:
        return _outcome(
            RunState.FAILED,
            _INTERNAL,
            f"the runner left no outcome: {status.detail}",
            "this is a defect in Workhorse; kernel.log may say more",
        )
    return _outcome(
        RunState.INTERRUPTED,
        Interrupted.exit_code,
        f"run {run_id} is gone and left no outcome: {status.detail}",
        "start it again; what it had written so far is in the result folder",
    )


def _refuse_contradiction(state: RunState, code: int) -> None:
    if not state.ended or (state is RunState.SUCCEEDED) != (code == 0):
        raise ValueError(f"state {state} with exit code {code}")


def _outcome(state: RunState, code: int, problem: str, hint: str) -> Outcome:
    kinds = {
        RunState.OUT_OF_MEMORY: OutOfMemory,
        RunState.INTERRUPTED: Interrupted,
        RunState.CANCELLED: Cancelled,
    }
    kind = kinds[state].__name__ if state in kinds else "InternalError"
    details: dict[str, Any] = {
        "schema": 1,
        "state": state.value,
        "exit_code": code,
        "error": {"kind": kind, "problem": problem, "hint": hint},
        "written_by": "controller",
    }
    return Outcome(state, code, details)
