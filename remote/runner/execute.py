"""Execute the run directory's notebook, from the first check to the ending."""

from __future__ import annotations

import asyncio
import os
import platform
import time
from dataclasses import replace
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

if TYPE_CHECKING:
    from remote.runner.engine import CellRunner

_SHUTDOWN_SECONDS = 10.0


def execute(
    directory: RunDirectory, spec: RunSpec, emit: Emit, stop: Stop, memory: MemoryWatch
) -> Ending:
    """Run the notebook; whatever happens to its cells or kernel is in the ending.

    Raises:
        WorkhorseError: it cannot be started at all (notebook unusable).
        OSError: the kernel process cannot be started.
    """
    check_notebook(directory.notebook)
    environment = kernel_environment(directory, spec)
    began = time.monotonic()
    with kernel_process(directory.kernel_log, spec.working_directory, environment) as kernel:
        stop.attach(kernel)
        # Half a second of imports, while the kernel starts.
        from remote.runner import engine

        notebook = engine.prepare(directory.notebook, spec.parameters)
        file = NotebookFile(directory.executed)
        bookkeeper = engine.Bookkeeper(notebook, file)
        bookkeeper.notebook_start()
        file.save(notebook)
        _tell_start(emit, spec, notebook, memory)
        cells = engine.CellRunner(bookkeeper, kernel, emit)
        ending = asyncio.run(_run(cells, kernel, emit, stop, memory, began))
        _finish_metadata(bookkeeper, ending)
        file.save(notebook)
    executable = sum(engine.is_executable(cell) for cell in notebook.cells)
    ending = replace(ending, cells=executable, cells_run=cells.cells_run, signal=stop.signal)
    return _unless_unsaved(ending, file)


def kernel_environment(directory: RunDirectory, spec: RunSpec) -> dict[str, str]:
    """The runner's own environment, completed where it was started by hand."""
    output = os.environ.get("OUTPUT_DIR") or str(directory.output.absolute())
    stated = {
        "OUTPUT_DIR": output,
        "WORKHORSE_RUN_ID": spec.id,
        "WORKHORSE_EVENTS": str(directory.events.absolute()),
        "WORKHORSE_ERROR": str(directory.error.absolute()),
    }
    return {**os.environ, **stated, "PYTHONPATH": _python_path()}


def _python_path() -> str:
    """The kernel imports the same `remote` as its runner, wherever it works."""
    code = str(Path(remote.__file__).absolute().parents[1])
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    return os.pathsep.join(paths if code in paths else [code, *paths])


def _tell_start(emit: Emit, spec: RunSpec, notebook: Any, memory: MemoryWatch) -> None:
    emit(
        "runner_started",
        attempt=spec.attempt,
        python=platform.python_version(),
        cells=len(notebook.cells),
        hostname=platform.node(),
        cores=os.cpu_count(),
        memory_limit_bytes=memory.limit_bytes,
    )


async def _run(
    cells: CellRunner,
    kernel: KernelProcess,
    emit: Emit,
    stop: Stop,
    memory: MemoryWatch,
    began: float,
) -> Ending:
    from remote.runner.engine import CellFailed, KernelDied, is_executable

    try:
        await cells.connect()
        emit("kernel_started", seconds=round(time.monotonic() - began, 3))
        for index, cell in enumerate(cells.nb.cells):
            if stop.signal:
                return stopped(stop.signal, None)
            if is_executable(cell):
                await cells.run_cell(index)
        return Ending(RunState.SUCCEEDED, 0)
    except CellFailed as error:
        if stop.signal:
            return stopped(stop.signal, error.cell)
        emit(
            "cell_failed",
            cell=error.cell,
            of=len(cells.nb.cells),
            ename=error.ename,
            evalue=error.evalue,
        )
        return cell_raised(error, emit)
    except KernelDied as error:
        if stop.signal:
            return stopped(stop.signal, error.cell)
        return kernel_gone(error.cell, kernel.exit_status, memory)
    finally:
        await cells.disconnect(0.5 if stop.signal else _SHUTDOWN_SECONDS)


def _finish_metadata(bookkeeper: Any, ending: Ending) -> None:
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
    problem = f"executed.ipynb could not be saved at the end: {file.failure}"
    hint = "free disk space on the host and run again; the file holds an earlier state"
    failure = Failure(DiskTooSmall.__name__, problem, hint)
    return replace(ending, state=RunState.FAILED, exit_code=DiskTooSmall.exit_code, failure=failure)
