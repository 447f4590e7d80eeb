"""The kernel process as the runner holds it: start, connect, interrupt, end."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jupyter_client.asynchronous.client import AsyncKernelClient

_LONGEST_TEMPORARY = 85
_LOG_PIECE = 1 << 20
_CHANNELS = ("shell_port", "iopub_port", "stdin_port", "control_port", "hb_port")


class KernelProcess:
    """A kernel in a session of its own; signals go to its whole process group.

    The channels are Unix sockets in a private directory: no ports to race for, nothing that
    another user of the host could connect to.
    """

    def __init__(
        self, process: subprocess.Popen[bytes], sockets: Path, lifeline: int, log: Path
    ) -> None:
        self._log = log
        self._process = process
        self._sockets = sockets
        self._lifeline = lifeline
        self.started = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.poll()

    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def ready_to_connect(self) -> bool:
        """True once the kernel has bound its sockets."""
        return all((self._sockets / f"k-{n}").exists() for n in range(1, len(_CHANNELS) + 1))

    def client(self) -> AsyncKernelClient:
        """An unconnected client of this kernel."""
        from jupyter_client.asynchronous.client import AsyncKernelClient

        client = AsyncKernelClient()
        client.load_connection_file(str(self._sockets / "connection.json"))
        return client

    def log_size(self) -> int:
        """Bytes in kernel.log by now."""
        return self._log.stat().st_size

    def log_since(self, start: int) -> str:
        """What kernel.log holds from byte `start` on, bounded as a notebook's text is."""
        from remote.runner.text import BoundedText

        text = BoundedText()
        with self._log.open(encoding="utf-8", errors="replace", newline="") as log:
            log.seek(start)
            while piece := log.read(_LOG_PIECE):
                text.add(piece)
        return str(text)

    def signal_group(self, number: signal.Signals) -> None:
        """Send to the kernel and its children; nothing happens where all are gone."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def wait(self, seconds: float) -> bool:
        """True if it ended within `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.alive()

    def close(self) -> None:
        """End whatever is left of the group, at once."""
        self.signal_group(signal.SIGKILL)
        self.wait(5)
        with suppress(OSError):
            os.close(self._lifeline)
        shutil.rmtree(self._sockets, ignore_errors=True)


@contextmanager
def kernel_process(
    log_path: Path, cwd: Path, environment: dict[str, str]
) -> Iterator[KernelProcess]:
    """Start a kernel; on leaving, the whole process group is gone.

    Raises:
        OSError: it cannot be started: no such working directory, no room for the log.
    """
    sockets = _sockets_folder()
    read_end, write_end = os.pipe()
    try:
        _write_connection_file(sockets)
        with log_path.open("ab") as log:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "remote.runner.kernel"),
                    *(str(sockets / "connection.json"), str(log_path.absolute()), str(read_end)),
                ],
                cwd=cwd,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(read_end,),
                start_new_session=True,
            )
    except OSError:
        os.close(write_end)
        shutil.rmtree(sockets, ignore_errors=True)
        raise
    finally:
        os.close(read_end)
    kernel = KernelProcess(process, sockets, write_end, log_path)
    try:
        yield kernel
    finally:
        kernel.close()


def _sockets_folder() -> Path:
    """A private folder whose path is short enough: a socket's may have about 100 bytes."""
    temporary = tempfile.gettempdir()
    roomy = len(os.fsencode(temporary)) <= _LONGEST_TEMPORARY
    return Path(tempfile.mkdtemp(prefix="whk-", dir=temporary if roomy else "/tmp"))  # noqa: S108


def _write_connection_file(sockets: Path) -> None:
    connection: dict[str, object] = {name: n for n, name in enumerate(_CHANNELS, start=1)}
    connection |= {
        "transport": "ipc",
        "ip": str(sockets / "k"),
        "key": secrets.token_hex(32),
        "signature_scheme": "hmac-sha256",
        "kernel_name": "python3",
    }
    path = sockets / "connection.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(connection), encoding="utf-8")
