"""The interactive shell of our kernel: short typed errors, a plain exit(), OUTPUT_DIR."""

from __future__ import annotations

import json
import os
import re
import sys
import warnings
from pathlib import Path
from typing import Any

import psutil
from ipykernel.ipkernel import IPythonKernel
from ipykernel.zmqshell import ZMQInteractiveShell
from traitlets import Type

from remote.errors import WorkhorseError
from remote.runner.kernel_log import KernelLog

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class WorkhorseShell(ZMQInteractiveShell):
    """IPython's shell; what differs is said method by method.

    Attributes:
        kernel_log: tracebacks go there too.
        error_file: where a typed error leaves its fields for the runner.
    """

    kernel_log: KernelLog
    error_file: Path | None = None

    def ask_exit(self) -> None:
        """exit() and quit() end the notebook here, as sys.exit() does."""
        raise SystemExit(0)

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        """Every error of a cell passes here. A typed one is shown short; the log has it all."""
        if isinstance(evalue, SystemExit) and not evalue.code:
            sys.stdout.write("[the notebook ended itself here]\n")
            self._last_traceback: list[str] = []
            return
        full = _COLOUR.sub("", "\n".join(stb))
        self.kernel_log.write(f"{full}\n".encode("utf-8", "backslashreplace"))
        if isinstance(evalue, WorkhorseError):
            self._leave(evalue)
            stb = [f"{etype.__name__}: {evalue.problem}"]
            stb += [f"  {evalue.hint}"] if evalue.hint else []
        super()._showtraceback(etype, evalue, stb)

    def _leave(self, error: WorkhorseError) -> None:
        if self.error_file is None:
            return
        fields = {
            "kind": type(error).__name__,
            "problem": error.problem,
            "hint": error.hint,
            "exit_code": error.exit_code,
        }
        try:
            self.error_file.write_text(json.dumps(fields), encoding="utf-8")
        except OSError as reason:
            self.kernel_log.write(f"{self.error_file}: {reason}\n".encode())


class WorkhorseKernel(IPythonKernel):
    """The kernel with our shell and OUTPUT_DIR in its namespace."""

    shell_class = Type(WorkhorseShell)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # SystemExit is how a notebook ends itself; advice for a terminal is noise there.
        warnings.filterwarnings("ignore", message="To exit: use", category=UserWarning)
        self._shell().events.register("pre_run_cell", self._provide_output_dir)

    def _shell(self) -> WorkhorseShell:
        assert isinstance(self.shell, WorkhorseShell)
        return self.shell

    def _provide_output_dir(self, _info: Any) -> None:
        """In every cell, also after %reset; a notebook's own OUTPUT_DIR is left alone."""
        self._shell().user_ns.setdefault("OUTPUT_DIR", Path(os.environ["OUTPUT_DIR"]))

    def _process_children(self) -> list[Any]:
        """What is to be ended with the kernel; waiting for a zombie would take ten seconds."""
        return [child for child in super()._process_children() if _runs(child)]


def _runs(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False
