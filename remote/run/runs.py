"""The runs that a host knows: list, look up, attach, follow a log. Needs nothing but the host."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from remote.errors import UsageError
from remote.hosts.connect import Host
from remote.model import Clock, Listener, RunState, SealedRun
from remote.run.early import collecting
from remote.run.ended import final_outcome, state_of
from remote.run.finish import finish, read_spec, sealed_already
from remote.run.watch import POLL_SECONDS, watch, way_back
from remote.steps import Steps

LOGS = ("kernel.log", "events.jsonl")


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A run that is on its host: under way, or ended and not collected yet."""

    id: str
    state: RunState
    created_at: str
    notebook: str
    host: str
    runtime: str
    directory: Path
    spec: Mapping[str, Any]


def list_runs(host: Host) -> tuple[RunInfo, ...]:
    """Every run of this runtime that the host has, oldest first."""
    found = []
    for run_id in host.transport.names(host.layout.runs):
        spec = read_spec(host, run_id)
        if spec is not None and spec["host"]["runtime"] == host.config.runtime:
            found.append(_info(host, run_id, spec))
    return tuple(sorted(found, key=lambda run: run.created_at))


def find_run(host: Host, run_id: str) -> RunInfo:
    """One run of the host.

    Raises:
        UsageError: the host does not have it.
    """
    spec = read_spec(host, run_id) if "/" not in run_id else None
    if spec is None:
        raise UsageError(
            f"host {host.config.name} has no run {run_id}",
            hint="`remote ps` lists what it has; `remote results list` what is collected",
        )
    return _info(host, run_id, spec)


def runtime_of(state_dir: Path, run_id: str) -> str | None:
    """Which runtime has a run of this machine; None where there is no such run."""
    path = state_dir / "runs" / run_id / "run.json"
    if "/" in run_id or not path.is_file():
        return None
    return str(json.loads(path.read_bytes())["host"]["runtime"])


def attach(
    host: Host, run_id: str, results_root: Path, listener: Listener, *, clock: Clock
) -> SealedRun:
    """Watch a run, from its first event on, then collect and seal it.

    Several may attach to one run: one of them seals it, all get the folder.

    Raises:
        UsageError: the host does not have the run, nor is it among the results.
    """
    directory = host.layout.run(run_id)
    if read_spec(host, run_id) is None:
        return sealed_already(run_id, results_root)
    steps = Steps(listener)
    with way_back(host, run_id):
        with steps.step("run", run_id), collecting(host, run_id, results_root):
            outcome = watch(host, directory, listener)
        del steps.timings["run"]  # only for how long this controller looked
        return finish(host, run_id, outcome, results_root, steps, clock)


def collect_run(
    host: Host, run_id: str, results_root: Path, listener: Listener, *, clock: Clock
) -> SealedRun:
    """Collect and seal a run that has ended.

    Raises:
        UsageError: it is still running, or not known.
    """
    run = find_run(host, run_id)
    if not run.state.ended:
        raise UsageError(
            f"run {run_id} is still {run.state}",
            hint=f"wait for it: remote attach {run_id}; or end it: remote stop {run_id}",
        )
    with way_back(host, run_id):
        outcome = final_outcome(host, run.directory)
        return finish(host, run_id, outcome, results_root, Steps(listener), clock)


class CollectedMeanwhile(UsageError):
    """The run whose log is followed is not on its host any more."""


def log(
    host: Host, run_id: str, *, follow: bool, name: str = "kernel.log", offset: int = 0
) -> Iterator[bytes]:
    """The bytes of a run's log from an offset on, in pieces; with `follow`, until it has ended.

    Raises:
        CollectedMeanwhile: before its end was read.
        UsageError: the host does not have the run.
    """
    run = find_run(host, run_id)
    while True:
        ended = not follow or state_of(host, run.directory).ended
        while piece := host.transport.read(run.directory / name, offset, 1 << 20):
            offset += len(piece)
            yield piece
        if ended:
            if host.transport.status(run.directory) is None:
                raise CollectedMeanwhile(
                    f"run {run_id} was collected while its log was read",
                    hint=f"all of it is in its result folder: {name}",
                )
            return
        time.sleep(POLL_SECONDS * 2)


def _info(host: Host, run_id: str, spec: Mapping[str, Any]) -> RunInfo:
    directory = host.layout.run(run_id)
    return RunInfo(
        id=run_id,
        state=state_of(host, directory),
        created_at=str(spec["created_at"]),
        notebook=str(spec["notebook"]["name"]),
        host=str(spec["host"]["name"]),
        runtime=str(spec["host"]["runtime"]),
        directory=directory,
        spec=spec,
    )
