"""The steps of a run as its watcher sees them, with the time that each took."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from remote.model import Listener, StepDetail, StepFinished, StepStarted


class Steps:
    """Announces steps to a listener and remembers their seconds by name."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.timings: dict[str, float] = {}

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[Callable[[str], None]]:
        """One step; gives what says, while it is under way, what it does at the moment."""
        self._listener(StepStarted(name, detail))
        started = time.monotonic()
        last = detail

        def say(text: str) -> None:
            nonlocal last
            if text.strip() and text != last:
                last = text
                self._listener(StepDetail(name, text.strip()))

        yield say
        seconds = round(time.monotonic() - started, 3)
        self.timings[name] = seconds
        self._listener(StepFinished(name, seconds))
