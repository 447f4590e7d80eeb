"""Things that are timed, in turns.

A machine's speed drifts, and others use it: what is compared takes turns, round after round, so
that a slow minute meets all of it. Ratios are taken within a round. Making temporary output and
removing it again is not part of a time.
"""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """One time that something was done.

    Attributes:
        rows: spectra done.
        seconds: by the clock.
        cpu: seconds of processors, those of child processes that have ended included.
        size: bytes written, where that is told.
        own_cpu: the part of `cpu` that is of this process.
    """

    rows: int
    seconds: float
    cpu: float
    size: int = 0
    own_cpu: float = 0.0

    @property
    def rate(self) -> float:
        """Spectra/s."""
        return self.rows / self.seconds

    @property
    def cpu_rate(self) -> float:
        """Spectra per second of one processor."""
        return self.rows / self.cpu if self.cpu else float("inf")


@dataclass(frozen=True)
class Case:
    """Something to time: `work` sets up what it needs, times its core, and cleans up."""

    group: str
    name: str
    work: Callable[[], Measured]


@dataclass(frozen=True)
class Result:
    """What came of a case, a figure for each round."""

    group: str
    name: str
    rounds: tuple[Measured, ...]

    @property
    def rate(self) -> float:
        """Spectra/s, the median of the rounds."""
        return statistics.median(x.rate for x in self.rounds)

    @property
    def cpu_rate(self) -> float:
        """Spectra per second of one processor, the median of the rounds."""
        return statistics.median(x.cpu_rate for x in self.rounds)


def cpu_seconds(who: int) -> float:
    """What this process, or those of its children that have ended, have used of processors."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], tuple[int, int]]) -> Measured:
    """Time `work`, which returns how many spectra it did and how many bytes it wrote."""
    both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    before = [cpu_seconds(who) for who in both]
    began = time.perf_counter()
    rows, size = work()
    seconds = time.perf_counter() - began
    own, children = (cpu_seconds(who) - x for who, x in zip(both, before, strict=True))
    return Measured(rows, seconds, own + children, size, own)


def in_turns(cases: Sequence[Case], runs: int) -> tuple[Result, ...]:
    """Each case once a round, `runs` rounds; Ctrl-C ends it with the rounds that are whole."""
    rounds: list[tuple[Measured, ...]] = []
    try:
        for turn in range(runs):
            rounds += [tuple(_told(turn, case) for case in cases)]
    except KeyboardInterrupt:
        if not rounds:
            raise
        print(f"stopped: figures are of {len(rounds)} of {runs} rounds", file=sys.stderr)
    columns = zip(*rounds, strict=True)
    return tuple(Result(x.group, x.name, y) for x, y in zip(cases, columns, strict=True))


def _told(turn: int, case: Case) -> Measured:
    """Do it, and tell a person who waits."""
    done = case.work()
    took = f"{done.seconds:.2f} s, {done.rate:,.0f} spectra/s"
    print(f"round {turn + 1}: {case.group}, {case.name}: {took}", file=sys.stderr)
    return done


def of_group(results: Iterable[Result], group: str) -> dict[str, Result]:
    """The results of one group by name."""
    return {x.name: x for x in results if x.group == group}
