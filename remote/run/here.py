"""This machine's runs, whatever runtime they were started on: what ps, attach and stop use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from remote.config import environment, state_dir
from remote.errors import UsageError
from remote.hosts.connect import Host, connect
from remote.hosts.engine import Answer, find_engine
from remote.hosts.select import local_host
from remote.model import Clock, Listener, RunState, RuntimeKind, SealedRun
from remote.run import runs
from remote.run import stop as stopping
from remote.run.finish import sealed_already


def list_runs() -> tuple[runs.RunInfo, ...]:
    """Every run of this machine, oldest first.

    Runs in containers are left out while no engine answers: nothing is known of them then.
    """
    found: list[runs.RunInfo] = []
    with connect(local_host("process", "")) as host:
        found += runs.list_runs(host)
    if find_engine(environment()).answer is Answer.ANSWERS:
        with connect(local_host("docker", "")) as host:
            found += runs.list_runs(host)
    return tuple(sorted(found, key=lambda run: run.created_at))


@contextmanager
def host_of(run_id: str) -> Iterator[Host]:
    """The open host of a run of this machine.

    Raises:
        UsageError: this machine does not have the run.
        EngineUnusable: it is in a container and the engine cannot be used.
    """
    runtime = runs.runtime_of(state_dir(), run_id)
    if runtime is None:
        raise UsageError(
            f"this machine has no run {run_id}",
            hint="`remote ps` lists what it has; `remote results list` what is collected",
        )
    kind: RuntimeKind = "docker" if runtime == "docker" else "process"
    with connect(local_host(kind, "")) as host:
        yield host


def attach(run_id: str, results_root: Path, listener: Listener, *, clock: Clock) -> SealedRun:
    """Watch a run to its end, collect and seal it; a sealed one gives its folder at once.

    Raises:
        UsageError: neither this machine nor the results have it.
        HostUnreachable: the engine went away.
    """
    if runs.runtime_of(state_dir(), run_id) is None:
        return sealed_already(run_id, results_root)
    with host_of(run_id) as host:
        return runs.attach(host, run_id, results_root, listener, clock=clock)


def collect(run_id: str, results_root: Path, listener: Listener, *, clock: Clock) -> SealedRun:
    """Collect and seal a run that has ended.

    Raises:
        UsageError: it is still running, or nobody has it.
    """
    if runs.runtime_of(state_dir(), run_id) is None:
        return sealed_already(run_id, results_root)
    with host_of(run_id) as host:
        return runs.collect_run(host, run_id, results_root, listener, clock=clock)


def stop(run_id: str, *, clock: Clock) -> RunState:
    """Stop a run and say what became of it; its directory stays until it is collected."""
    with host_of(run_id) as host:
        return stopping.stop(host, run_id, clock)


def log(run_id: str, *, follow: bool) -> Iterator[bytes]:
    """What the run's kernel wrote, in pieces; with `follow`, until the run has ended."""
    with host_of(run_id) as host:
        yield from runs.log(host, run_id, follow=follow)
