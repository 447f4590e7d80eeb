"""Controllers as people have them: a checkout, a home, a state directory, and `remote`."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SECONDS = 180


@dataclass(frozen=True)
class Controller:
    """One machine that a person types at, as far as `remote` can tell."""

    checkout: Path
    home: Path

    @property
    def results(self) -> Path:
        return self.checkout / "results"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name != "SSH_AUTH_SOCK"}
        return {
            **kept,
            "HOME": str(self.home),
            "WORKHORSE_HOME": str(self.home / "state"),
            "PYTHONPATH": str(self.checkout),
            "COLUMNS": "120",
            "LINES": "50",
            "TERM": "xterm",
        }

    def remote(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A command to its end."""
        return subprocess.run(
            self._argv(arguments),
            cwd=self.checkout,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )

    def runs(self) -> list[dict[str, Any]]:
        """What `ps` lists on the host."""
        done = self.remote("ps", "--host", "mini", "--json")
        assert done.returncode == 0, done.stderr
        found: list[dict[str, Any]] = json.loads(done.stdout)
        return found

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """A command under way, in a session of its own; killed at the end."""
        with subprocess.Popen(
            self._argv(arguments),
            cwd=self.checkout,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
        ) as process:
            yield process
            process.kill()

    @contextmanager
    def on_terminal(self, *arguments: str) -> Iterator[Terminal]:
        """A command whose display is a terminal's."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 120, 0, 0))
        try:
            process = subprocess.Popen(
                self._argv(arguments),
                cwd=self.checkout,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=theirs,
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        with process, os.fdopen(ours, "rb", buffering=0):
            yield Terminal(process, ours)
            process.kill()

    def _argv(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "remote", *arguments]


@dataclass
class Terminal:
    """A process and all that it has shown."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = field(default="")

    def wait_for(self, text: str) -> None:
        """Until the display says something that it has not said before this call."""
        already = len(self.shown)
        limit = time.monotonic() + SECONDS
        while text not in self.shown[already:]:
            assert time.monotonic() < limit, f"{text!r} is never shown:\n{self.shown}"
            assert self._read(0.2) or self.process.poll() is None, self.shown

    def watch(self, seconds: float) -> None:
        """Go on reading, as a terminal does; whoever is not read from stops."""
        limit = time.monotonic() + seconds
        while time.monotonic() < limit and self.process.poll() is None:
            self._read(0.1)

    def end(self) -> tuple[int, str]:
        """Its exit code and what it wrote to stdout."""
        self.watch(SECONDS)
        code = self.process.wait(1)
        while self._read(0.1):
            pass
        assert self.process.stdout is not None
        return code, self.process.stdout.read().decode().strip()

    def _read(self, seconds: float) -> bool:
        if not select.select([self.descriptor], [], [], seconds)[0]:
            return False
        with suppress(OSError):  # Linux says EIO where the other side is closed
            piece = os.read(self.descriptor, 1 << 16)
            self.shown += piece.decode(errors="replace")
            return bool(piece)
        return False
