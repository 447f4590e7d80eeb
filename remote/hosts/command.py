"""The one process runner.

Command lines are data: lists made by pure functions, executed here and nowhere else. Every call
has a wall-clock limit, and what fails carries its argument list, exit status and both streams.
Children run in a session of their own, so that a limit ends whatever they started as well.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from remote.errors import WorkhorseError

NOT_FOUND = 127
_TAIL_LINES = 200


@dataclass(frozen=True, slots=True)
class Completed:
    """A command that ran to its end. `follow` puts both streams, cut to a tail, in `stdout`."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def text(self) -> str:
        """Both streams, stripped."""
        return "\n".join(part for part in (self.stdout.strip(), self.stderr.strip()) if part)


class CommandFailed(WorkhorseError):
    """A command ended badly, was not found, or passed its time limit."""

    def __init__(self, completed: Completed, why: str) -> None:
        self.completed = completed
        shown = shlex.join(completed.argv)
        super().__init__(f"{why}: {shown}\n{completed.text}".rstrip())

    def __reduce__(self) -> tuple[object, ...]:
        return CommandFailed, (self.completed, self.problem.split(":", 1)[0])


def run(
    argv: Sequence[str],
    *,
    timeout: float,
    cwd: Path | None = None,
    extra_env: Mapping[str, str] | None = None,
    input_text: str | None = None,
    check: bool = True,
) -> Completed:
    """Run a command to its end within `timeout` seconds.

    Raises:
        CommandFailed: not found, over the limit, or (with `check`) a non-zero exit status.
    """
    with _started(argv, cwd, extra_env, stdin=input_text is not None) as process:
        try:
            stdout, stderr = process.communicate(input_text, timeout=timeout)
        except subprocess.TimeoutExpired:
            end_group(process.pid)
            stdout, stderr = process.communicate()
            raise CommandFailed(
                Completed(tuple(argv), process.returncode, stdout, stderr),
                f"no end within {timeout:g} s",
            ) from None
        except BaseException:
            end_group(process.pid)
            raise
    return _checked(Completed(tuple(argv), process.returncode, stdout, stderr), check)


def follow(
    argv: Sequence[str],
    on_line: Callable[[str], None],
    *,
    timeout: float,
    cwd: Path | None = None,
    extra_env: Mapping[str, str] | None = None,
    check: bool = True,
) -> Completed:
    """Run a command, handing each line of either stream to `on_line` as it comes.

    Raises:
        CommandFailed: as `run`; its `stdout` holds the last lines of both streams.
    """
    tail: deque[str] = deque(maxlen=_TAIL_LINES)
    expired = threading.Event()
    with _started(argv, cwd, extra_env, merged=True) as process:

        def expire() -> None:
            expired.set()
            end_group(process.pid)

        timer = threading.Timer(timeout, expire)
        timer.daemon = True
        timer.start()
        try:
            assert process.stdout is not None
            for line in process.stdout:
                tail.append(line.rstrip("\n"))
                on_line(line.rstrip("\n"))
            process.wait()
        except BaseException:
            end_group(process.pid)
            raise
        finally:
            timer.cancel()
    completed = Completed(tuple(argv), process.returncode, "\n".join(tail), "")
    if expired.is_set():
        raise CommandFailed(completed, f"no end within {timeout:g} s")
    return _checked(completed, check)


def end_group(pid: int) -> None:
    """Kill a process group that `pid` leads; nothing if it is gone."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _started(
    argv: Sequence[str],
    cwd: Path | None,
    extra_env: Mapping[str, str] | None,
    *,
    stdin: bool = False,
    merged: bool = False,
) -> subprocess.Popen[str]:
    try:
        return subprocess.Popen(
            list(argv),
            cwd=cwd,
            env={**os.environ, **extra_env} if extra_env else None,
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merged else subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except (FileNotFoundError, PermissionError, NotADirectoryError) as error:
        missing = Completed(tuple(argv), NOT_FOUND, "", str(error))
        raise CommandFailed(missing, "cannot be started") from error


def _checked(completed: Completed, check: bool) -> Completed:
    if check and completed.returncode != 0:
        raise CommandFailed(completed, f"exit status {completed.returncode}")
    return completed
