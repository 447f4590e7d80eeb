"""From what happened to a cell or the kernel to state, exit code and a message."""

from __future__ import annotations

import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from remote.errors import Cancelled, NotebookFailed, OutOfMemory
from remote.model import RunState
from remote.runner.ending import Ending, Failure

if TYPE_CHECKING:
    from remote.runner.engine import CellFailed
    from remote.runner.events import Emit
    from remote.runner.watch import MemoryWatch

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def stopped(name: str, cell: int | None) -> Ending:
    """Somebody asked for the end; `cell` was running."""
    where = f"while cell {cell} ran" if cell is not None else "between two cells"
    failure = Failure("Cancelled", f"stopped by {name} {where}", cell=cell)
    return Ending(RunState.CANCELLED, Cancelled.exit_code, failure)


def cell_raised(error: CellFailed, emit: Emit) -> Ending:
    """A cell raised: the error's own exit code where it is a typed one, else 1."""
    if error.ename == "SystemExit" and error.evalue in ("", "0", "None"):
        emit("notice", text=f"the notebook ended itself in cell {error.cell}")
        return Ending(RunState.SUCCEEDED, 0)
    failure = Failure(
        kind=NotebookFailed.__name__,
        problem=f"cell {error.cell} raised {error.ename}: {error.evalue}",
        hint="executed.ipynb holds the traceback, kernel.log all output",
        cell=error.cell,
        ename=error.ename,
        evalue=error.evalue,
        traceback=tuple(plain_lines(error.traceback)),
    )
    return Ending(RunState.FAILED, NotebookFailed.exit_code, failure)


def plain_lines(traceback: list[str]) -> list[str]:
    """A traceback as the kernel sends it, without colours, one line an element."""
    return _ESCAPE.sub("", "\n".join(traceback)).split("\n") if traceback else []


def kernel_gone(cell: int | None, status: int | None, memory: MemoryWatch) -> Ending:
    """The kernel is gone by itself: out of memory where there is evidence for it."""
    where = f"in cell {cell}" if cell is not None else "before the first cell"
    failure = Failure(
        kind=NotebookFailed.__name__,
        problem=f"the kernel died {where}: {_how(status)}",
        hint="kernel.log ends with its last output",
        cell=cell,
        ename="KernelDied",
        evalue=_how(status),
    )
    return Ending(RunState.FAILED, NotebookFailed.exit_code, failure)


def _how(status: int | None) -> str:
    if status is None:
        return "no exit status"
    if status < 0:
        return f"killed by {signal.Signals(-status).name}"
    return f"exit status {status}"


def typed_error(path: Path) -> dict[str, Any] | None:
    """What the kernel left about a typed error; None where it left nothing readable."""
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return fields if isinstance(fields, dict) else None


__all__ = ["OutOfMemory", "cell_raised", "kernel_gone", "stopped", "typed_error"]
