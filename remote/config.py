"""YAML and environment into values: the only reader of either on the controller's side."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from remote.errors import ConfigInvalid, UsageError
from remote.model import BuildPlace, DataFolder, HostConfig, Limits
from remote.schema import nearest, read_yaml

HOSTS_FILE = Path("configs/hosts.yaml")
# Hosts that need no entry: this machine.
ALWAYS_THERE = ("local", "local+docker", "local+process")
_GIB = 1 << 30


@dataclass(frozen=True, slots=True)
class Config:
    """What `configs/hosts.yaml` says; empty where there is none.

    `hosts` are complete but for `reason`, which whoever chooses one fills in.
    """

    path: Path
    default_host: str | None = None
    hosts: Mapping[str, HostConfig] = field(default_factory=dict)

    @property
    def data(self) -> tuple[DataFolder, ...]:
        """The folders that any host sees too."""
        return tuple(folder for host in self.hosts.values() for folder in host.data)


@dataclass(frozen=True, slots=True)
class _LimitsEntry:
    memory: int | None = field(default=None, metadata={"bytes": True, "min": 256 << 20})
    cpus: float | None = field(default=None, metadata={"min": 0.1})
    pids: int = field(default=4096, metadata={"min": 64})
    shm: int = field(default=_GIB, metadata={"bytes": True, "min": 64 << 20})
    network: bool = False

    def limits(self) -> Limits:
        return Limits(self.memory, self.cpus, self.pids, self.shm, self.network)


@dataclass(frozen=True, slots=True)
class _HostEntry:
    destination: str | None = None
    runtime: Literal["docker", "process"] = "docker"
    state_dir: str | None = None
    docker_binary: str | None = None
    base_image: str = "python:3.11-slim"
    build: BuildPlace = "auto"
    limits: _LimitsEntry = field(default_factory=_LimitsEntry)
    data: Mapping[str, str] = field(default_factory=dict, metadata={"absolute": True})


@dataclass(frozen=True, slots=True)
class _HostsFile:
    default_host: str | None = None
    hosts: Mapping[str, _HostEntry] = field(default_factory=dict)


def load(project_root: Path) -> Config:
    """The configuration of the checkout at `project_root`.

    Raises:
        ConfigInvalid: the file is broken; `problem` lists every fault with its path.
    """
    return load_file(project_root / HOSTS_FILE)


def load_file(path: Path) -> Config:
    """As `load`, of one file."""
    if not path.exists():
        return Config(path)
    read = read_yaml(path, _HostsFile)
    known = (*read.hosts, *ALWAYS_THERE)
    if read.default_host is not None and read.default_host not in known:
        raise ConfigInvalid(
            f'{path}: default_host: no host is named "{read.default_host}"'
            f"{nearest(read.default_host, known)}",
            hint=f"Name one of: {', '.join(known)}; or leave default_host out.",
        )
    _refuse_odd_data(path, read.hosts)
    return Config(path, read.default_host, {n: _host(n, e) for n, e in read.hosts.items()})


def adjusted(
    host: HostConfig,
    *,
    memory: int | None = None,
    cpus: float | None = None,
    build: BuildPlace | None = None,
) -> HostConfig:
    """`host` with what was given on the command line in place of its own settings."""
    limits = host.limits
    if memory is not None:
        limits = replace(limits, memory_bytes=memory)
    if cpus is not None:
        limits = replace(limits, cpus=cpus)
    return replace(host, limits=limits, build=build or host.build)


def state_dir() -> Path:
    """Where this machine keeps runs, environments and logs: $WORKHORSE_HOME or ~/.workhorse.

    Raises:
        UsageError: $WORKHORSE_HOME is not an absolute path.
    """
    named = os.environ.get("WORKHORSE_HOME")
    if not named:
        return Path.home() / ".workhorse"
    path = Path(named).expanduser()
    if not path.is_absolute():
        raise UsageError(
            f'WORKHORSE_HOME is "{named}", which is not an absolute path',
            hint="Set it to a full path, or unset it.",
        )
    return path


def environment() -> dict[str, str]:
    """A copy of this process's environment, for the programs it starts."""
    return dict(os.environ)


def _refuse_odd_data(path: Path, hosts: Mapping[str, _HostEntry]) -> None:
    """Raises: ConfigInvalid where `data` cannot mean anything, with the path of each fault."""
    problems = []
    for name, entry in hosts.items():
        if entry.data and entry.destination is None:
            problems.append(f"hosts/{name}/data: this machine sees its own files; leave it out")
        twins = Counter(map(_here, entry.data))
        problems += [
            f"hosts/{name}/data/{key}: the same folder as another key"
            for key in entry.data
            if twins[_here(key)] > 1
        ]
    if problems:
        lines = "".join(f"\n  {line}" for line in problems)
        raise ConfigInvalid(
            f"{path}: data that hosts see:{lines}",
            hint="On the left a folder of this machine, on the right the host's path of it.",
        )


def _here(text: str) -> Path:
    return Path(os.path.normpath(Path(text).expanduser()))


def _host(name: str, entry: _HostEntry) -> HostConfig:
    local = entry.destination is None
    return HostConfig(
        name=name,
        transport="local" if local else "ssh",
        runtime=entry.runtime,
        reason="",
        state_dir=_state_dir(entry, local=local),
        destination=entry.destination,
        docker_binary=entry.docker_binary,
        base_image=entry.base_image,
        limits=entry.limits.limits(),
        build=entry.build,
        data=tuple(DataFolder(_here(key), Path(value)) for key, value in entry.data.items()),
    )


def _state_dir(entry: _HostEntry, *, local: bool) -> Path:
    """`~` is the home on the host, which is known once there is a connection."""
    if not local:
        return Path(entry.state_dir or "~/.workhorse")
    return Path(entry.state_dir).expanduser() if entry.state_dir else state_dir()
