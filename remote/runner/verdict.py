"""From what happened to a cell or the kernel to state, exit code and a message."""

from __future__ import annotations

import json
import re
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote.errors import Cancelled, DiskTooSmall, NotebookFailed, OutOfMemory
from remote.model import RunState
from remote.runner.ending import Ending, Failure

if TYPE_CHECKING:
    from remote.runner.engine import CellFailed
    from remote.runner.watch import MemoryWatch

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
# What a cell raises when one of its worker processes was killed.
_WORKER_LOST = {"BrokenProcessPool", "KilledWorker", "EOFError", "BrokenPipeError"}
# How a full disk reads, whatever library meets it, and what is left of one.
_NO_SPACE = ("No space left on device", "Errno 28", "errno = 28")
_FULL_BYTES = 16 << 20
_USE_LESS = (
    "give the host's runs more memory (`limits/memory` in configs/hosts.yaml), take a larger host, "
    "or use less: fewer workers, smaller batches"
)


def stopped(name: str, cell: int | None) -> Ending:
    """Somebody asked for the end; `cell` was running."""
    where = f"while cell {nth(cell)} ran" if cell is not None else "between two cells"
    failure = Failure(
        kind=Cancelled.__name__,
        problem=f"the run was stopped by {name} {where}",
        hint="its output up to there is kept",
        cell=cell,
        ename="KeyboardInterrupt",
        evalue="",
    )
    return Ending(RunState.CANCELLED, Cancelled.exit_code, failure)


def cell_raised(error: CellFailed, error_file: Path, memory: MemoryWatch) -> Ending:
    """A cell raised: the error's own exit code where it is a typed one, else 1."""
    if error.ended_itself:
        return Ending(RunState.SUCCEEDED, 0)
    typed = _typed(error_file, error.ename)
    if typed is not None:
        return _typed_ending(typed, error)
    full = _disk_full(error, error_file.parent)
    if full is not None:
        return full
    if error.ename in _WORKER_LOST and memory.oom_kills_since_mark:
        return _out_of_memory("a worker process", error.cell, memory, tuple(_plain(error)))
    failure = Failure(
        kind=NotebookFailed.__name__,
        problem=f"cell {nth(error.cell)} raised {_said(error)}",
        hint="executed.ipynb holds the traceback, kernel.log everything that was printed",
        cell=error.cell,
        ename=error.ename,
        evalue=error.evalue,
        traceback=tuple(_plain(error)),
    )
    return Ending(RunState.FAILED, NotebookFailed.exit_code, failure)


def _typed(path: Path, ename: str) -> dict[str, Any] | None:
    """What the kernel left about the typed error that ended the cell, if one did."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        complete = fields["kind"] == ename and {"problem", "hint", "exit_code"} <= fields.keys()
        return fields if complete else None
    except (OSError, ValueError, KeyError, TypeError):  # cut short, or no error's fields
        return None


def _typed_ending(typed: dict[str, Any], error: CellFailed) -> Ending:
    failure = Failure(
        kind=typed["kind"],
        problem=typed["problem"],
        hint=typed["hint"],
        cell=error.cell,
        ename=error.ename,
        evalue=error.evalue,
        traceback=tuple(_plain(error)),
    )
    exit_code = int(typed["exit_code"])
    memory = exit_code == OutOfMemory.exit_code
    return Ending(RunState.OUT_OF_MEMORY if memory else RunState.FAILED, exit_code, failure)


def _disk_full(error: CellFailed, directory: Path) -> Ending | None:
    """Out of disk where the cell says so and the disk does too (/tmp is another one: memory)."""
    free = shutil.disk_usage(directory).free
    if not any(words in error.evalue for words in _NO_SPACE) or free > _FULL_BYTES:
        return None
    failure = Failure(
        kind=DiskTooSmall.__name__,
        problem=f"cell {nth(error.cell)}: the host's disk is full, {size(free)} are free where "
        f"runs are kept: {_said(error)}",
        hint="free some disk on the host and start the run again; what it had written so far is "
        "in the result folder",
        cell=error.cell,
        ename=error.ename,
        evalue=error.evalue,
        traceback=tuple(_plain(error)),
    )
    return Ending(RunState.FAILED, DiskTooSmall.exit_code, failure)


def _said(error: CellFailed) -> str:
    """`ValueError: the first line` (the rest is in the traceback)."""
    first = error.evalue.strip().split("\n")[0]
    return f"{error.ename}: {first}" if first else error.ename


def _plain(error: CellFailed) -> list[str]:
    """The traceback without colours, one line an element; never empty."""
    if not error.traceback:
        return [_said(error)]
    return _ESCAPE.sub("", "\n".join(error.traceback)).split("\n")


def kernel_gone(cell: int | None, status: int | None, memory: MemoryWatch) -> Ending:
    """The kernel is gone by itself: out of memory where there is evidence for it.

    Evidence is a SIGKILL that is not ours next to a counted kill, by the run's own cgroup or,
    without one, by the machine.
    """
    if status == -signal.SIGKILL and (memory.oom_kills or memory.system_oom_kills):
        return _out_of_memory("the kernel", cell, memory)
    where = f"in cell {nth(cell)}" if cell is not None else "before the first cell"
    failure = Failure(
        kind=NotebookFailed.__name__,
        problem=f"the kernel died {where}: {_how(status)}",
        hint=_advice(status, memory),
        cell=cell,
        ename="KernelDied",
        evalue=_how(status),
    )
    return Ending(RunState.FAILED, NotebookFailed.exit_code, failure)


def _how(status: int | None) -> str:
    if status is None:
        return "no exit status"
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _advice(status: int | None, memory: MemoryWatch) -> str:
    log = "kernel.log ends with what it printed last"
    if status == -signal.SIGKILL:
        peak, limit = size(memory.charged_bytes), size(memory.limit_bytes)
        return f"{log}; nothing proves that memory was the reason (peak {peak} of {limit})"
    if status in (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGILL):
        return f"{log}; a compiled library crashed: `import faulthandler; faulthandler.enable()`"
    return log


def _out_of_memory(
    victim: str, cell: int | None, memory: MemoryWatch, traceback: tuple[str, ...] = ()
) -> Ending:
    peak, limit = size(memory.charged_bytes), size(memory.limit_bytes)
    where = f" in cell {nth(cell)}" if cell is not None else ""
    failure = Failure(
        kind=OutOfMemory.__name__,
        problem=f"{victim} was killed for memory{where}: peak {peak}, limit {limit}",
        hint=_USE_LESS,
        cell=cell,
        ename=OutOfMemory.__name__,
        evalue=f"peak {peak}, limit {limit}",
        traceback=traceback,
    )
    return Ending(RunState.OUT_OF_MEMORY, OutOfMemory.exit_code, failure)


def nth(cell: int) -> int:
    """How people count cells: from 1, as every display does."""
    return cell + 1


def size(count: int) -> str:
    """Bytes for people: decimal units, three digits."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:.3g} TB"
