"""Files that are whole or not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from remote.runner.directory import RunDirectory, room_for_outcome, write_atomically
from remote.runner.saving import NotebookFile

untyped: Any = nbformat


def notebook_of(size: int) -> Any:
    cell = untyped.v4.new_code_cell("1")
    cell.outputs = [untyped.v4.new_output("stream", name="stdout", text="x" * size)]
    return untyped.v4.new_notebook(cells=[cell])


def test_replaces_whole(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"before")
    write_atomically(path, b"after")
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


_FULL_DISK = """
import resource, sys
from pathlib import Path
from remote.runner.saving import NotebookFile
import nbformat
notebook = nbformat.read(sys.argv[1], as_version=4)
notebook.cells[0].outputs[0]["text"] = "y" * 500_000
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
file = NotebookFile(Path(sys.argv[1]))
file.save(notebook)
print(type(file.failure).__name__)
"""


def test_a_disk_that_fills_up_leaves_the_file_before(tmp_path: Path, project_root: Path) -> None:
    path = tmp_path / "executed.ipynb"
    NotebookFile(path).save(notebook_of(10))
    before = path.read_bytes()
    done = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path)],
        cwd=project_root,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "OSError"
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["executed.ipynb"]


def test_saves_are_rare_however_often_they_are_asked_for(tmp_path: Path) -> None:
    now = [0.0]
    saves = 0
    file = NotebookFile(tmp_path / "executed.ipynb", clock=lambda: now[0])
    notebook = notebook_of(10)
    for step in range(1000):
        now[0] = step / 100
        (tmp_path / "executed.ipynb").unlink(missing_ok=True)
        file.save_if_due(notebook)
        saves += (tmp_path / "executed.ipynb").exists()
    assert 3 <= saves <= 5


def test_a_slow_save_is_followed_by_a_longer_pause(tmp_path: Path) -> None:
    ticks = iter([0.0, 10.0, 13.0, 42.0, 44.0, 44.0, 44.0])
    path = tmp_path / "executed.ipynb"
    file = NotebookFile(path, clock=lambda: next(ticks))
    file.save(notebook_of(1))  # takes 3 s: nothing is due for 30 s
    path.unlink()
    file.save_if_due(notebook_of(1))
    assert not path.exists()
    file.save_if_due(notebook_of(1))
    assert path.exists()


def test_what_is_saved_is_a_valid_notebook(tmp_path: Path) -> None:
    path = tmp_path / "executed.ipynb"
    notebook = notebook_of(10)
    notebook.cells[0].outputs[0]["text"] = "lone surrogate \ud800, ünicode"
    NotebookFile(path).save(notebook)
    untyped.validate(untyped.read(path, as_version=4))
    assert "ünicode" in json.loads(path.read_text())["cells"][0]["outputs"][0]["text"][0]


def test_room_is_held_for_the_outcome(tmp_path: Path) -> None:
    with room_for_outcome(RunDirectory(tmp_path)):
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) > 100_000
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_error() -> None:
    with pytest.raises(FileNotFoundError):
        write_atomically(Path("/no/such/folder/f"), b"")
