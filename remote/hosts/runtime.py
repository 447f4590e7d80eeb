"""What a runtime is: it starts a run detached, says whether it still runs, and stops it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from remote.model import Limits, PlacedImage, StagedInput, StagedRun

# Keeps workers times BLAS threads within the cores; must be set before Python starts.
THREAD_CAPS = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}
STOP_GRACE_SECONDS = 10
# The limit on waiting for a runtime to do what is asked of it, beyond the grace period.
ANSWER_SECONDS = 20


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """All that a runtime needs to start a run. Directories are on the host.

    `cache` is the compiled-kernel cache of this environment and package; `notebooks` the
    project's notebooks as they were when the run was checked. `results_root` is None where the
    run sees no results but those of `runs`.
    """

    id: str
    uuid: str
    placed: PlacedImage
    directory: Path
    results_root: Path | None
    cache: Path
    notebooks: Path
    inputs: tuple[StagedInput, ...]
    limits: Limits
    runs: tuple[StagedRun, ...] = ()


@dataclass(frozen=True, slots=True)
class Places:
    """Where the run itself sees things."""

    directory: Path
    output: Path
    working_directory: Path
    cache: Path


@dataclass(frozen=True, slots=True)
class Status:
    """What the runtime knows of a run. `exit_code` and the rest only where it has ended."""

    running: bool
    known: bool = True
    exit_code: int | None = None
    killed_for_memory: bool = False
    detail: str = ""


class Runtime(Protocol):
    """Docker or process. Every call is bounded in time."""

    def places(self, directory: Path, cache: Path) -> Places:
        """Where the run will see its directory, output, working directory and cache."""
        ...

    def effective_limits(self, asked: Limits) -> Limits:
        """What the run will get, from the real size of what runs it.

        Raises:
            MemoryTooSmall: more was asked than there is.
        """
        ...

    def facts(self) -> Mapping[str, object]:
        """What runs it, for the record: architecture, and the engine where there is one."""
        ...

    def path_in_run(self, parameter: str, path: Path) -> Path:
        """Where the run sees a staged input."""
        ...

    def prepare(self, plan: LaunchPlan) -> None:
        """Make what must be there before the run's files are written."""
        ...

    def start(self, plan: LaunchPlan) -> None:
        """Start the run, detached: it goes on when the controller is gone.

        Raises:
            HostRefused: it cannot be started; nothing is left running.
        """
        ...

    def status(self, directory: Path) -> Status:
        """Whether it runs; a run that was never started is not known."""
        ...

    def stop(self, directory: Path) -> None:
        """Ask the run to end, then make it; returns when it has ended."""
        ...

    def remove(self, directory: Path) -> None:
        """Forget an ended run: containers, leftover processes. Not the directory."""
        ...


def run_environment(run_id: str, places: Places, user: str, home: Path) -> Mapping[str, str]:
    """The variables that a run has on every runtime."""
    return {
        "OUTPUT_DIR": str(places.output),
        "WORKHORSE_RUN_ID": run_id,
        "WORKHORSE_EVENTS": str(places.directory / "events.jsonl"),
        "WORKHORSE_ERROR": str(places.directory / "error.json"),
        "NUMBA_CACHE_DIR": str(places.cache),
        "HOME": str(home),
        "USER": user,
        "LOGNAME": user,
        "PYTHONUNBUFFERED": "1",
        **THREAD_CAPS,
    }
