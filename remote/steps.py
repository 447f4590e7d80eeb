"""The steps of a run as its watcher sees them, with the time that each took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from remote.model import Listener, Notice, StepDetail, StepFinished, StepStarted


class Step:
    """A step that is under way. Called, it says what it does at the moment.

    `result` is what remains to be read once it has ended.
    """

    def __init__(self, name: str, detail: str, listener: Listener) -> None:
        self._name = name
        self._last = detail
        self._listener = listener
        self.result = ""

    def __call__(self, text: str) -> None:
        if text.strip() and text != self._last:
            self._last = text
            self._listener(StepDetail(self._name, text.strip()))


class Steps:
    """Announces steps to a listener and remembers their seconds by name."""

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self.timings: dict[str, float] = {}

    def notice(self, text: str) -> None:
        """Say something that the person should read once."""
        self._listener(Notice(text))

    @contextmanager
    def step(self, name: str, detail: str = "") -> Iterator[Step]:
        """One step, announced at its beginning and, where it went well, at its end."""
        self._listener(StepStarted(name, detail))
        started = time.monotonic()
        step = Step(name, detail, self._listener)
        yield step
        seconds = round(time.monotonic() - started, 3)
        self.timings[name] = seconds
        self._listener(StepFinished(name, seconds, step.result))
