"""Execute the run directory's notebook, from the first check to the ending."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import remote
from remote.errors import DiskTooSmall
from remote.model import RunState
from remote.runner.directory import RunDirectory
from remote.runner.ending import Ending, Failure
from remote.runner.events import Emit
from remote.runner.process import KernelProcess, kernel_process
from remote.runner.saving import NotebookFile
from remote.runner.spec import RunSpec, check_notebook
from remote.runner.stop import Stop
from remote.runner.verdict import cell_raised, kernel_gone, stopped
from remote.runner.watch import MemoryWatch
from remote.workloads.hostfacts import cores

if TYPE_CHECKING:
    from remote.runner.engine import Bookkeeper, CellRunner

# How long a kernel may take to end by itself; what a stopped run may.
SHUTDOWN_SECONDS = 10.0
STOPPED_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Attempt:
    """One execution of a run: what to run and who hears of it."""

    directory: RunDirectory
    spec: RunSpec
    emit: Emit
    stop: Stop
    memory: MemoryWatch


def execute(attempt: Attempt) -> Ending:
    """Run the notebook; whatever happens to its cells or its kernel is in the ending.

    Raises:
        WorkhorseError: it cannot be started at all (notebook unusable).
        OSError: the kernel process cannot be started.
    """
    directory, spec = attempt.directory, attempt.spec
    check_notebook(directory.notebook)
    environment = kernel_environment(directory, spec)
    with kernel_process(directory.kernel_log, spec.working_directory, environment) as kernel:
        attempt.stop.attach(kernel)
        import asyncio  # half a second of imports, while the kernel starts

        from remote.runner import engine

        notebook = engine.prepare(directory.notebook, spec.parameters)
        file = NotebookFile(directory.executed)
        bookkeeper = engine.Bookkeeper(notebook, file)
        bookkeeper.notebook_start()
        file.save(notebook)
        _tell_start(attempt, len(notebook.cells))
        cells = engine.CellRunner(bookkeeper, kernel, attempt.emit)
        ending = asyncio.run(_run(attempt, cells, kernel))
    _show_in_notebook(notebook, ending)
    _finish_metadata(bookkeeper, ending)
    file.save(notebook)
    executable = sum(map(engine.is_executable, notebook.cells))
    ending = replace(ending, cells=executable, cells_run=cells.cells_run)
    return _unless_unsaved(ending, file)


def kernel_environment(directory: RunDirectory, spec: RunSpec) -> dict[str, str]:
    """The runner's own environment, completed where it was started by hand."""
    stated = {
        "OUTPUT_DIR": os.environ.get("OUTPUT_DIR") or str(directory.output),
        "WORKHORSE_RUN_ID": spec.id,
        "WORKHORSE_EVENTS": str(directory.events),
        "WORKHORSE_ERROR": str(directory.error),
        "PYTHONPATH": _python_path(),
    }
    return {**os.environ, **stated}


def _python_path() -> str:
    """The kernel imports the same `remote` as its runner, wherever it works."""
    code = str(Path(remote.__file__).absolute().parents[1])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(paths if code in paths else [code, *paths])


def _tell_start(attempt: Attempt, cells: int) -> None:
    attempt.emit(
        "runner_started",
        attempt=attempt.spec.attempt,
        python=platform.python_version(),
        cells=cells,
        hostname=platform.node(),
        cores=cores(),
        memory_limit_bytes=attempt.memory.limit_bytes,
    )


async def _run(attempt: Attempt, cells: CellRunner, kernel: KernelProcess) -> Ending:
    from remote.runner.engine import CellFailed, KernelDied

    stop, memory = attempt.stop, attempt.memory
    try:
        await cells.connect()
        seconds = round(time.monotonic() - kernel.started, 3)
        attempt.emit("kernel_started", seconds=seconds)
        return await _run_cells(attempt, cells)
    except CellFailed as error:
        if stop.signal:
            return stopped(stop.signal, error.cell)
        return cell_raised(error, attempt.directory.error, memory)
    except KernelDied as error:
        if stop.signal:
            return stopped(stop.signal, error.cell)
        return kernel_gone(error.cell, kernel.exit_status, memory)
    finally:
        await cells.disconnect(STOPPED_SECONDS if stop.signal else SHUTDOWN_SECONDS)


async def _run_cells(attempt: Attempt, cells: CellRunner) -> Ending:
    """Every cell in order; between two of them a stop is heard too."""
    for index in cells.executable:
        if attempt.stop.signal:
            return stopped(attempt.stop.signal, None)
        attempt.directory.error.unlink(missing_ok=True)
        attempt.memory.mark()
        await cells.run_cell(index)
    return Ending(RunState.SUCCEEDED, 0)


def _show_in_notebook(notebook: Any, ending: Ending) -> None:
    """An end that no cell could print (kernel killed, run stopped) is shown where it happened."""
    failure = ending.failure
    if failure is None or failure.cell is None:
        return
    from nbformat.v4 import new_output

    outputs = notebook.cells[failure.cell].outputs
    if any(output.output_type == "error" for output in outputs):
        return
    lines = [f"{failure.ename}: {failure.problem}", *([failure.hint] if failure.hint else [])]
    outputs.append(
        new_output("error", ename=failure.ename, evalue=failure.problem, traceback=lines)
    )


def _finish_metadata(bookkeeper: Bookkeeper, ending: Ending) -> None:
    """papermill's closing entries; cells that never ran keep the status "pending"."""
    metadata = bookkeeper.nb.metadata.papermill
    bookkeeper.end_time = bookkeeper.now()
    metadata["end_time"] = bookkeeper.end_time.isoformat()
    metadata["duration"] = (bookkeeper.end_time - bookkeeper.start_time).total_seconds()
    metadata["exception"] = ending.state is not RunState.SUCCEEDED or None


def _unless_unsaved(ending: Ending, file: NotebookFile) -> Ending:
    """A success whose notebook could not be stored is none."""
    if file.failure is None or ending.state is not RunState.SUCCEEDED:
        return ending
    failure = Failure(
        kind=DiskTooSmall.__name__,
        problem=f"executed.ipynb could not be saved at the end: {file.failure}",
        hint="free disk space on the host and run again; the file holds an earlier state",
    )
    return replace(ending, state=RunState.FAILED, exit_code=DiskTooSmall.exit_code, failure=failure)
