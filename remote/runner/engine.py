"""papermill's engine with our kernel, our saves and our events.

papermill prepares the notebook (parameters, metadata) and knows the bookkeeping of cells;
nbclient speaks to the kernel. This module is heavy to import: the kernel is started before.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from queue import Empty
from typing import Any

from remote.errors import NotebookUnusable
from remote.runner.events import Emit
from remote.runner.papermill_import import without_cloud_clients
from remote.runner.process import KernelProcess
from remote.runner.saving import NotebookFile
from remote.runner.text import CellText

with without_cloud_clients():
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import NotebookExecutionManager
    from papermill.execute import remove_error_markers
    from papermill.iorw import load_notebook_node
    from papermill.parameterize import parameterize_notebook

import zmq
import zmq.asyncio
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import ValidationError
from nbformat.v4 import new_output

START_SECONDS = 120
_POLL_SECONDS = 0.05
# Messages that wait on our side of the output channel; beyond, the kernel waits.
_CHANNEL_DEPTH = 64
_LANGUAGE, _KERNEL = "python", "python3"


class CellFailed(Exception):
    """A cell raised. `traceback` as the kernel sent it, with colours."""

    def __init__(self, cell: int, ename: str, evalue: str, traceback: list[str]) -> None:
        super().__init__(f"cell {cell}: {ename}: {evalue}")
        self.cell, self.ename, self.evalue, self.traceback = cell, ename, evalue, traceback

    @property
    def ended_itself(self) -> bool:
        """True for exit(), quit(), sys.exit() and sys.exit(0): an early end and no failure."""
        return self.ename == "SystemExit" and self.evalue in ("", "0", "None")


class KernelDied(Exception):
    """The kernel is gone; `cell` was running, None where it had not started yet."""

    def __init__(self, cell: int | None) -> None:
        super().__init__(f"the kernel died (cell {cell})")
        self.cell = cell


def prepare(path: Path, parameters: Mapping[str, Any]) -> Any:
    """The notebook with the parameters injected as papermill does, kernelspec overridden.

    Raises:
        NotebookUnusable: it is JSON but not a valid notebook.
    """
    try:
        notebook = load_notebook_node(str(path))
    except (ValidationError, ValueError, KeyError, AttributeError, TypeError) as error:
        reason = str(error).strip().split("\n")[0]
        raise NotebookUnusable(
            f"{path.name}: is not a valid notebook: {reason}",
            hint="open it in Jupyter, save it again, and start the run again",
        ) from error
    if parameters:
        notebook = parameterize_notebook(
            notebook, dict(parameters), kernel_name=_KERNEL, language=_LANGUAGE
        )
    notebook.metadata["kernelspec"] = {
        "name": _KERNEL,
        "display_name": "Python 3 (ipykernel)",
        "language": _LANGUAGE,
    }
    return remove_error_markers(notebook)


def is_executable(cell: Any) -> bool:
    """True for code cells that hold any code."""
    return cell.cell_type == "code" and bool(cell.source.strip())


class Bookkeeper(NotebookExecutionManager):  # type: ignore[misc]
    """papermill's cell bookkeeping, with throttled atomic saves instead of one at every step."""

    def __init__(self, notebook: Any, file: NotebookFile) -> None:
        super().__init__(notebook, output_path=None, progress_bar=False)
        self._file = file

    def save(self, **_: Any) -> None:
        self._file.save_if_due(self.nb)

    def autosave_cell(self) -> None:
        self._file.save_if_due(self.nb)


class CellRunner(PapermillNotebookClient):  # type: ignore[misc]
    """Executes the cells of one notebook on a kernel that was started before.

    Attributes:
        cells_run: cells that were executed to their end.
    """

    kc: Any

    def __init__(self, bookkeeper: Bookkeeper, kernel: KernelProcess, emit: Emit) -> None:
        super().__init__(
            bookkeeper,
            km=kernel,
            timeout=None,
            iopub_timeout=10**6,  # the channel loses nothing, so its end does come
            kernel_name=_KERNEL,
            log=logging.getLogger(__name__),
        )
        self._kernel = kernel
        self._emit = emit
        self._text = CellText()
        self._log_start = 0
        self.cells_run = 0

    @property
    def executable(self) -> list[int]:
        """Positions of the cells that hold code."""
        return [index for index, cell in enumerate(self.nb.cells) if is_executable(cell)]

    async def connect(self) -> None:
        """Wait until the kernel answers and its output channel is heard.

        Raises:
            KernelDied: it ended before it answered.
            TimeoutError: it did not answer within START_SECONDS.
        """
        async with asyncio.timeout(START_SECONDS):
            while not self._kernel.ready_to_connect:
                self._check_alive()
                await asyncio.sleep(_POLL_SECONDS / 5)
            self.kc = self._kernel.client()
            context = zmq.asyncio.Context()
            context.setsockopt(zmq.RCVHWM, _CHANNEL_DEPTH)
            self.kc.context = context
            self.kc.start_channels(stdin=False, hb=False, control=True)
            self.kc.allow_stdin = False
            self.nb.metadata["language_info"] = await self._kernel_answers()

    async def _kernel_answers(self) -> Any:
        while True:
            message_id = self.kc.kernel_info()
            reply = None
            while reply is None or reply["parent_header"].get("msg_id") != message_id:
                self._check_alive()
                reply = await _message(self.kc.shell_channel, _POLL_SECONDS)
            if await _message(self.kc.iopub_channel, 1) is not None:
                return reply["content"]["language_info"]

    def _check_alive(self) -> None:
        if not self._kernel.alive():
            raise KernelDied(None)

    async def _async_check_alive(self) -> None:
        if not self._kernel.alive():
            raise DeadKernelError("the kernel died")

    async def _async_poll_kernel_alive(self) -> None:
        """While a cell runs: notice the kernel's end at once, save what is new when due."""
        while self._kernel.alive():
            await asyncio.sleep(_POLL_SECONDS)
            self.nb_man.autosave_cell()
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    async def run_cell(self, index: int) -> None:
        """Execute one cell, keeping whatever output it made.

        Raises:
            CellFailed: it raised.
            KernelDied: the kernel ended meanwhile.
        """
        cell = self.nb.cells[index]
        started = time.monotonic()
        title = _title(cell.source)
        self._emit("cell_started", cell=index, of=len(self.nb.cells), title=title)
        self.nb_man.cell_start(cell, index)
        self._text = CellText()
        self._log_start = self._kernel.log_size()
        try:
            await self.async_execute_cell(cell, index)
        except CellExecutionError as error:
            raise self._failed(cell, index, error) from error
        except DeadKernelError as error:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            await self._take_what_is_left(cell, index)
            raise KernelDied(index) from error
        finally:
            self.nb_man.cell_complete(cell, cell_index=index)
        self._finished(index, started)

    def _finished(self, index: int, started: float) -> None:
        self.cells_run += 1
        seconds = round(time.monotonic() - started, 3)
        self._emit("cell_finished", cell=index, of=len(self.nb.cells), seconds=seconds)

    def _failed(self, cell: Any, index: int, error: CellExecutionError) -> CellFailed:
        failed = CellFailed(index, error.ename, error.evalue, _traceback(cell))
        if failed.ended_itself:
            self.cells_run += 1
            left = sum(map(is_executable, self.nb.cells[index + 1 :]))
            text = f"the notebook ended itself in cell {index + 1}; {left} not run"
            self._emit("notice", text=text)
        else:
            self.nb_man.cell_exception(cell, cell_index=index, exception=error)
            told = {"cell": index, "of": len(self.nb.cells)}
            self._emit("cell_failed", **told, ename=error.ename, evalue=error.evalue)
        return failed

    def output(self, outs: list[Any], msg: Any, display_id: str | None, cell_index: int) -> Any:
        """Printed text is merged and bounded; everything else is nbclient's business."""
        hooked = self.output_hook_stack[msg["parent_header"].get("msg_id")]
        if msg["msg_type"] != "stream" or hooked or self.clear_before_next_output:
            return super().output(outs, msg, display_id, cell_index)
        return self._text.add(outs, msg["content"]["name"], msg["content"]["text"])

    async def _take_what_is_left(self, cell: Any, index: int) -> None:
        """What the kernel sent before it died is in the channel, what it printed in its log."""
        while (message := await _message(self.kc.iopub_channel, 0.1)) is not None:
            if message["msg_type"] in ("display_data", "execute_result", "error"):
                self.process_message(message, cell, index)
        text = self._kernel.log_since(self._log_start)
        if text:
            cell.outputs = [o for o in cell.outputs if o.output_type != "stream"]
            cell.outputs.append(new_output("stream", name="stdout", text=text))

    async def disconnect(self, patience: float) -> None:
        """Ask the kernel to end (files it holds are closed then), wait, close the channels."""
        if self.kc is None:
            return
        if self._kernel.alive():
            self.kc.shutdown()
            deadline = time.monotonic() + patience
            while self._kernel.alive() and time.monotonic() < deadline:
                await asyncio.sleep(_POLL_SECONDS / 5)
        self.kc.stop_channels()
        self.kc.context.destroy(linger=0)


async def _message(channel: Any, seconds: float) -> Any:
    """The next message; None where none comes in time."""
    try:
        return await channel.get_msg(timeout=seconds)
    except Empty:
        return None


def _title(source: str) -> str:
    """The first line that says anything."""
    return next((line.strip() for line in source.splitlines() if line.strip()), "")[:100]


def _traceback(cell: Any) -> list[str]:
    """Of the cell's error output; empty where it made none."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    return list(errors[-1].traceback) if errors else []
