"""SIGTERM and SIGINT: interrupt the running cell; kill the kernel if it does not listen."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from remote.runner.process import KernelProcess

# From the first signal to the kill. The rest of the 5 s is for saving and the outcome.
GRACE_SECONDS = 2.5


class Stop:
    """Remembers that the run is to end, and makes the kernel do so.

    Attributes:
        signal: the name of the first signal ("SIGTERM"); None as long as the run goes on.
    """

    def __init__(self) -> None:
        self.signal: str | None = None
        self._kernel: KernelProcess | None = None
        self._timer: threading.Timer | None = None

    def attach(self, kernel: KernelProcess) -> None:
        """From now on a stop reaches this kernel; one that came before does at once."""
        self._kernel = kernel
        if self.signal:
            self._kill()

    def on_signal(self, number: int, _frame: FrameType | None) -> None:
        """First: interrupt, and kill after a grace. Again: kill now."""
        if self.signal:
            self._kill()
            return
        self.signal = signal.Signals(number).name
        if self._kernel is not None:
            self._kernel.signal_group(signal.SIGINT)
        self._timer = threading.Timer(GRACE_SECONDS, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def _kill(self) -> None:
        if self._kernel is not None:
            self._kernel.signal_group(signal.SIGKILL)


@contextmanager
def stop_on_signals() -> Iterator[Stop]:
    """Handle SIGTERM and SIGINT for the block; SIGHUP (a closed terminal) ends nothing."""
    stop = Stop()
    handled = {signal.SIGTERM: stop.on_signal, signal.SIGINT: stop.on_signal}
    before = {number: signal.signal(number, handler) for number, handler in handled.items()}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
