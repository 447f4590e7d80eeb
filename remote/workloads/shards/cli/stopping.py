"""Ctrl-C and SIGTERM: what is written is made safe, and the command ends within two seconds.

The first signal interrupts the work, which checkpoints on its way out. Whatever still holds the
process up after that is left, for a build survives a kill at any instruction. A second signal
ends it at once. Whoever stopped a build is told the command that goes on with it.
"""

from __future__ import annotations

import os
import select
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from remote.errors import Cancelled

# From the first signal; the rest of the two seconds is for a machine that is busy.
PATIENCE_SECONDS = 1.5
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_NAME_VARIABLE = "WORKHORSE_MSMS"


@contextmanager
def stopping(tell: Callable[[], None]) -> Iterator[None]:
    """Handle both signals for the block. `tell` says what to do next; called at most once here.

    A signal that is ignored, as Ctrl-C is for a shell's background job, stays so.
    """
    heard, wake = os.pipe()
    os.set_blocking(wake, False)
    # The number of each signal goes to the pipe even while the main thread runs compiled code.
    before_fd = signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    handled = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    interrupt = _once()
    before = {number: signal.signal(number, interrupt) for number in handled}
    watcher = threading.Thread(target=_watch, args=(heard, tell), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        os.close(wake)
        watcher.join()
        os.close(heard)


def _once() -> Callable[[int, FrameType | None], None]:
    """A handler that interrupts once: a second time would tear what the first is about to end."""
    asked = False

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if not asked:
            asked = True
            raise KeyboardInterrupt

    return interrupt


def _watch(heard: int, tell: Callable[[], None]) -> None:
    """End the process at the second signal, or when the patience after the first is over."""
    if not _signalled(heard, None):
        return
    # False: the work has ended by itself. True, None: it has not.
    if _signalled(heard, PATIENCE_SECONDS) is not False:
        tell()
        os._exit(Cancelled.exit_code)


def _signalled(heard: int, seconds: float | None) -> bool | None:
    """True for one of ours, False where the pipe was closed, None where the time is up."""
    while True:
        ready, _, _ = select.select([heard], [], [], seconds)
        if not ready:
            return None
        number = os.read(heard, 1)
        if not number:
            return False
        if number[0] in _SIGNALS:
            return True


def farewell(arguments: Sequence[str]) -> tuple[str, str]:
    """What is said when `msms` with these arguments was stopped: what became of it, and advice."""
    if "--interactive" in arguments:
        return "Stopped. Nothing was begun.", ""
    return "Stopped. What was written is kept.", advice(arguments)


def advice(arguments: Sequence[str]) -> str:
    """What to do after `msms` with these arguments was stopped; may be empty."""
    if arguments[:1] not in (["build-shards"], ["reshard"]) or "--dry-run" in arguments:
        return ""
    if "--no-checkpoint" in arguments:
        return "It kept no journal (--no-checkpoint): empty the output directory and start anew."
    again = [*arguments, *(["--resume"] if "--resume" not in arguments else [])]
    return f"Go on with:\n  {shlex.join([*program(), *again])}"


def program() -> list[str]:
    """How this program was called: a script that wraps it says its own name."""
    name = os.environ.get(_NAME_VARIABLE)
    return [name] if name else sys.orig_argv[: len(sys.orig_argv) - len(sys.argv[1:])]
