"""The process runtime: a detached supervisor and a runner in an environment of the host."""

from __future__ import annotations

import getpass
import json
import os
import platform
import shutil
import signal
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from remote.errors import HostRefused, MemoryTooSmall
from remote.hosts.command import CommandFailed
from remote.hosts.local import LocalTransport
from remote.hosts.process.identity import ProcessIdentity, end_processes_of
from remote.hosts.process.supervisor import LAUNCH, STATE
from remote.hosts.runtime import (
    ANSWER_SECONDS,
    STOP_GRACE_SECONDS,
    LaunchPlan,
    Places,
    Status,
    run_environment,
)
from remote.model import Limits

_START_SECONDS = 30


class ProcessRuntime:
    """Runs as processes of this user, without isolation."""

    def __init__(self, transport: LocalTransport) -> None:
        self._transport = transport

    def places(self, directory: Path, cache: Path) -> Places:
        return Places(
            directory=directory,
            output=directory / "output",
            working_directory=directory / "workspace" / "notebooks",
            cache=cache,
        )

    def effective_limits(self, asked: Limits) -> Limits:
        """Nothing enforces limits here; what is asked must at least be there."""
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        if asked.memory_bytes is not None and asked.memory_bytes > total:
            raise memory_too_small(asked.memory_bytes, total, "this machine")
        return replace(asked, network=True)

    def facts(self) -> Mapping[str, object]:
        return {"architecture": platform.machine()}

    def path_in_run(self, parameter: str, path: Path) -> Path:  # noqa: ARG002 - where it lies
        return path

    def prepare(self, plan: LaunchPlan) -> None:
        """The run's own copy of the notebooks, with `../results` beside it."""
        workspace = plan.directory / "workspace"
        self._transport.make_directory(plan.cache)
        self._transport.make_directory(plan.directory / "output")
        self._transport.make_directory(workspace)
        shutil.copytree(plan.notebooks, workspace / "notebooks")
        assert plan.results_root is not None  # this runtime is always on this machine
        (workspace / "results").symlink_to(plan.results_root)

    def start(self, plan: LaunchPlan) -> None:
        launch = launch_file(plan, self.places(plan.directory, plan.cache))
        self._transport.write(plan.directory / LAUNCH, json.dumps(launch, indent=1).encode())
        try:
            self._transport.run(supervisor_argv(plan), timeout=_START_SECONDS)
        except CommandFailed as error:
            log = self._transport.read(plan.directory / "supervisor.log") or b""
            raise HostRefused(
                f"the run could not be started: {error.problem}\n{log.decode(errors='replace')}",
                hint=f"remove {plan.placed.environment} to have it made anew, and try again",
            ) from error

    def status(self, directory: Path) -> Status:
        state = self._state(directory)
        if state is None:
            return Status(running=False, known=False, detail="it was never started")
        if _identity(state, "supervisor", alive=True):
            return Status(running=True)
        if self._transport.read(directory / "outcome.json", limit=1) is None:
            self._end_orphans(directory, state)
        return Status(running=False, detail="its supervisor is gone (killed, or a reboot)")

    def stop(self, directory: Path) -> None:
        state = self._state(directory)
        supervisor = _identity(state, "supervisor", alive=True) if state else None
        if supervisor is None:
            return
        supervisor.send(signal.SIGTERM)
        limit = time.monotonic() + STOP_GRACE_SECONDS + ANSWER_SECONDS
        while supervisor.alive():
            if time.monotonic() > limit:
                raise HostRefused(
                    f"run {directory.name}: its supervisor (pid {supervisor.pid}) does not end",
                    hint=f"kill -9 {supervisor.pid}",
                )
            time.sleep(0.05)

    def remove(self, directory: Path) -> None:
        state = self._state(directory)
        if state is not None:
            supervisor = _identity(state, "supervisor", alive=True)
            if supervisor is not None:
                supervisor.send(signal.SIGKILL)
            self._end_orphans(directory, state)

    def _state(self, directory: Path) -> dict[str, Any] | None:
        data = self._transport.read(directory / STATE)
        return json.loads(data) if data else None

    def _end_orphans(self, directory: Path, state: dict[str, Any]) -> None:
        runner = _identity(state, "runner", alive=True)
        if runner is not None:
            runner.send(signal.SIGKILL)
        launch = self._transport.read(directory / LAUNCH)
        if launch:
            end_processes_of(json.loads(launch)["marker"])


def supervisor_argv(plan: LaunchPlan) -> list[str]:
    """Start the supervisor from the run's own environment and code."""
    python = Path(plan.placed.environment) / "bin" / "python"
    return [
        *("/usr/bin/env", "-u", "PYTHONHOME", f"PYTHONPATH={plan.placed.code}"),
        *(str(python), "-m", "remote.hosts.process.supervisor", str(plan.directory)),
    ]


def launch_file(plan: LaunchPlan, places: Places) -> dict[str, object]:
    """What the supervisor starts."""
    environment = Path(plan.placed.environment)
    variables = {
        **run_environment(plan.id, places, getpass.getuser(), Path.home()),
        "WORKHORSE_RUN_UUID": plan.uuid,
        "PYTHONPATH": plan.placed.code,
        "VIRTUAL_ENV": str(environment),
        "PATH": f"{environment / 'bin'}:/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    }
    return {
        "argv": [
            str(environment / "bin" / "python"),
            *("-m", "remote.runner", str(plan.directory)),
        ],
        "environment": variables,
        "directory": str(places.working_directory),
        "marker": f"WORKHORSE_RUN_UUID={plan.uuid}",
        "grace_seconds": STOP_GRACE_SECONDS,
    }


def memory_too_small(asked: int, there: int, where: str) -> MemoryTooSmall:
    """More memory was asked than there is."""
    return MemoryTooSmall(
        f"{asked / 2**30:.1f} GiB of memory were asked, {where} has {there / 2**30:.1f} GiB",
        hint="lower `limits/memory` in configs/hosts.yaml, or choose a larger host",
    )


def _identity(state: dict[str, Any], who: str, *, alive: bool) -> ProcessIdentity | None:
    recorded = state.get(who)
    if recorded is None:
        return None
    identity = ProcessIdentity.from_json(recorded)
    return identity if identity.alive() or not alive else None
