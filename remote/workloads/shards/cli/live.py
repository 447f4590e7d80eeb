"""Progress of a build: one line that changes on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Protocol, TextIO

from remote.workloads.shards.meter import Progress

_BAR = 24
_TERMINAL_SECONDS = 0.25
_PLAIN_SECONDS = 10.0


class Steps(Protocol):
    """How far something is: `done` of `total` spectra."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...


def line(now: Progress, rate: float) -> str:
    """One line about a build; `rate` in spectra per second."""
    return counted(
        now,
        rate,
        f"written {now.written:,}  dropped {now.dropped:,}  errors {now.errors:,}  "
        f"shards {now.shards}",
    )


def counted(now: Steps, rate: float, counts: str) -> str:
    """How far it is, how fast, what was counted, and how long it will take."""
    share = now.done / now.total if now.total else 1.0
    left = f", {_duration((now.total - now.done) / rate)} left" if rate and share < 1 else ""
    return f"{share:4.0%}  {now.done:,}/{now.total:,} spectra  {rate:,.0f}/s  {counts}{left}"


class Live:
    """Told of each row group, it shows how far the work is, at most four times a second."""

    def __init__(
        self,
        sink: TextIO,
        clock: Callable[[], float] = time.monotonic,
        line: Callable[[Any, float], str] = line,
    ) -> None:
        self._sink = sink
        self._line = line
        self._clock = clock
        self._terminal = sink.isatty()
        self._first: tuple[float, int] | None = None
        self._last = float("-inf")
        self._open = False

    def __call__(self, now: Steps) -> None:
        """Show it, if it is time."""
        moment = self._clock()
        if self._first is None:
            self._first = (moment, now.done)
        wait = _TERMINAL_SECONDS if self._terminal else _PLAIN_SECONDS
        if moment - self._last < wait and now.done < now.total:
            return
        self._last = moment
        began, done_before = self._first
        elapsed = moment - began
        rate = (now.done - done_before) / elapsed if elapsed > 0 else 0.0
        text = self._line(now, rate)
        if self._terminal:
            self._sink.write(f"\r\x1b[2K{_bar(now)} {text}")
            self._open = True
        else:
            self._sink.write(f"{text}\n")
        self._sink.flush()

    def close(self) -> None:
        """End the line that changes, if one is there."""
        if self._open:
            self._sink.write("\n")
            self._open = False


def _bar(now: Steps) -> str:
    filled = _BAR * now.done // now.total if now.total else _BAR
    return f"[{'#' * filled}{' ' * (_BAR - filled)}]"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
