"""Progress on a terminal is one line that changes; elsewhere plain lines now and then."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from remote.workloads.shards.cli.live import Live
from remote.workloads.shards.counts import empty
from remote.workloads.shards.meter import Meter, Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(sink: io.StringIO, seconds: float, steps: int) -> str:
    now = [0.0]
    live = Live(sink, clock=lambda: now[0])
    for step in range(steps + 1):
        done = 1_000_000 * step // steps
        live(Progress(done, 1_000_000, done, 0, 0, 1))
        now[0] += seconds / steps
    live.close()
    return sink.getvalue()


def test_a_terminal_gets_one_line_four_times_a_second() -> None:
    text = shown(Terminal(), 10.0, 1_000)
    assert 35 <= text.count("\r") <= 45
    assert text.count("\n") == 1
    assert text.endswith("1\n")
    assert "100%  1,000,000/1,000,000 spectra  100,000/s" in text
    assert " 50%  " in text or " 51%  " in text
    assert "5 s left" in text


def test_a_log_gets_plain_lines() -> None:
    text = shown(io.StringIO(), 30.0, 1_000)
    assert 3 <= text.count("\n") <= 5
    assert "\r" not in text
    assert "\x1b" not in text


def test_counts_add_up_and_reach_the_runs_events(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = tmp_path / "events.jsonl"
    monkeypatch.setenv("WORKHORSE_EVENTS", str(events))
    stats = empty() | {
        "read": 10,
        "written": 7,
        "dropped": {"too_few_peaks": 2, "precursor_invalid": 1},
    }
    seen: list[Progress] = []
    meter = Meter(30, seen.append, stats)
    meter.add(stats, 1)
    meter.add(stats, 2)
    assert [x.done for x in seen] == [10, 20, 30]
    assert seen[-1] == Progress(30, 30, 21, 6, 3, 2)
    last = json.loads(events.read_text().splitlines()[-1])
    assert (last["stage"], last["done"], last["written"], last["shards"]) == ("shards", 30, 21, 2)
