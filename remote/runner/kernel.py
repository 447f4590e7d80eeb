"""The kernel process: python -m remote.runner.kernel CONNECTION_FILE KERNEL_LOG LIFELINE_FD.

Started by `process.KernelProcess` in a session of its own, with descriptors 1 and 2 on
KERNEL_LOG. LIFELINE_FD is the reading end of a pipe whose writing end only the runner holds.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

# Kernel and workers are killed for memory before the runner, which has to tell the story.
_OOM_SCORE = "700"


def post_guard(lifeline: int, sockets: Path) -> None:
    """Fork a guard that kills this process group, itself included, when the runner is gone.

    Before that it removes the folder of the kernel's sockets, which the runner no longer can.

    The pipe ends with the runner however it ends. A process of its own does what a thread
    could not while a C extension holds the interpreter, and works on Linux and macOS alike.
    It is forked twice: a kernel that ends waits for its children, and the guard is none.
    """
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os.close(lifeline)
        return
    if os.fork():
        os._exit(0)
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)
    with suppress(OSError):
        os.read(lifeline, 1)
    shutil.rmtree(sockets, ignore_errors=True)
    os.killpg(0, signal.SIGKILL)


def _prefer_as_victim() -> None:
    with suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text(_OOM_SCORE, encoding="ascii")


def _without_debugger() -> None:
    """Nobody attaches to a run; importing the debugger would cost a fifth of the start."""
    sys.modules["debugpy"] = None  # type: ignore[assignment]


def serve(connection_file: str, log_path: Path) -> None:
    """Run the kernel until it is told to stop."""
    _without_debugger()
    import zmq
    from ipykernel.kernelapp import IPKernelApp

    from remote.runner.kernel_log import KernelLog
    from remote.runner.shell import WorkhorseKernel, WorkhorseShell
    from remote.runner.streams import DescriptorEcho, LoggedStream

    log = KernelLog(log_path)
    LoggedStream.log = log
    WorkhorseShell.kernel_log = log
    error_file = os.environ.get("WORKHORSE_ERROR")
    WorkhorseShell.error_file = Path(error_file) if error_file else None

    class KernelApp(IPKernelApp):
        def _bind_socket(self, socket: Any, port: int) -> Any:
            # A channel that is full makes the sender wait; the default is to drop.
            if socket.getsockopt(zmq.TYPE) == zmq.XPUB:
                socket.setsockopt(zmq.XPUB_NODROP, 1)
            return super()._bind_socket(socket, port)

        def close(self) -> None:
            # The process ends here. Closing its channels in order races with its own threads
            # (some runs hang for ten seconds), and exit closes them just as well.
            self.reset_io()

    app = KernelApp(
        kernel_class=WorkhorseKernel,
        outstream_class="remote.runner.streams.LoggedStream",
        parent_handle=1,
    )
    app.initialize(["-f", connection_file, "--HistoryManager.enabled=False"])
    assert isinstance(sys.stdout, LoggedStream)
    assert isinstance(sys.stderr, LoggedStream)
    DescriptorEcho(log, sys.stdout, sys.stderr).start()
    app.start()


def main() -> None:
    """See the module's docstring."""
    connection_file, log_path, lifeline = sys.argv[1:4]
    _prefer_as_victim()
    post_guard(int(lifeline), Path(connection_file).parent)
    serve(connection_file, Path(log_path))


if __name__ == "__main__":
    main()
