"""The docker runtime: a detached, hardened container that is the run."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from docker.errors import APIError, DockerException, NotFound
from docker.models.containers import Container
from docker.types import LogConfig
from requests.exceptions import RequestException

from remote.errors import HostRefused, HostUnreachable, InputUnusable
from remote.hosts.docker.container import (
    PLACES,
    ContainerUser,
    container_name,
    container_spec,
    container_user,
    default_memory,
    path_in_container,
)
from remote.hosts.docker.engine import Engine
from remote.hosts.process.runtime import memory_too_small
from remote.hosts.runtime import STOP_GRACE_SECONDS, LaunchPlan, Places, Status
from remote.hosts.stores.data import how_to_unmap
from remote.hosts.transport import FileStatus, HostUser, Transport
from remote.model import Limits, StagedInput

_LOG_LINES = 20
_GONE = Status(
    running=False, known=False, detail="its container is gone (removed, or never started)"
)


class DockerRuntime:
    """Runs as containers of a host's engine."""

    def __init__(self, transport: Transport, engine: Engine) -> None:
        self._transport = transport
        self.engine = engine

    @property
    def user(self) -> ContainerUser:
        user = self._transport.user
        return container_user(user.uid, user.gid, rootless=self.engine.facts.rootless)

    def places(self, directory: Path, cache: Path) -> Places:  # noqa: ARG002 - its own places
        return PLACES

    def effective_limits(self, asked: Limits) -> Limits:
        facts = self.engine.facts
        memory = asked.memory_bytes or default_memory(facts.memory_bytes)
        if memory > facts.memory_bytes:
            raise memory_too_small(memory, facts.memory_bytes, "the Docker Engine")
        cpus = min(asked.cpus or facts.cpus, facts.cpus)
        return replace(asked, memory_bytes=memory, cpus=float(cpus))

    def facts(self) -> Mapping[str, object]:
        return {"architecture": self.engine.facts.architecture, "engine": asdict(self.engine.facts)}

    def path_in_run(self, parameter: str, path: Path) -> Path:
        return path_in_container(parameter, path)

    def prepare(self, plan: LaunchPlan) -> None:
        """Directories that the run writes to belong to its user."""
        for item in plan.inputs:
            status = self._transport.status(item.path_on_host)
            _refuse_unreadable(item, status, self.user, plan.placed.host.name)
        if plan.results_root is not None:
            self._transport.make_directory(plan.results_root)
        given_away = self._transport.user.uid == 0 and not self.engine.facts.rootless
        for directory in (plan.directory, plan.directory / "output", plan.cache):
            self._transport.make_directory(directory)
            if given_away:
                self._transport.give_to(directory, HostUser(self.user.uid, self.user.gid))

    def start(self, plan: LaunchPlan) -> None:
        spec = container_spec(plan, plan.limits, self.user)
        log = spec.pop("log_config")
        try:
            with _reaching(plan.id):
                container = self.engine.client.containers.create(
                    **spec, log_config=LogConfig(type=log["Type"], config=log["Config"])
                )
                container.start()
        except APIError as error:
            with suppress(DockerException, RequestException):
                self._container(plan.directory).remove(force=True)
            raise HostRefused(
                f"the Docker Engine cannot start the run: {error.explanation or error}",
                hint="`docker info` and the engine's log say more",
            ) from error

    def status(self, directory: Path) -> Status:
        with _reaching(directory.name):
            try:
                container = self._container(directory)
                state = container.attrs["State"]
                if state["Status"] in ("running", "paused", "restarting"):
                    return Status(running=True)
                return _ended(state, _last_lines(container), container.attrs["HostConfig"])
            except (NotFound, FileNotFoundError):
                return _GONE

    def stop(self, directory: Path) -> None:
        with _reaching(directory.name), suppress(NotFound, FileNotFoundError):
            self._container(directory).stop(timeout=STOP_GRACE_SECONDS)

    def remove(self, directory: Path) -> None:
        with _reaching(directory.name), suppress(NotFound, FileNotFoundError):
            self._container(directory).remove(force=True, v=True)

    def _container(self, directory: Path) -> Container:
        """Raises NotFound or FileNotFoundError where there is none."""
        spec = self._transport.read(directory / "run.json")
        if spec is None:
            raise FileNotFoundError(directory / "run.json")
        record = json.loads(spec)
        return self.engine.client.containers.get(container_name(record["id"], record["uuid"]))


@contextmanager
def _reaching(run_id: str) -> Iterator[None]:
    """An engine that does not answer says nothing about the run."""
    try:
        yield
    except RequestException as error:
        raise HostUnreachable(
            f"run {run_id}: the Docker Engine does not answer: {error}",
            hint=f"the run may still go on; when the engine is back: remote attach {run_id}",
        ) from error


def _ended(state: dict[str, Any], last_lines: str, limits: dict[str, Any]) -> Status:
    memory = int(limits.get("Memory") or 0)
    detail = f"its container ended with exit status {state['ExitCode']}"
    if state["OOMKilled"]:
        detail = f"its memory limit is {memory / 2**30:.2f} GiB"
    return Status(
        running=False,
        exit_code=int(state["ExitCode"]),
        killed_for_memory=bool(state["OOMKilled"]),
        detail="\n".join(part for part in (detail, state.get("Error"), last_lines) if part),
    )


def _last_lines(container: Container) -> str:
    with suppress(APIError):
        return str(container.logs(tail=_LOG_LINES).decode(errors="replace").strip())
    return ""


def _refuse_unreadable(
    item: StagedInput, status: FileStatus | None, user: ContainerUser, host: str
) -> None:
    if status is None:
        raise InputUnusable(
            f"-p {item.parameter}: {item.path_on_host} has gone",
            hint="it was there a moment ago; start the run again",
        )
    bit = stat.S_IROTH
    if status.uid == user.uid:
        bit = stat.S_IRUSR
    elif status.gid == user.gid:
        bit = stat.S_IRGRP
    if user.uid != 0 and not status.mode & bit:
        otherwise = f"; or {how_to_unmap(host, item.mapped)}" if item.mapped else ""
        raise InputUnusable(
            f"-p {item.parameter}: {item.path_on_host} cannot be read by the run's user ({user})",
            hint=f"chmod o+r {item.path_on_host}{otherwise}",
        )
