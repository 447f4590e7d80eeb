"""Runs that end badly say how, and keep what they had."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.runner.making import ROOT, make_run, run

pytestmark = pytest.mark.integration


def test_a_cell_that_raises(tmp_path: Path) -> None:
    cells = ["print('before')", "def f():\n    return 1 / 0\nf()", "print('never')"]
    done = run(make_run(tmp_path / "r", cells))
    error = done.outcome["error"]
    assert (done.exit_code, done.outcome["state"]) == (1, "failed")
    assert (error["cell"], error["ename"]) == (1, "ZeroDivisionError")
    assert "cell 2 raised ZeroDivisionError: division by zero" in error["problem"]
    assert any("return 1 / 0" in line for line in error["traceback"])
    assert "\x1b" not in "".join(error["traceback"])
    assert done.executed.cells[1].outputs[0].ename == "ZeroDivisionError"
    assert done.executed.cells[2].metadata.papermill.status == "pending"
    assert "ZeroDivisionError" in done.log
    assert "never" not in done.log
    assert done.told("cell_failed")[0]["evalue"] == "division by zero"


def test_a_typed_error_carries_its_exit_code_and_is_shown_short(tmp_path: Path) -> None:
    source = (
        "from remote.errors import InputUnusable\n"
        "def deep(): raise InputUnusable('x.hdf5: is cut short', hint='copy it again')\ndeep()"
    )
    done = run(make_run(tmp_path / "r", [source]))
    error = done.outcome["error"]
    assert (done.exit_code, done.outcome["exit_code"]) == (9, 9)
    assert (error["kind"], error["problem"]) == ("InputUnusable", "x.hdf5: is cut short")
    assert error["hint"] == "copy it again"
    shown = done.executed.cells[0].outputs[0].traceback
    assert shown == ["InputUnusable: x.hdf5: is cut short", "  copy it again"]
    assert "def deep()" in done.log


def test_a_typed_error_that_a_cell_may_raise_is_not_taken_for_the_end(tmp_path: Path) -> None:
    path = make_run(
        tmp_path / "r", ["from remote.errors import Cancelled\nraise Cancelled('x')", "1/0"]
    )
    notebook = json.loads((path / "notebook.ipynb").read_text())
    notebook["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    (path / "notebook.ipynb").write_text(json.dumps(notebook))
    done = run(path)
    assert (done.exit_code, done.outcome["error"]["ename"]) == (1, "ZeroDivisionError")


@pytest.mark.parametrize(
    "source", ["exit()", "quit", "import sys\nsys.exit()", "raise SystemExit(0)"]
)
def test_a_notebook_may_end_itself(tmp_path: Path, source: str) -> None:
    done = run(make_run(tmp_path / "r", [source, "print('never')"]))
    assert (done.exit_code, done.outcome["state"]) == (0, "succeeded")
    assert (done.outcome["cells"], done.outcome["cells_run"]) == (2, 1)
    assert "ended itself in cell 1; 1 not run" in done.told("notice")[0]["text"]
    assert "never" not in done.log


def test_ending_with_a_message_is_a_failure(tmp_path: Path) -> None:
    done = run(make_run(tmp_path / "r", ["import sys\nsys.exit('no data')"]))
    assert done.exit_code == 1
    assert done.outcome["error"]["problem"] == "cell 1 raised SystemExit: no data"


@pytest.mark.parametrize(
    ("source", "how"),
    [
        ("os.kill(os.getpid(), signal.SIGSEGV)", "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("os._exit(3)", "exit status 3"),
    ],
)
def test_a_kernel_that_dies_is_named_and_its_last_words_are_kept(
    tmp_path: Path, source: str, how: str
) -> None:
    first = "import os, signal\nprint('last words', flush=True)\nos.write(1, b'raw words\\n')\n"
    done = run(make_run(tmp_path / "r", [first + source, "print('never')"]))
    error = done.outcome["error"]
    assert (done.exit_code, done.outcome["state"]) == (1, "failed")
    assert error["problem"] == f"the kernel died in cell 1: {how}"
    assert done.text(0) == "last words\nraw words\n"
    assert done.executed.cells[0].outputs[-1].ename == "KernelDied"


def test_errors_before_the_kernel_have_an_outcome_too(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", ["1"], metadata={"language_info": {"name": "R"}})
    done = run(path)
    assert done.exit_code == 10
    assert done.outcome["error"]["kind"] == "NotebookUnusable"
    (path / "notebook.ipynb").write_text("{")
    assert run(path).exit_code == 10
    (path / "run.json").write_text("{")
    assert run(path).outcome["error"]["kind"] == "InternalError"


def test_json_that_is_no_valid_notebook_is_refused(tmp_path: Path) -> None:
    path = make_run(tmp_path / "r", ["1"])
    (path / "notebook.ipynb").write_text(
        json.dumps(
            {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": 3}]}
        )
    )
    done = run(path)
    assert (done.exit_code, done.outcome["error"]["kind"]) == (10, "NotebookUnusable")


def test_a_full_disk_ends_with_a_whole_notebook_and_an_outcome(tmp_path: Path) -> None:
    path = make_run(
        tmp_path / "r", ["from IPython.display import display, HTML", "HTML('y' * 3_000_000)"]
    )
    limited = "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (10**6, 10**6))"
    code = f"{limited}; from remote.runner.__main__ import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run([sys.executable, "-c", code, str(path)], cwd=ROOT, check=False)
    outcome = json.loads((path / "outcome.json").read_text())
    assert (done.returncode, outcome["error"]["kind"]) == (16, "DiskTooSmall")
    json.loads((path / "executed.ipynb").read_text())


def test_a_directory_that_is_none_is_a_usage_error(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "remote.runner", str(tmp_path / "absent")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


def test_signals_are_as_they_were_for_the_kernel(tmp_path: Path) -> None:
    source = "import signal\nprint(repr(signal.getsignal(signal.SIGTERM)))"
    done = run(make_run(tmp_path / "r", [source]))
    assert "SIG_DFL" in done.text(0)
