"""The supervisor of a run on the process runtime: run as a module with the run's directory.

It detaches into a session of its own, starts the runner, and owns the run until it has ended:
passes a stop on, ends what the runner leaves behind, and writes an outcome where the runner
died without one. The command returns as soon as the supervisor has recorded itself, so that it
works the same started by a child process or over a link.

Runs on the host, in the run's own environment: standard library only. Reads
`RUNDIR/launch.json` ({"argv", "environment", "directory", "marker", "grace_seconds"}), writes
`RUNDIR/supervisor.json` ({"supervisor": identity, "runner": identity}).
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from remote.hosts.process.identity import ProcessIdentity, end_processes_of, identify

LAUNCH = "launch.json"
STATE = "supervisor.json"
_POLL_SECONDS = 0.1
_PR_SET_PDEATHSIG = 1
# What of the host's own environment a run may see; the rest of it is the launcher's.
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "OPENBLAS_CORETYPE")


class Supervisor:
    """One run, from start to outcome."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.launch: dict[str, Any] = json.loads((directory / LAUNCH).read_text())
        self.stop_requested: float | None = None
        self.started_at = datetime.now(UTC)

    def main(self, ready: int) -> None:
        """Run to the end; writes one byte to `ready` once the state file is there."""
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        kills_before = _oom_kills()
        process = self._start()
        runner = identify(process.pid)
        self._record(runner)
        os.write(ready, b"1")
        os.close(ready)
        self._wait(process)
        end_processes_of(self.launch["marker"])
        if not (self.directory / "outcome.json").exists():
            killed_for_memory = _oom_kills() > kills_before
            self._write_outcome(process.returncode, killed_for_memory)

    def _on_stop(self, _signum: int, _frame: FrameType | None) -> None:
        if self.stop_requested is None:
            self.stop_requested = time.monotonic()

    def _start(self) -> subprocess.Popen[bytes]:
        inherited = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        with (self.directory / "runner.log").open("ab") as log:
            return subprocess.Popen(
                self.launch["argv"],
                cwd=self.launch["directory"],
                env={**inherited, **self.launch["environment"]},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_in_runner,  # noqa: PLW1509 - this process has one thread
            )

    def _record(self, runner: ProcessIdentity | None) -> None:
        own = identify(os.getpid())
        _write_json(
            self.directory / STATE,
            {
                "supervisor": own.as_json() if own else None,
                "runner": runner.as_json() if runner else None,
            },
        )

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        told = False
        while process.poll() is None:
            if self.stop_requested is not None:
                if not told:
                    _signal_group(process.pid, signal.SIGTERM)
                    told = True
                elif time.monotonic() - self.stop_requested > self.launch["grace_seconds"]:
                    _signal_group(process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)

    def _write_outcome(self, returncode: int, killed_for_memory: bool) -> None:
        state, exit_code, problem = explain(
            returncode, self.stop_requested is not None, killed_for_memory
        )
        finished = datetime.now(UTC)
        _write_json(
            self.directory / "outcome.json",
            {
                "schema": 1,
                "state": state,
                "exit_code": exit_code,
                "error": {"kind": "Supervisor", "problem": problem, "hint": "", "cell": None},
                "started_at": self.started_at.isoformat().replace("+00:00", "Z"),
                "finished_at": finished.isoformat().replace("+00:00", "Z"),
                "seconds": (finished - self.started_at).total_seconds(),
                "written_by": "supervisor",
            },
        )


def explain(returncode: int, stopped: bool, killed_for_memory: bool) -> tuple[str, int, str]:
    """State, exit code and problem of a runner that ended without an outcome."""
    if stopped:
        return "cancelled", 6, "stopped before the runner could write its outcome"
    if returncode == -signal.SIGKILL and killed_for_memory:
        return "out-of-memory", 5, "the machine ran out of memory and the runner was killed"
    if returncode < 0:
        name = signal.Signals(-returncode).name
        return "interrupted", 7, f"the runner was killed by {name} and left no outcome"
    return "failed", 70, f"the runner ended with exit status {returncode} and left no outcome"


def detach(directory: Path) -> int:
    """Start the supervisor of `directory` in a new session; return once it is recorded."""
    reading, writing = os.pipe()
    if os.fork() > 0:
        os.close(writing)
        return 0 if os.read(reading, 1) == b"1" else 1
    os.close(reading)
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    _redirect(directory / "supervisor.log")
    os.chdir(directory)
    Supervisor(directory).main(writing)
    return 0


def _redirect(log: Path) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for source, target in ((null, 0), (out, 1), (out, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(out)


def _in_runner() -> None:
    """Before the runner begins: signals as if nobody had ignored them, and a tie to us.

    A shell's background job has SIGINT ignored, which a kernel would inherit; then nothing could
    interrupt its cells. On Linux a runner whose supervisor is killed goes with it; elsewhere
    whoever finds it ends it.
    """
    for signum in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(signum, signal.SIG_DFL)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _signal_group(pid: int, signum: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signum)


def _oom_kills() -> int:
    """How often this kernel has killed for memory since it booted; 0 where it does not say."""
    with suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _write_json(path: Path, value: Mapping[str, object]) -> None:
    """Write, fsync, rename: a reader sees the whole file or none."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("w", encoding="utf-8") as file:
        json.dump(value, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(detach(Path(sys.argv[1]).resolve()))
