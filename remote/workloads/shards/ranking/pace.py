"""When requests may begin: so many a minute, and none while the service wants to be left alone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class Over(Exception):
    """Nobody waits for answers any more."""


class Pace:
    """Shared by all who ask. Slots follow one another evenly, so that no minute has more."""

    def __init__(
        self,
        per_minute: float,
        over: threading.Event,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], bool] | None = None,
    ) -> None:
        """`over` ends all waiting; `wait` sleeps so many seconds and says whether it is set."""
        self._interval = 60.0 / per_minute
        self._clock = clock
        self._wait = wait or over.wait
        self._lock = threading.Lock()
        self._next = clock()
        self._held_until = self._next

    def turn(self) -> None:
        """Return when a request may begin.

        Raises:
            Over: it never will.
        """
        with self._lock:
            at = max(self._next, self._clock())
            self._next = at + self._interval
        while (left := max(at, self._held_until) - self._clock()) > 0:
            self.sleep(left)
        self.sleep(0)

    def hold(self, seconds: float) -> None:
        """Let nobody begin for a while: the service said so."""
        with self._lock:
            self._held_until = max(self._held_until, self._clock() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait.

        Raises:
            Over: there is nothing to wait for.
        """
        if self._wait(seconds):
            raise Over
