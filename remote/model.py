"""The frozen values that pass between steps.

Each step takes the previous step's result and returns its own, so that running what was not
built, placed or staged does not type-check:

    RunRequest -> PlacedImage -> Staged -> Run -> Outcome -> SealedRun

Paths named `*_in_run` are what the notebook sees; the others are on the machine that the
field's description names. Times are UTC and timezone-aware.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

JsonValue = Any
Clock = Callable[[], datetime]

TransportKind = Literal["local", "ssh"]
RuntimeKind = Literal["docker", "process"]
# Where a host's environment image is built; "auto" is here where both engines are of one kind.
BuildPlace = Literal["auto", "here", "host"]
PushWay = Literal["appended", "loaded", "built", "there"]


class RunState(StrEnum):
    """What a run is, as its host knows it. "Unreachable" is never a state of the run."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    OUT_OF_MEMORY = "out-of-memory"
    INTERRUPTED = "interrupted"

    @property
    def ended(self) -> bool:
        """True where the run will not change any more."""
        return self not in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a run may use; None means the runtime's own default (from the engine's real size)."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int = 4096
    shm_bytes: int = 1 << 30
    network: bool = False


@dataclass(frozen=True, slots=True)
class DataFolder:
    """A folder that this machine and a host both see, by network or by disk.

    `there` is a path on the host; one that begins with `~` is below its user's home.
    """

    here: Path
    there: Path


@dataclass(frozen=True, slots=True)
class HostConfig:
    """Where a run goes: a transport times a runtime.

    `reason` is one clause for the first line of every run: why this host was chosen.
    `state_dir` is `~/.workhorse` on the host.
    """

    name: str
    transport: TransportKind
    runtime: RuntimeKind
    reason: str
    state_dir: Path
    destination: str | None = None
    docker_binary: str | None = None
    base_image: str = "python:3.11-slim"
    limits: Limits = field(default_factory=Limits)
    build: BuildPlace = "auto"
    data: tuple[DataFolder, ...] = ()

    @property
    def argument(self) -> str:
        """What a later command needs to find this host again: ` --host NAME`, or nothing."""
        return f" --host {self.name}" if self.transport == "ssh" else ""


@dataclass(frozen=True, slots=True)
class Project:
    """The user's checkout: the folder that holds notebooks/, remote/ and requirements.txt."""

    root: Path

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"

    @property
    def requirements(self) -> Path:
        return self.root / "requirements.txt"


ParameterKind = Literal["value", "input_path", "input_run"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One resolved parameter.

    `value` is JSON-serialisable and already of the declared type. `source` says where it came
    from: "default", "-p", "-r", "-y", "-b" or the path of the -f file. `seen` is the value as it
    was given, where that is another one: a path before it was made absolute, `latest:NOTEBOOK`.
    An `input_path` is the file's absolute path on this machine, or empty; an `input_run` the
    sealed run's folder as the run sees it, relative to its working directory.
    """

    name: str
    value: JsonValue
    source: str
    kind: ParameterKind = "value"
    seen: JsonValue = None


@dataclass(frozen=True, slots=True)
class RunRequest:
    """All that was asked, checked against the notebook, before anything is built."""

    project: Project
    notebook: Path
    notebook_sha256: str
    parameters: tuple[Parameter, ...]
    host: HostConfig
    results_root: Path

    @property
    def notebook_name(self) -> str:
        """The stem that run ids and result folders begin with."""
        return self.notebook.stem


@dataclass(frozen=True, slots=True)
class CodeDigests:
    """What a run's software is made of. SHA-256 hex digests.

    `code` covers everything that is copied beside the environment; `package` and `notebooks`
    are its two parts, so that an edited notebook does not look like an edited package.
    """

    lock: str
    code: str
    package: str
    notebooks: str


@dataclass(frozen=True, slots=True)
class Pushed:
    """What went to the host of an image, and what it had already.

    `way` is how the run image came to be there: "appended" to the environment's layers, "loaded"
    whole, "built" on the host, or "there" already.
    """

    way: PushWay
    layers_sent: int = 0
    bytes_sent: int = 0
    layers_there: int = 0
    bytes_there: int = 0


@dataclass(frozen=True, slots=True)
class PlacedImage:
    """Software that is on the host, ready to run.

    `environment` and `code` are references in the runtime's own terms: image ids for docker,
    directories for process. `image_digest` is that of the image's configuration, the same on every
    engine; None on the process runtime, as is `pushed`. `modules` holds the
    top-level module names the environment can import (recorded once per environment);
    `layers` the diff ids of the image's layers, lowest first.
    """

    host: HostConfig
    digests: CodeDigests
    environment: str
    code: str
    image_digest: str | None
    modules: frozenset[str]
    layers: tuple[str, ...] = ()
    pushed: Pushed | None = None


@dataclass(frozen=True, slots=True)
class StagedInput:
    """One InputPath parameter: where the user sees the file, the host has it, the run sees it.

    `mapped` is the folder of the host's `data` that it lies in, where it was not sent.
    """

    parameter: str
    path_seen: Path
    path_on_host: Path
    path_in_run: Path
    sha256: str
    size_bytes: int
    mapped: DataFolder | None = None


# Where a run gets an earlier result from: this machine's results, the copy that its host kept or
# was sent before, or a copy that was sent for this run.
TakenFrom = Literal["here", "host", "sent"]


@dataclass(frozen=True, slots=True)
class StagedRun:
    """One InputRun parameter. `folder` is relative to a results directory, here and in the run."""

    parameter: str
    folder: Path
    path_on_host: Path
    manifest_sha256: str
    taken_from: TakenFrom


@dataclass(frozen=True, slots=True)
class Staged:
    """Every input is on the host, and so are the results of earlier runs."""

    host: HostConfig
    inputs: tuple[StagedInput, ...]
    runs: tuple[StagedRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A launched attempt. `directory` is the run's directory on its host."""

    id: str
    uuid: str
    attempt: int
    host: HostConfig
    directory: Path
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended: `outcome.json`, or what the host could find out without one."""

    state: RunState
    exit_code: int
    details: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class SealedRun:
    """A sealed folder under results/ (or results/.failed/)."""

    path: Path
    id: str
    outcome: Outcome
    left_out: tuple[str, ...] = ()


# What a run tells whoever watches it. Listeners render; they decide nothing.


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A controller step began: check, build, push, stage, launch, run, collect, seal, keep."""

    step: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepFinished:
    """A controller step ended well."""

    step: str
    seconds: float
    detail: str = ""


@dataclass(frozen=True, slots=True)
class StepDetail:
    """What a step is doing at this moment; a later one of the same step replaces it."""

    step: str
    detail: str


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One line of the run's events.jsonl, decoded."""

    record: Mapping[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Notice:
    """One line that the person should read once."""

    text: str


Message = StepStarted | StepDetail | StepFinished | RunRecord | Notice
Listener = Callable[[Message], None]
