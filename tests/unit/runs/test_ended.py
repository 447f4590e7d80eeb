"""How a run ended, with and without its own word for it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from remote.hosts.runtime import Status
from remote.model import RunState
from remote.run.ended import final_outcome, read_outcome, state_of, unwritten_outcome
from remote.run.stop import stop
from tests.contract.cells import now
from tests.unit.runs.fakes import FakeRuntime, fake_host


@pytest.mark.parametrize(
    ("status", "stopped", "state", "code"),
    [
        (Status(False, exit_code=137, killed_for_memory=True), False, "out-of-memory", 5),
        (Status(False, exit_code=137, killed_for_memory=True), True, "out-of-memory", 5),
        (Status(False, exit_code=137), False, "interrupted", 7),
        (Status(False, exit_code=255), False, "interrupted", 7),
        (Status(False, exit_code=137), True, "cancelled", 6),
        (Status(False, known=False), False, "interrupted", 7),
        (Status(False, exit_code=1, detail="boom"), False, "failed", 70),
        (Status(False, exit_code=0), False, "interrupted", 7),
    ],
)
def test_without_a_word(status: Status, stopped: bool, state: str, code: int) -> None:
    outcome = unwritten_outcome(status, "r", stopped=stopped)
    assert (outcome.state, outcome.exit_code) == (state, code)
    assert outcome.details["state"] == state
    assert outcome.details["error"]["problem"]
    assert outcome.details["error"]["hint"]
    if status.detail:
        assert status.detail in outcome.details["error"]["problem"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"state": "happy", "exit_code": 0}',
        '{"state": "running", "exit_code": 0}',
        '{"state": "succeeded", "exit_code": 1}',
        '{"state": "failed", "exit_code": 0}',
        '{"state": "failed", "exit_code": "x"}',
    ],
)
def test_an_outcome_that_cannot_be_used_is_a_failure(tmp_path: Path, text: str) -> None:
    (tmp_path / "outcome.json").write_text(text)
    outcome = read_outcome(fake_host(tmp_path), tmp_path)
    assert outcome is not None
    assert (outcome.state, outcome.exit_code) == (RunState.FAILED, 70)


def test_states_as_the_host_knows_them(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    assert isinstance(host.runtime, FakeRuntime)
    directory = tmp_path / "runs" / "r"
    directory.mkdir(parents=True)
    host.runtime.statuses["r"] = Status(running=True)
    assert state_of(host, directory) is RunState.RUNNING
    host.runtime.statuses["r"] = Status(running=False, exit_code=9)
    assert state_of(host, directory) is RunState.FAILED
    written = {"state": "succeeded", "exit_code": 0}
    (directory / "outcome.json").write_text(json.dumps(written))
    assert state_of(host, directory) is RunState.SUCCEEDED
    assert final_outcome(host, directory).details == written


def test_stop_marks_a_run_that_could_not_say_so(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    assert isinstance(host.runtime, FakeRuntime)
    (tmp_path / "runs" / "r").mkdir(parents=True)
    host.runtime.statuses["r"] = Status(running=True)
    assert stop(host, "r", now) is RunState.CANCELLED


def test_stop_leaves_an_ended_run_its_state(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    directory = tmp_path / "runs" / "r"
    directory.mkdir(parents=True)
    (directory / "outcome.json").write_text('{"state": "failed", "exit_code": 1}')
    assert stop(host, "r", now) is RunState.FAILED
    assert not (directory / "stop.json").exists()
