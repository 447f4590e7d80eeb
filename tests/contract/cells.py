"""A cell of the host matrix, transport times runtime, as the contract sees it."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from docker.models.containers import Container

from remote.hosts.connect import Host, connect
from remote.hosts.docker.container import container_name
from remote.hosts.docker.engine import Engine
from remote.hosts.docker.runtime import DockerRuntime
from remote.hosts.process.identity import ProcessIdentity
from remote.model import HostConfig, Limits, Message, Project, Run, RunRecord, RunRequest, SealedRun
from remote.run import flow, runs
from remote.run.check import check
from remote.run.parameters import Given

WAIT_SECONDS = 60


def now() -> datetime:
    """The clock of every test."""
    return datetime.now(UTC)


@dataclass
class Heard:
    """A listener that remembers."""

    messages: list[Message] = field(default_factory=list)

    def __call__(self, message: Message) -> None:
        self.messages.append(message)

    def events(self, name: str) -> list[RunRecord]:
        records = [message for message in self.messages if isinstance(message, RunRecord)]
        return [message for message in records if message.record["event"] == name]


@dataclass(frozen=True)
class Cell:
    """One host that the contract is tried on."""

    config: HostConfig
    project: Project

    @property
    def runtime(self) -> str:
        return self.config.runtime

    def request(self, notebook: str, /, **parameters: object) -> RunRequest:
        """A checked request for a notebook of the contract's project."""
        given = Given(parameters=tuple((name, str(value)) for name, value in parameters.items()))
        path = self.project.notebooks / f"{notebook}.ipynb"
        return check(path, given, self.project, self.config)

    def run(self, notebook: str, /, heard: Heard | None = None, **parameters: object) -> SealedRun:
        """From request to sealed folder."""
        listener = heard if heard is not None else Heard()
        return flow.execute(self.request(notebook, **parameters), listener, clock=now)

    def launch(self, host: Host, notebook: str, /, **parameters: object) -> Run:
        """Start a run and leave it alone, as a controller does that is killed after launch."""
        return flow.start(host, self.request(notebook, **parameters), Heard(), now)

    def tried(self) -> None:
        """Until nothing is tried in the background any more: an image is, once for each engine."""
        with connect(self.config) as host:
            run = self.launch(host, "writes")
            records = ["sh", "-c", 'cat "$1"/*.json', "sh", str(host.layout.cache / "images")]
            until(
                lambda: '"way": ""' not in host.transport.run(records, timeout=10).stdout,
                "the image is not tried",
            )
            runs.attach(host, run.id, self.project.root / "results", Heard(), clock=now)

    def limited(self, **limits: object) -> Cell:
        """The same cell with other limits."""
        return replace(self, config=replace(self.config, limits=Limits(**limits)))  # type: ignore[arg-type]

    def started(self, host: Host, directory: Path) -> None:
        """Until the notebook says that it is under way."""
        path = directory / "output" / "started"
        until(lambda: host.transport.status(path) is not None, f"{path} is not there")

    def go_on(self, host: Host, directory: Path) -> None:
        """Let a waiting notebook go on."""
        host.transport.run(["touch", str(directory / "output" / "go")], timeout=WAIT_SECONDS)

    def kill(self, host: Host, run: Run) -> None:
        """Take the run away without a word, as a crash does."""
        if self.runtime == "docker":
            _container(host, run).kill()
            return
        ProcessIdentity.from_json(state_of_supervisor(run)["supervisor"]).send(signal.SIGKILL)

    def traces(self, host: Host, run: Run) -> list[str]:
        """What is left of a run beside its result: there is to be nothing."""
        left = [str(run.directory)] if host.transport.status(run.directory) else []
        if self.runtime == "docker":
            listed = _engine(host).client.containers.list(
                all=True, filters={"label": f"workhorse.uuid={run.uuid}"}
            )
            return left + [str(container.name) for container in listed]
        marker = f"WORKHORSE_RUN_UUID={run.uuid}".encode()
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                environment = (entry / "environ").read_bytes()
            except OSError:
                continue
            if marker in environment.split(b"\0"):
                left.append((entry / "cmdline").read_text())
        return left


def state_of_supervisor(run: Run) -> dict[str, dict[str, object]]:
    """supervisor.json of a run on the process runtime."""
    record: dict[str, dict[str, object]] = json.loads(
        (run.directory / "supervisor.json").read_bytes()
    )
    return record


def until(condition: Callable[[], bool], otherwise: str, seconds: float = WAIT_SECONDS) -> None:
    """Until something holds; an assertion fails where it does not within `seconds`."""
    limit = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < limit, otherwise
        time.sleep(0.05)


def in_background(work: Callable[[], SealedRun]) -> Callable[[], SealedRun]:
    """Do something in a thread; gives what waits for its result."""
    pool = ThreadPoolExecutor(1)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return lambda: future.result(WAIT_SECONDS)


def written(folder: Path) -> dict[str, bytes]:
    """What the workload wrote: every file of a result folder but those of the system."""
    system = {
        "executed.ipynb",
        "run.json",
        "kernel.log",
        "events.jsonl",
        "ro-crate-metadata.json",
        "manifest-sha256.txt",
    }
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.relative_to(folder).as_posix(): path for path in files}
    return {name: path.read_bytes() for name, path in names.items() if name not in system}


def _container(host: Host, run: Run) -> Container:
    name = container_name(run.id, run.uuid)
    return _engine(host).client.containers.get(name)


def _engine(host: Host) -> Engine:
    assert isinstance(host.runtime, DockerRuntime)
    return host.runtime.engine
