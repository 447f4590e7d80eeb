"""executed.ipynb: always whole, never saved more often than it is worth."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from remote.runner.directory import write_atomically

SECONDS_BETWEEN_SAVES = 2.0
# A save may take at most this share of the time.
_SAVING_SHARE = 0.1


class NotebookFile:
    """Saves a notebook atomically; `save_if_due` at most every few seconds.

    The pause grows with what a save costs, so that a notebook with giant outputs is not slowed.

    Attributes:
        failure: why the latest save failed; None where it went well. The file then is the
            one before, complete.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._path = path
        self._clock = clock
        self._due = clock() + SECONDS_BETWEEN_SAVES
        self.failure: OSError | None = None

    def save_if_due(self, notebook: Any) -> None:
        """Save, if the last save is long enough ago."""
        if self._clock() >= self._due:
            self.save(notebook)

    def save(self, notebook: Any) -> None:
        """Save now; what goes wrong is kept in `failure`."""
        from nbformat.v4 import writes

        started = self._clock()
        try:
            write_atomically(self._path, writes(notebook).encode("utf-8", "replace") + b"\n")
            self.failure = None
        except OSError as error:
            self.failure = error
        ended = self._clock()
        self._due = ended + max(SECONDS_BETWEEN_SAVES, (ended - started) / _SAVING_SHARE)
