"""Runs from the command line: what is said where, how they end, and Ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration

SECONDS = 120
HERE = ("--host", "local+process")
PARAMETERS = "x: int = 0\nseconds: float = 0.0"
NOTEBOOKS = {
    "90_divide": "def f(x):\n    return 1 / x\n\nprint('hello')\nf(x)",
    "91_wait": "import time\nprint('waiting', flush=True)\ntime.sleep(seconds)",
    "92_imports": "import not_there_at_all",
}


@pytest.fixture(scope="module")
def checkout(
    tmp_path_factory: pytest.TempPathFactory, copy_checkout: Callable[[Path], Path]
) -> Path:
    root = copy_checkout(tmp_path_factory.mktemp("cli") / "checkout")
    for name, source in NOTEBOOKS.items():
        cells = [cell(PARAMETERS, "parameters"), cell(source)]
        text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
        (root / "notebooks" / f"{name}.ipynb").write_text(text)
    return root


def cell(source: str, *tags: str) -> dict[str, object]:
    extra: dict[str, object] = {
        "outputs": [],
        "execution_count": None,
        "metadata": {"tags": list(tags)},
    }
    return {"cell_type": "code", "source": source, **extra}


def arguments(checkout: Path, *rest: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "remote", *rest], {**os.environ, "PYTHONPATH": str(checkout)}


def remote(checkout: Path, *rest: str) -> subprocess.CompletedProcess[str]:
    command, environment = arguments(checkout, *rest)
    return subprocess.run(
        command,
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def test_a_good_run_ends_with_its_folder(checkout: Path) -> None:
    done = remote(checkout, "run", "notebooks/90_divide.ipynb", *HERE, "-p", "x", "4")
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder.parent == checkout / "results"
    first, *_, last = done.stderr.splitlines()
    assert first.startswith("90_divide runs on this machine, as a process")
    assert re.fullmatch(rf"{folder.name} succeeded in .* s, peak memory \d+ MB", last)
    record = json.loads((folder / "run.json").read_text())
    assert {p["name"]: (p["value"], p["source"]) for p in record["parameters"]} == {
        "x": (4, "-p"),
        "seconds": (0.0, "default"),
    }


def test_a_failing_cell_is_shown_and_its_folder_kept(checkout: Path) -> None:
    done = remote(checkout, "run", "notebooks/90_divide.ipynb", *HERE, "--json")
    assert done.returncode == 1
    end = json.loads(done.stdout)
    assert end["state"] == "failed"
    assert Path(end["path"]).parent == checkout / "results" / ".failed"
    assert "failed in cell 2 after" in done.stderr
    assert "-->   2      return 1 / x" in done.stderr
    assert "ZeroDivisionError: division by zero" in done.stderr
    executed = Path(end["path"]) / "executed.ipynb"
    assert str(executed) in done.stderr
    assert "ZeroDivisionError" in executed.read_text()


def test_missing_imports_are_named_and_nothing_is_left(checkout: Path) -> None:
    done = remote(checkout, "run", "notebooks/92_imports.ipynb", *HERE)
    assert done.returncode == 10
    assert "cell 2: not_there_at_all" in done.stderr
    assert "./scripts/add-package.sh not_there_at_all" in done.stderr
    assert done.stdout == ""
    results = checkout / "results"
    assert not list(results.rglob("92_imports_*"))


def test_a_broken_configuration_is_told_before_anything_starts(checkout: Path) -> None:
    hosts = checkout / "configs" / "hosts.yaml"
    before = hosts.read_text()
    hosts.write_text("hosts:\n  mini: {runtme: docker}\ndefault: mini\n")
    try:
        done = remote(checkout, "run", "notebooks/90_divide.ipynb")
    finally:
        hosts.write_text(before)
    assert done.returncode == 12
    assert 'hosts/mini/runtme: unknown key; did you mean "runtime"?' in done.stderr
    assert 'default: unknown key; did you mean "default_host"?' in done.stderr


@pytest.fixture
def waiting(checkout: Path) -> Iterator[subprocess.Popen[str]]:
    """A controller that watches a run of half a minute."""
    run = ("run", "notebooks/91_wait.ipynb", *HERE, "-p", "seconds", "30")
    command, environment = arguments(checkout, *run)
    with subprocess.Popen(
        command,
        cwd=checkout,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        yield process
        process.kill()


def test_an_interrupt_leaves_the_run_alive_and_says_how_to_return(
    checkout: Path, waiting: subprocess.Popen[str]
) -> None:
    assert waiting.stderr is not None
    said = []
    for line in waiting.stderr:
        said.append(line)
        if line.startswith("cell 3"):
            break
    # To the whole group, as a terminal does.
    os.killpg(waiting.pid, signal.SIGINT)
    out, rest = waiting.communicate(timeout=SECONDS)
    assert waiting.returncode == 130, said
    assert out == ""
    run_id = re.search(r"^(91_wait_\d+_\d+) goes on without you", rest, re.MULTILINE)
    assert run_id is not None, rest
    assert f"remote attach {run_id[1]}" in rest
    assert f"remote stop {run_id[1]}" in rest
    (listed,) = json.loads(remote(checkout, "ps", "--json").stdout)
    assert (listed["id"], listed["state"]) == (run_id[1], "running")
    assert "waiting" in remote(checkout, "logs", run_id[1]).stdout
    assert "is cancelled" in remote(checkout, "stop", run_id[1]).stderr
    assert "cancelled" in remote(checkout, "ps").stdout
    collected = remote(checkout, "collect")
    assert collected.returncode == 0
    assert Path(collected.stdout.strip()).name == f"{run_id[1]}.attempt1"
    again = remote(checkout, "attach", run_id[1])
    assert again.returncode == 6
    assert again.stdout == collected.stdout
    assert "nothing to collect" in remote(checkout, "collect").stderr


def test_detach_returns_at_once_and_attach_brings_the_result(checkout: Path) -> None:
    began = time.monotonic()
    run = ("run", "notebooks/91_wait.ipynb", *HERE, "-p", "seconds", "3", "--detach")
    done = remote(checkout, *run)
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.strip()
    assert f"remote attach {run_id}" in done.stderr
    attached = remote(checkout, "attach", run_id)
    assert time.monotonic() - began > 3
    assert attached.returncode == 0, attached.stderr
    assert attached.stdout.strip() == str(checkout / "results" / run_id)


def test_on_a_terminal_the_display_is_live(checkout: Path) -> None:
    ours, theirs = pty.openpty()
    run = ("run", "notebooks/90_divide.ipynb", *HERE, "-p", "x", "1")
    command, environment = arguments(checkout, *run)
    environment = {**environment, "TERM": "xterm-256color", "COLUMNS": "80"}
    with subprocess.Popen(
        command, cwd=checkout, env=environment, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = read_all(ours)
        assert process.wait(SECONDS) == 0, shown
    assert "\x1b[" in shown
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert "\N{CHECK MARK} launch" in plain
    assert "\N{CHECK MARK} seal" in plain
    assert "succeeded in" in plain.splitlines()[-1]


def read_all(descriptor: int) -> str:
    """What comes out of a pseudo-terminal until its other side is closed."""
    pieces = []
    with os.fdopen(descriptor, "rb", buffering=0) as stream:
        while select.select([stream], [], [], SECONDS)[0]:
            try:
                piece = stream.read(65536)
            except OSError:  # Linux says EIO where others say end of file
                break
            if not piece:
                break
            pieces.append(piece)
    return b"".join(pieces).decode("utf-8", "replace")
