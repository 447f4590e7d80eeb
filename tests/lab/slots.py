"""Which lab hosts there are. A slot is a number, a network, a directory, and at most one host.

A host is found by the marker in the environment of its processes, never by a recorded pid: a
test run that was killed between two lines leaves nothing that the next one would not find. The
slot's `record.json` says whose host it is.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from remote.hosts.command import run
from remote.hosts.process.identity import ProcessIdentity, identify, processes_of
from tests.lab.commands import MARKER, Argv, Link
from tests.lab.machine import lab_directory, routes, search_path

SLOTS = 16
# What outlives a host: its engine's images and identity.
_KEPT = frozenset({"engine"})
_END_SECONDS = 10
_STEP_SECONDS = 20


class LabFull(AssertionError):
    """No place for one more host."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One place for a host."""

    number: int

    @property
    def directory(self) -> Path:
        return lab_directory() / "hosts" / str(self.number)

    @property
    def record(self) -> Path:
        return self.directory / "record.json"

    def engine(self, flavour: str) -> Path:
        """What outlives hosts: data and identity of the engine of that name."""
        return self.directory / "engine" / flavour

    @property
    def link(self) -> Link:
        return Link(self.number)

    @property
    def disk(self) -> Path:
        """The host's disk, where it has one that is smaller than this machine's."""
        return self.directory / "disk.img"

    @property
    def marker(self) -> str:
        """Stands in the environment of the host's own processes, its containers' excepted."""
        return f"{MARKER}={self.directory}"

    @property
    def cgroup(self) -> str:
        """The parent of its containers' control groups."""
        return f"/workhorse-lab-{self.number}"

    def is_owned(self) -> bool:
        """True while whoever claimed the slot lives, or where it was claimed for good."""
        try:
            owner = json.loads(self.record.read_text())["owner"]
        except json.JSONDecodeError:  # killed while it was written
            return False
        return owner is None or ProcessIdentity.from_json(owner).alive()

    def process_1(self) -> int | None:
        """The pid, on this machine, of the host's process 1; None where it is off."""
        for pid in processes_of(self.marker):
            with suppress(OSError):
                status = Path(f"/proc/{pid}/status").read_text()
                pids = next(line for line in status.splitlines() if line.startswith("NSpid:"))
                if pids.split()[2:] == ["1"]:
                    return pid
        return None

    def power_off(self) -> None:
        """Kill everything that runs on the host at once; its files stay."""
        limit = time.monotonic() + _END_SECONDS
        while pids := list(processes_of(self.marker)):
            assert time.monotonic() < limit, f"these do not end: {pids}"
            first = self.process_1()
            for pid in pids if first is None else [first]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        while self._disk_in_use():
            assert time.monotonic() < limit, f"{self.disk} stays mounted"
            time.sleep(0.02)
        attempt_all(self.link.disconnect())
        for controllers in Path("/sys/fs/cgroup").glob(f"**{self.cgroup}"):
            _remove_groups(controllers)

    def clear(self) -> None:
        """After `power_off`: forget the host, but for the images of its engine.

        The record goes last: until then a sweep finds the rest.
        """
        for path in self.directory.iterdir():
            if path.name not in _KEPT and path != self.record:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        attempt_all(self.link.release())
        self.record.unlink(missing_ok=True)

    def _disk_in_use(self) -> bool:
        if not self.disk.exists():
            return False
        listing = ["losetup", "--associated", str(self.disk)]
        return bool(run(listing, timeout=_STEP_SECONDS, extra_env=search_path()).stdout)


def claim(name: str, owner: ProcessIdentity | None, flavour: str) -> Slot:
    """A free slot, now held by `owner` (None: until somebody takes the host down).

    Networks that this machine knows are avoided; a slot that had such an engine comes first.
    """
    record = {
        "name": name,
        "flavour": flavour,
        "owner": None if owner is None else owner.as_json(),
    }
    with _locked():
        sweep_locked()
        known = routes()
        free = [
            slot
            for slot in map(Slot, range(SLOTS))
            if not slot.record.exists()
            and not any(network.overlaps(IPv4Network(slot.link.network)) for network in known)
        ]
        if not free:
            raise LabFull(f"all {SLOTS} places are taken: python -m tests.lab list")
        slot = next((slot for slot in free if slot.engine(flavour).is_dir()), free[0])
        slot.directory.mkdir(parents=True, exist_ok=True)
        slot.record.write_text(json.dumps(record))
        execute_all(slot.link.reserve())
        return slot


def sweep() -> None:
    """Take down the hosts whose owners are gone."""
    with _locked():
        sweep_locked()


def sweep_locked() -> None:
    """As `sweep`, for a caller that holds the lock."""
    for slot in taken():
        if not slot.is_owned():
            slot.power_off()
            slot.clear()


def forget() -> None:
    """Remove the engines of all slots that nobody holds, images and all."""
    with _locked():
        for slot in map(Slot, range(SLOTS)):
            if not slot.record.exists():
                shutil.rmtree(slot.directory, ignore_errors=True)


def taken() -> list[Slot]:
    """Every slot that somebody holds."""
    return [slot for slot in map(Slot, range(SLOTS)) if slot.record.exists()]


def this_process() -> ProcessIdentity:
    """Whoever starts hosts that are to end with it."""
    own = identify(os.getpid())
    assert own is not None
    return own


def attempt_all(commands: list[Argv]) -> None:
    """Run what may find nothing to do."""
    for argv in commands:
        run(argv, timeout=_STEP_SECONDS, extra_env=search_path(), check=False)


def execute_all(commands: list[Argv]) -> None:
    """Run what must succeed."""
    for argv in commands:
        run(argv, timeout=_STEP_SECONDS, extra_env=search_path())


@contextmanager
def _locked() -> Iterator[None]:
    directory = lab_directory()
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _remove_groups(top: Path) -> None:
    """Control groups go from the leaves up, once their processes are gone."""
    for path, _, _ in os.walk(top, topdown=False):
        with suppress(OSError):
            os.rmdir(path)  # noqa: PTH106
