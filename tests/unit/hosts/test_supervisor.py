"""The supervisor owns a run to its end, with a small program in the runner's place."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from remote.hosts.local import LocalTransport
from remote.hosts.process.identity import ProcessIdentity, end_processes_of, identify
from remote.hosts.process.runtime import ProcessRuntime
from remote.hosts.process.supervisor import explain

ROOT = Path(__file__).parents[3]
Start = Callable[..., Path]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a supervisor over a script; whatever it leaves is ended."""
    marker = f"WORKHORSE_RUN_UUID=supervised-{os.getpid()}-{tmp_path.name}"

    def begin(script: str, grace: float = 10) -> Path:
        directory = tmp_path / "run"
        directory.mkdir()
        name, _, value = marker.partition("=")
        launch = {
            "argv": [sys.executable, "-c", script],
            "environment": {name: value, "GIVEN": "yes"},
            "directory": str(directory),
            "marker": marker,
            "grace_seconds": grace,
        }
        (directory / "launch.json").write_text(json.dumps(launch))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "SECRET": "no"}
        argv = [sys.executable, "-m", "remote.hosts.process.supervisor", str(directory)]
        subprocess.run(argv, env=environment, check=True, timeout=20)
        return directory

    yield begin
    state = tmp_path / "run" / "supervisor.json"
    if state.exists():
        ProcessIdentity.from_json(json.loads(state.read_text())["supervisor"]).send(signal.SIGKILL)
    end_processes_of(marker)


def ended(directory: Path) -> dict[str, Any]:
    """outcome.json, once the supervisor has gone."""
    identity = ProcessIdentity.from_json(state(directory)["supervisor"])
    limit = time.monotonic() + 20
    while identity.alive():
        assert time.monotonic() < limit
        time.sleep(0.02)
    return dict(json.loads((directory / "outcome.json").read_text()))


def state(directory: Path) -> dict[str, Any]:
    return dict(json.loads((directory / "supervisor.json").read_text()))


def test_it_is_detached_and_leaves_the_runners_outcome_alone(start: Start) -> None:
    directory = start(
        "import json, os, sys\n"
        "json.dump({'session': os.getsid(0), 'given': os.environ['GIVEN'],"
        " 'secret': os.environ.get('SECRET')}, open('outcome.json', 'w'))"
    )
    outcome = ended(directory)
    assert outcome == {
        "session": outcome["session"],
        "given": "yes",
        "secret": None,
    }
    assert outcome["session"] != os.getsid(0)


def test_signals_that_a_shell_ignored_reach_the_runner(start: Start) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        directory = start("import os, signal, time; os.kill(os.getpid(), signal.SIGINT)")
    finally:
        signal.signal(signal.SIGINT, before)
    assert ended(directory)["state"] == "interrupted"


@pytest.mark.parametrize(
    ("script", "expected", "code"),
    [
        ("raise SystemExit(3)", "failed", 70),
        ("import os; os.kill(os.getpid(), 9)", "interrupted", 7),
        ("import os; os.kill(os.getpid(), 11)", "interrupted", 7),
    ],
)
def test_a_runner_without_outcome_gets_one(
    start: Start, script: str, expected: str, code: int
) -> None:
    outcome = ended(start(script))
    assert (outcome["state"], outcome["exit_code"]) == (expected, code)
    assert outcome["error"]["problem"]
    assert outcome["finished_at"] >= outcome["started_at"]


def test_stop_asks_first(start: Start) -> None:
    directory = start(
        "import pathlib, signal, sys, time\n"
        "def bye(*_):\n"
        "    pathlib.Path('outcome.json').write_text('{\"state\": \"asked\"}'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye); pathlib.Path('ready').touch(); time.sleep(60)"
    )
    wait_for(directory / "ready")
    ProcessRuntime(LocalTransport()).stop(directory)
    assert ended(directory)["state"] == "asked"


def test_stop_then_kills_with_all_it_started(start: Start) -> None:
    directory = start(
        "import pathlib, signal, subprocess, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'],\n"
        "                         start_new_session=True)\n"
        "pathlib.Path('child.new').write_text(str(child.pid))\n"
        "pathlib.Path('child.new').rename('child'); time.sleep(60)",
        grace=0.3,
    )
    wait_for(directory / "child")
    ProcessRuntime(LocalTransport()).stop(directory)
    outcome = ended(directory)
    assert (outcome["state"], outcome["exit_code"]) == ("cancelled", 6)
    assert identify(int((directory / "child").read_text())) is None


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux promise; others end it when found")
def test_a_runner_does_not_outlive_its_supervisor(start: Start) -> None:
    directory = start("import time; time.sleep(60)")
    runner = ProcessIdentity.from_json(state(directory)["runner"])
    ProcessIdentity.from_json(state(directory)["supervisor"]).send(signal.SIGKILL)
    limit = time.monotonic() + 10
    while runner.alive():
        assert time.monotonic() < limit
        time.sleep(0.02)
    status = ProcessRuntime(LocalTransport()).status(directory)
    assert (status.running, status.known) == (False, True)


@pytest.mark.parametrize(
    ("returncode", "stopped", "memory", "expected"),
    [
        (-9, True, True, "cancelled"),
        (-9, False, True, "out-of-memory"),
        (-9, False, False, "interrupted"),
        (-15, False, True, "interrupted"),
        (0, False, False, "failed"),
        (1, False, True, "failed"),
    ],
)
def test_what_is_made_of_an_end(
    returncode: int, stopped: bool, memory: bool, expected: str
) -> None:
    assert explain(returncode, stopped, memory)[0] == expected


def wait_for(path: Path) -> None:
    limit = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < limit, f"{path} is not there"
        time.sleep(0.02)
