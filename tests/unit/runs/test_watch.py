"""Watching: every record once, in order, and an end whatever happens."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remote.errors import HostUnreachable
from remote.hosts.runtime import Status
from remote.model import Message, Notice, RunRecord, RunState
from remote.run import watch as watching
from remote.run.watch import Events, watch
from tests.unit.runs.fakes import FakeRuntime, fake_host


@given(cuts=st.lists(st.integers(0, 400), max_size=8), records=st.integers(0, 9))
def test_records_come_once_and_whole_however_they_are_written(
    cuts: list[int], records: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("events") / "events.jsonl"
    lines = [json.dumps({"event": "e", "n": n, "ä": "\u2028"}) for n in range(records)]
    data = "".join(f"{line}\n" for line in lines).encode()
    events = Events(fake_host(path.parent), path)
    seen = list(events.read())
    with path.open("ab", buffering=0) as file:
        bounds = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
        for start, stop in pairwise(bounds):
            file.write(data[start:stop])
            seen += events.read()
    assert [record["n"] for record in seen] == list(range(records))


def test_what_is_no_record_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b'nonsense\n[1]\n{"no": "event"}\n\xff\xfe\n{"event": "good"}\n')
    assert [dict(record) for record in Events(fake_host(tmp_path), path).read()] == [
        {"event": "good"}
    ]


def test_a_line_without_end_does_not_block_what_follows(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"x" * (5 << 20) + b'\n{"event": "good"}\n')
    assert [record["event"] for record in Events(fake_host(tmp_path), path).read()] == ["good"]


def test_gone_without_outcome_ends_the_watch(tmp_path: Path) -> None:
    host = fake_host(tmp_path)
    assert isinstance(host.runtime, FakeRuntime)
    directory = tmp_path / "runs" / "r"
    directory.mkdir(parents=True)
    (directory / "events.jsonl").write_text('{"event": "last"}\n')
    host.runtime.statuses["r"] = Status(running=False, exit_code=137)
    heard: list[Message] = []
    outcome = watch(host, directory, heard.append)
    assert outcome.state is RunState.INTERRUPTED
    assert heard == [RunRecord({"event": "last"})]


class Silent(FakeRuntime):
    """An engine that does not answer for a while."""

    silent = 3

    def status(self, directory: Path) -> Status:
        self.silent -= 1
        if self.silent >= 0:
            raise HostUnreachable("it does not answer")
        return Status(running=False, exit_code=137)


@pytest.mark.parametrize("patience", [30.0, 0.0])
def test_an_engine_that_is_silent_is_asked_again_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, patience: float
) -> None:
    monkeypatch.setattr(watching, "STATUS_SECONDS", 0.01)
    monkeypatch.setattr(watching, "UNREACHABLE_SECONDS", patience)
    host = replace(fake_host(tmp_path), runtime=Silent())
    directory = tmp_path / "runs" / "r"
    directory.mkdir(parents=True)
    heard: list[Message] = []
    if patience == 0.0:
        with pytest.raises(HostUnreachable):
            watch(host, directory, heard.append)
        return
    assert watch(host, directory, heard.append).state is RunState.INTERRUPTED
    assert heard == [Notice("it does not answer; asking again")]
