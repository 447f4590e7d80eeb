"""The kernel's sys.stdout and sys.stderr: every write goes to kernel.log and to the notebook.

A flush that user code asks for sends nothing at once: the text is in kernel.log already, and
the notebook gets it within 0.2 s together with its neighbours. A loop of a hundred thousand
flushed prints thus makes a few messages, where one message a line overran the channel and lost
a third of them. A flush by the kernel itself (before a picture, an error, the end of a cell)
does send, so that the order in the notebook is the order of events.
"""

from __future__ import annotations

import codecs
import os
import sys
import threading
from typing import Any

from ipykernel.iostream import OutStream

from remote.runner.kernel_log import KernelLog

SECONDS_BETWEEN_LOOKS = 0.1
_SECONDS_BETWEEN_CHECKS = 0.05
_LONGEST_LINE = 1 << 16
_KERNEL_PACKAGES = ("ipykernel", "IPython")


class LoggedStream(OutStream):
    """An OutStream that also writes to kernel.log. `log` is set before the first is made."""

    log: KernelLog

    def __init__(self, session: Any, pub_thread: Any, name: str, **options: Any) -> None:
        options["watchfd"] = False  # descriptors 1 and 2 are kernel.log itself
        super().__init__(session, pub_thread, name, **options)
        self._descriptor = 2 if name == "stderr" else 1
        self._forget_line()
        os.register_at_fork(after_in_child=self._forget_line)

    def _forget_line(self) -> None:
        """A forked child starts with no line begun, and a lock that nobody holds."""
        self._line = b""
        self._line_lock = threading.Lock()

    def fileno(self) -> int:
        """The real descriptor: `subprocess.run(..., stdout=sys.stdout)` works."""
        return self._descriptor

    def write(self, string: str) -> int:
        """In a forked child: to the descriptor alone; the parent shows it from there.

        Raises:
            TypeError: `string` is no text.
        """
        self._log_lines(str.encode(string, "utf-8", "backslashreplace"))
        if self._is_master_process():
            self.show(string)
        return len(string)

    def _log_lines(self, data: bytes) -> None:
        """Whole lines at once, so that those of several processes do not mix."""
        with self._line_lock:
            if not data.endswith(b"\n") and len(data) < _LONGEST_LINE:
                self._line += data
                return
            data, self._line = self._line + data, b""
            self._log(data)

    def log_line(self) -> None:
        """Log a line that was begun and not ended yet."""
        with self._line_lock:
            if self._line:
                data, self._line = self._line, b""
                self._log(data)

    def _log(self, data: bytes) -> None:
        if self._is_master_process():
            self.log.write(data)
        else:
            os.write(self._descriptor, data)

    def show(self, text: str) -> None:
        """To the notebook alone, as long as the kernel speaks to it; kernel.log has `text`."""
        if not self.pub_thread._stopped:
            super().write(text)

    def flush(self) -> None:
        """Send now if the kernel asks, soon if anybody else does (see the module's docstring)."""
        self.log_line()
        if not self._is_master_process():
            return
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith(_KERNEL_PACKAGES):
            DescriptorEcho.catch_up()
            self._send_now()

    def _send_now(self) -> None:
        """Have the sending thread send, and wait for it; not for one that was told to stop.

        A kernel that ends flushes once more while its sending thread stops; the inherited
        flush then waits for ten seconds.
        """
        sender = self.pub_thread
        if not sender.thread.is_alive() or sender.thread is threading.current_thread():
            self._flush()
            return
        sent = threading.Event()
        sender.schedule(self._flush)
        sender.schedule(sent.set)
        while not sent.wait(_SECONDS_BETWEEN_CHECKS):
            if sender._stopped or not sender.thread.is_alive():
                return


class DescriptorEcho(threading.Thread):
    """Shows in the notebook what C libraries and child processes wrote to descriptors 1 and 2."""

    _running: DescriptorEcho | None = None

    def __init__(self, log: KernelLog, *streams: LoggedStream) -> None:
        super().__init__(name="descriptor-echo", daemon=True)
        self._log = log
        self._streams = streams
        self._showing = threading.Lock()
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._lost_shown = 0

    def run(self) -> None:
        """Look ten times a second, for as long as the process lives."""
        DescriptorEcho._running = self
        pause = threading.Event()
        while not pause.wait(SECONDS_BETWEEN_LOOKS):
            for stream in self._streams:
                stream.log_line()
            self.show_new()

    def show_new(self) -> None:
        """Show what is new; in the order in which it was written."""
        with self._showing:
            text = self._decoder.decode(self._log.foreign())
            if self._log.bytes_lost > self._lost_shown:
                self._lost_shown = self._log.bytes_lost
                text += (
                    f"[kernel.log: {self._lost_shown:,} bytes could not be written: disk full?]\n"
                )
            if text:
                self._streams[0].show(text)

    @classmethod
    def catch_up(cls) -> None:
        """Show what is new, now: called where a cell's output must be complete."""
        if cls._running is not None:
            cls._running.show_new()
