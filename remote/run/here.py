"""The runs that can be found from here, whatever they were started on: what ps, attach and stop
use. Without a host that is named, this machine comes first, then the hosts of the config."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from remote.config import environment, state_dir
from remote.errors import HostUnreachable, UsageError, WorkhorseError
from remote.hosts.connect import Host, connect
from remote.hosts.docker.engine import Answer, find_engine
from remote.hosts.select import local_host
from remote.model import Clock, HostConfig, Listener, RunState, RuntimeKind, SealedRun
from remote.results.names import KERNEL_LOG
from remote.run import runs
from remote.run import stop as stopping
from remote.run.finish import read_spec, sealed_already


@dataclass(frozen=True, slots=True)
class Places:
    """Where runs are looked for: on this machine, and on others."""

    this_machine: bool = True
    others: tuple[HostConfig, ...] = ()

    @property
    def named(self) -> HostConfig | None:
        """The one host that is meant, where one was named."""
        return None if self.this_machine or not self.others else self.others[0]


HERE = Places()
# How long a log that is followed waits for a link that went down.
RETURN_SECONDS = 120


def list_runs(
    places: Places = HERE, on_problem: Callable[[WorkhorseError], None] | None = None
) -> tuple[runs.RunInfo, ...]:
    """Every run of these places, oldest first.

    Runs in containers of this machine are left out while no engine answers: nothing is known of
    them then. A host that cannot be asked is told to `on_problem`, or raises where there is none.
    """
    found: list[runs.RunInfo] = []
    if places.this_machine:
        found += _of_this_machine()
    for config in places.others:
        try:
            with connect(config) as host:
                found += runs.list_runs(host)
        except WorkhorseError as error:
            if on_problem is None:
                raise
            on_problem(error)
    return tuple(sorted(found, key=lambda run: run.created_at))


def _of_this_machine() -> Iterator[runs.RunInfo]:
    with connect(local_host("process", "")) as host:
        yield from runs.list_runs(host)
    if find_engine(environment()).answer is Answer.ANSWERS:
        with connect(local_host("docker", "")) as host:
            yield from runs.list_runs(host)


@contextmanager
def host_of(run_id: str, places: Places = HERE) -> Iterator[Host]:
    """The open host of a run.

    Raises:
        UsageError: no place has the run; says which could not be asked.
        EngineUnusable: it is in a container here and the engine cannot be used.
    """
    runtime = runs.runtime_of(state_dir(), run_id) if places.this_machine else None
    with ExitStack() as stack:
        if runtime is not None:
            kind: RuntimeKind = "docker" if runtime == "docker" else "process"
            yield stack.enter_context(connect(local_host(kind, "")))
            return
        yield _among(run_id, places, stack)


def _among(run_id: str, places: Places, stack: ExitStack) -> Host:
    """The first of the other hosts that has the run, left open on the stack."""
    problems: list[WorkhorseError] = []
    for config in places.others:
        try:
            with ExitStack() as opened:
                host = opened.enter_context(connect(config))
                if "/" not in run_id and read_spec(host, run_id) is not None:
                    stack.push(opened.pop_all())
                    return host
        except WorkhorseError as error:
            problems.append(error)
    if len(places.others) == 1 and problems:
        raise problems[0]
    asked = [*(["this machine"] if places.this_machine else []), *(h.name for h in places.others)]
    missing = "".join(f"\nnot asked: {error.problem}" for error in problems)
    raise UsageError(
        f"{', '.join(asked)}: no run {run_id}{missing}",
        hint="`remote ps` lists what there is (--host NAME: on a host that is not in "
        "configs/hosts.yaml); `remote results list` what is collected",
    )


def attach(
    run_id: str, results_root: Path, listener: Listener, *, clock: Clock, places: Places = HERE
) -> SealedRun:
    """Watch a run to its end, collect and seal it; a sealed one gives its folder at once.

    Raises:
        UsageError: neither these places nor the results have it.
        HostUnreachable: the link or the engine went away.
    """
    sealed = _sealed_elsewhere(run_id, results_root, places)
    if sealed is not None:
        return sealed
    with host_of(run_id, places) as host:
        return runs.attach(host, run_id, results_root, listener, clock=clock)


def collect(
    run_id: str, results_root: Path, listener: Listener, *, clock: Clock, places: Places = HERE
) -> SealedRun:
    """Collect and seal a run that has ended; of one that is sealed already, tidy up on its host.

    Raises:
        UsageError: it is still running, or nobody has it.
    """
    sealed = _sealed_elsewhere(run_id, results_root, places)
    if sealed is not None and not places.others:
        return sealed
    try:
        with host_of(run_id, places) as host:
            return runs.collect_run(host, run_id, results_root, listener, clock=clock)
    except (UsageError, HostUnreachable):  # the host has forgotten it, or is off
        if sealed is None:
            raise
        return sealed


def stop(run_id: str, *, clock: Clock, places: Places = HERE) -> RunState:
    """Stop a run and say what became of it; its directory stays until it is collected."""
    with host_of(run_id, places) as host:
        return stopping.stop(host, run_id, clock)


def log(run_id: str, results_root: Path, *, follow: bool, places: Places = HERE) -> Iterator[bytes]:
    """What the run's kernel wrote, in pieces; with `follow`, until the run has ended.

    Who follows loses no byte and gets none twice: where the link goes down it is made again for
    `RETURN_SECONDS`, and of a run that is collected into these results meanwhile the rest is
    read there.

    Raises:
        HostUnreachable: the link does not come back.
        UsageError: neither these places have the run, nor do the results any more.
    """
    offset = 0
    lost: float | None = None
    found = False
    while True:
        try:
            with host_of(run_id, places) as host:
                found, lost = True, None
                if host.config.transport == "ssh":
                    places = Places(this_machine=False, others=(host.config,))
                for piece in runs.log(host, run_id, follow=follow, offset=offset):
                    offset += len(piece)
                    yield piece
                return
        except HostUnreachable:
            lost = lost or time.monotonic()
            if not (follow and found) or time.monotonic() - lost > RETURN_SECONDS:
                raise
            time.sleep(1)
        except UsageError:
            rest = _rest_of_log(run_id, results_root, offset)
            if rest is None:
                raise
            yield from rest
            return


def _rest_of_log(run_id: str, results_root: Path, offset: int) -> Iterator[bytes] | None:
    """From the result folder, of a log that was being read from the host."""
    try:
        path = sealed_already(run_id, results_root).path / KERNEL_LOG
    except UsageError:
        return None
    return _from(path, offset)


def _from(path: Path, offset: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(offset)
        while piece := file.read(1 << 20):
            yield piece


def _sealed_elsewhere(run_id: str, results_root: Path, places: Places) -> SealedRun | None:
    """The folder of a run that this machine does not have under way, where it is sealed."""
    if places.this_machine and runs.runtime_of(state_dir(), run_id) is not None:
        return None
    try:
        return sealed_already(run_id, results_root)
    except UsageError:
        if not places.others:
            raise
        return None
