"""A runtime that holds its runs in memory, and a host around it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from remote.hosts.connect import Host
from remote.hosts.layout import StateLayout
from remote.hosts.local import LocalTransport
from remote.hosts.runtime import LaunchPlan, Places, Status
from remote.model import HostConfig, Limits


@dataclass
class FakeRuntime:
    """Runs are names; `statuses` says what became of one."""

    statuses: dict[str, Status] = field(default_factory=dict)

    def places(self, directory: Path, cache: Path) -> Places:
        return Places(directory, directory / "output", directory, cache)

    def effective_limits(self, asked: Limits) -> Limits:
        return asked

    def facts(self) -> Mapping[str, object]:
        return {}

    def path_in_run(self, parameter: str, path: Path) -> Path:
        return Path("/inputs") / parameter / path.name

    def prepare(self, plan: LaunchPlan) -> None:
        (plan.directory / "output").mkdir()

    def start(self, plan: LaunchPlan) -> None:
        self.statuses[plan.id] = Status(running=True)

    def status(self, directory: Path) -> Status:
        return self.statuses.get(directory.name, Status(running=False, known=False))

    def stop(self, directory: Path) -> None:
        self.statuses[directory.name] = Status(running=False, exit_code=137)

    def remove(self, directory: Path) -> None:
        self.statuses.pop(directory.name, None)


def fake_host(state: Path) -> Host:
    """This machine with a fake runtime; the transport is real."""
    config = HostConfig("local", "local", "process", "a test", state)
    return Host(config, LocalTransport(), FakeRuntime(), StateLayout(state))
