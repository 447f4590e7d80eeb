"""Samples the memory of the run while it runs."""

from __future__ import annotations

import os
import resource
import sys
import threading

from remote.runner.events import Emit
from remote.workloads.memory import (
    find_cgroup,
    machine_memory,
    memory_limit,
    system_oom_kills,
    tree_bytes,
)

SECONDS_BETWEEN_SAMPLES = 1.0
_SAMPLES_PER_RECORD = 2


class MemoryWatch(threading.Thread):
    """Samples every second, tells every two seconds, and knows the counters from the start.

    Attributes:
        limit_bytes: the lowest of the cgroup's limit and the machine's memory.
        limited: True where a cgroup's limit is below the machine's memory.
    """

    def __init__(self, emit: Emit) -> None:
        super().__init__(name="memory-watch", daemon=True)
        self._emit = emit
        self._cgroup = find_cgroup()
        self._sampled_peak = 0
        self._ended = threading.Event()
        self._kills_before = self._kills()
        self._system_kills_before = system_oom_kills()
        self._mark = self._kills()
        self.limit_bytes = memory_limit()
        self.limited = self.limit_bytes < machine_memory()

    def run(self) -> None:
        """Until `end`."""
        samples = 0
        while not self._ended.wait(SECONDS_BETWEEN_SAMPLES):
            current = tree_bytes(os.getpid())
            self._sampled_peak = max(self._sampled_peak, current)
            samples += 1
            if samples % _SAMPLES_PER_RECORD == 0:
                self._emit(
                    "memory",
                    current_bytes=current,
                    peak_bytes=self._sampled_peak,
                    limit_bytes=self.limit_bytes,
                )

    def end(self) -> None:
        """Stop sampling."""
        self._ended.set()
        if self.is_alive():
            self.join(2)

    @property
    def peak_bytes(self) -> int:
        """The most that was seen, or that one ended child process ever held."""
        unit = 1 if sys.platform == "darwin" else 1024
        child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
        return max(self._sampled_peak, child)

    @property
    def charged_bytes(self) -> int:
        """The peak as the limit saw it: the cgroup's own figure where there is a limit."""
        charged = self._cgroup.peak() if self._cgroup and self.limited else None
        return max(charged or 0, self.peak_bytes)

    @property
    def oom_kills(self) -> int:
        """Processes of the run's cgroup that were killed for memory since the start."""
        return self._kills() - self._kills_before

    def _kills(self) -> int:
        return self._cgroup.oom_kills() if self._cgroup else 0

    def mark(self) -> None:
        """From here on `oom_kills_since_mark` counts."""
        self._mark = self._kills()

    @property
    def oom_kills_since_mark(self) -> int:
        """Processes of the run's cgroup that were killed for memory since `mark`."""
        return self._kills() - self._mark

    @property
    def system_oom_kills(self) -> int:
        """The same, counted over the whole machine: evidence only next to a SIGKILL."""
        return system_oom_kills() - self._system_kills_before
