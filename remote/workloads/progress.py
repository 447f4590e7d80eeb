"""How a workload tells whoever watches the run how far it is.

A record is one JSON line in the file that WORKHORSE_EVENTS names, appended with a single
write(2), so that the runner, a workload and its worker processes share the file without locks.
Without the variable (a notebook opened by hand, a test) no record is written. Telling never
breaks the work: a full disk loses records, not the run.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EVENTS_VARIABLE = "WORKHORSE_EVENTS"
SECONDS_BETWEEN_RECORDS = 0.25


def append_record(path: Path, event: str, fields: Mapping[str, Any]) -> None:
    """Append one record to an events file; raises OSError where that is not possible."""
    record = {"t": round(time.time(), 3), "event": event, **fields}
    line = json.dumps(record, ensure_ascii=False, default=_plain) + "\n"
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        os.write(descriptor, line.encode("utf-8", "backslashreplace"))
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:
    """NumPy scalars as Python numbers, anything else as its text."""
    return value.item() if hasattr(value, "item") else str(value)


def emit(event: str, **fields: Any) -> None:
    """Append a record to the run's events, where there is a run."""
    path = os.environ.get(EVENTS_VARIABLE)
    if path:
        with suppress(OSError):  # see the module's docstring
            append_record(Path(path), event, fields)


@dataclass(slots=True)
class _Stage:
    """What was last said about one stage; `first_*` is where the rate counts from."""

    first_time: float
    first_done: int
    last_time: float


class Meter:
    """Turns any number of calls into at most four records a second and stage, with the rate.

    The first call of a stage and every call that completes it (`done >= total`) are always
    written. The rate counts from the first call, so that what a resumed build skipped is not
    taken for speed. Safe to call from many threads.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._stages: dict[str, _Stage] = {}

    def due(self, stage: str, done: int, total: int | None) -> float | None:
        """Items per second if a record is due now, else None."""
        now = self._clock()
        with self._lock:
            known = self._stages.get(stage)
            if known is None or done < known.first_done:
                self._stages[stage] = _Stage(now, done, now)
                return 0.0
            complete = total is not None and done >= total
            if not complete and now - known.last_time < SECONDS_BETWEEN_RECORDS:
                return None
            known.last_time = now
            elapsed = now - known.first_time
            return (done - known.first_done) / elapsed if elapsed > 0 else 0.0


_meter = Meter()


def progress(stage: str, done: int, total: int | None, *, unit: str = "", **counts: int) -> None:
    """Say that `done` of `total` items of a stage are through; cheap enough for inner loops.

    Args:
        stage: a short name ("shards", "validate"); each has its own rate.
        total: None where it is not known.
        unit: what is counted, plural ("spectra").
        counts: further running totals: written, dropped, errors, shards.
    """
    rate = _meter.due(stage, done, total)
    if rate is not None:
        emit(
            "progress",
            stage=stage,
            done=done,
            total=total,
            unit=unit,
            rate=round(rate, 1),
            **counts,
        )


def notice(text: str) -> None:
    """One line that the person should read once; without a run it goes to stderr."""
    if EVENTS_VARIABLE in os.environ:
        emit("notice", text=text)
    else:
        sys.stderr.write(f"{text}\n")
