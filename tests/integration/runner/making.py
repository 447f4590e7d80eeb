"""Hand-made run directories, and the runner as the process that it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat

ROOT = Path(__file__).parents[3]
untyped: Any = nbformat


@dataclass(frozen=True)
class RunFiles:
    """A run directory after (or during) a run."""

    path: Path
    exit_code: int | None = None

    @property
    def outcome(self) -> dict[str, Any]:
        return dict(json.loads((self.path / "outcome.json").read_text()))

    @property
    def executed(self) -> Any:
        notebook = untyped.read(self.path / "executed.ipynb", as_version=4)
        untyped.validate(notebook)
        return notebook

    @property
    def log(self) -> str:
        return (self.path / "kernel.log").read_text(errors="replace")

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.path / "events.jsonl").read_text().splitlines()]

    def told(self, event: str) -> list[dict[str, Any]]:
        """The records of one event."""
        return [record for record in self.events if record["event"] == event]

    def text(self, cell: int) -> str:
        """What a cell printed, as the notebook shows it."""
        streams = [o for o in self.executed.cells[cell].outputs if o.output_type == "stream"]
        return "".join(output.text for output in streams)


def make_run(
    path: Path,
    cells: Sequence[str],
    parameters: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """A run directory. A cell that begins with "# parameters" gets the tag."""
    (path / "output").mkdir(parents=True)
    (path / "work").mkdir()
    notebook = untyped.v4.new_notebook(metadata=dict(metadata or {}))
    for source in cells:
        cell = untyped.v4.new_code_cell(source)
        if source.startswith("# parameters"):
            cell.metadata["tags"] = ["parameters"]
        notebook.cells.append(cell)
    untyped.write(notebook, path / "notebook.ipynb")
    spec = {
        "schema": 1,
        "id": "made_20250423_143022",
        "attempt": 1,
        "parameters": [
            {"name": name, "value": value, "source": "-p", "kind": "value"}
            for name, value in (parameters or {}).items()
        ],
        "paths": {"output": str(path / "output"), "working_directory": str(path / "work")},
    }
    (path / "run.json").write_text(json.dumps(spec))
    return path


def start(path: Path, **environment: str) -> subprocess.Popen[bytes]:
    """The runner, running."""
    return subprocess.Popen(
        [sys.executable, "-m", "remote.runner", str(path)],
        cwd=ROOT,
        env={**os.environ, "OUTPUT_DIR": str(path / "output"), **environment},
        stdout=subprocess.DEVNULL,
    )


def run(path: Path, **environment: str) -> RunFiles:
    """Run to the end."""
    with start(path, **environment) as process:
        exit_code = process.wait(120)
    return RunFiles(path, exit_code)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Poll until true; an AssertionError says that it never was."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def alive(pid: int) -> bool:
    """True for a process that runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
