"""Which process is meant: a pid alone is reused, so it goes with start time and boot id.

Imports nothing outside the standard library: the supervisor runs it in a run's environment.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_PROC = Path("/proc")
_PS_SECONDS = 5


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process of this machine, known across pid reuse and reboots."""

    pid: int
    started: str
    boot: str

    @classmethod
    def from_json(cls, value: Mapping[str, object]) -> ProcessIdentity:
        return cls(int(str(value["pid"])), str(value["started"]), str(value["boot"]))

    def as_json(self) -> dict[str, object]:
        return asdict(self)

    def alive(self) -> bool:
        """True while this very process runs (a zombie does not)."""
        return identify(self.pid) == self

    def send(self, signum: signal.Signals) -> bool:
        """Signal the process if it is still the one meant; False where it is gone."""
        if not self.alive():
            return False
        with suppress(ProcessLookupError):
            os.kill(self.pid, signum)
            return True
        return False


def identify(pid: int) -> ProcessIdentity | None:
    """The identity of a running process; None where there is none or only a zombie."""
    started = _started_linux(pid) if _PROC.joinpath("self/stat").exists() else _started_ps(pid)
    return None if started is None else ProcessIdentity(pid, started, boot_id())


def boot_id() -> str:
    """A value that changes with every boot of this machine."""
    linux = _PROC / "sys/kernel/random/boot_id"
    if linux.exists():
        return linux.read_text().strip()
    name = "kern.bootsessionuuid"
    return _output(["/usr/sbin/sysctl", "-n", name]) or "unknown"


def processes_of(marker: str) -> Iterator[int]:
    """Pids of own processes whose environment holds `marker` ("NAME=value"), Linux only.

    This is how the whole of a run is found, whatever sessions and groups its processes made.
    """
    wanted = marker.encode()
    for entry in _PROC.glob("[0-9]*"):
        with suppress(OSError):
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                yield int(entry.name)


def end_processes_of(marker: str) -> None:
    """Kill every process that `processes_of` finds, until none is left (bounded)."""
    for _ in range(20):
        found = [pid for pid in processes_of(marker) if pid != os.getpid()]
        if not found:
            return
        for pid in found:
            with suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)


def _started_linux(pid: int) -> str | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return None
    fields = stat[stat.rindex(")") + 2 :].split()
    return None if fields[0] in ("Z", "X") else fields[19]


def _started_ps(pid: int) -> str | None:
    line = _output(["/bin/ps", "-o", "stat=,lstart=", "-p", str(pid)])
    state, _, started = line.partition(" ")
    return None if not line or state.startswith("Z") else started.strip()


def _output(argv: list[str]) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=_PS_SECONDS, check=False)
    return done.stdout.strip()
