"""What is shown of a run: the state, the plain lines, the live display, the end."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from remote import figures
from remote.cli import ending
from remote.cli.live import LiveDisplay
from remote.cli.plain import PlainDisplay
from remote.cli.view import View
from remote.cli.watching import watched
from remote.model import (
    Listener,
    Message,
    Notice,
    Outcome,
    RunRecord,
    RunState,
    SealedRun,
    StepDetail,
    StepFinished,
    StepStarted,
)


def record(event: str, **fields: Any) -> RunRecord:
    return RunRecord({"t": 0.0, "event": event, **fields})


def progress(done: int, rate: float = 0.0, errors: int = 0) -> RunRecord:
    return record(
        "progress",
        stage="shards",
        done=done,
        total=1_000_000,
        unit="spectra",
        rate=rate,
        written=done,
        errors=errors,
    )


A_RUN: list[Message] = [
    StepStarted("build"),
    StepDetail("build", "numpy==2.4.6"),
    StepFinished("build", 12.3),
    StepStarted("run", "10_x_20250423_143022"),
    record("cell_started", cell=0, of=4, title="import os"),
    Notice("generating a sample"),
    record("progress", stage="shards", done=0, total=1_000_000, unit="spectra", rate=0),
    progress(612_000, 85_300.0, errors=2),
    record("memory", current_bytes=812_000_000, peak_bytes=901_000_000, limit_bytes=2 << 30),
]


class Ticks:
    """A clock that goes on by `step` seconds whenever it is looked at."""

    def __init__(self, step: float) -> None:
        self._step = step
        self._now = 0.0

    def __call__(self) -> float:
        self._now += self._step
        return self._now


def plain_lines(
    messages: list[Message], step: float, capsys: pytest.CaptureFixture[str]
) -> list[str]:
    with PlainDisplay(Ticks(step)) as display:
        for message in messages:
            display(message)
    said = capsys.readouterr()
    assert said.out == ""
    return said.err.splitlines()


def test_plain_lines_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain_lines(A_RUN, 6.0, capsys) == [
        "build 12 s",
        "run 10_x_20250423_143022",
        "cell 1 of 4  import os",
        "generating a sample",
        "shards: 612,000 of 1,000,000 spectra (61%), 85,300/s, written 612,000, errors 2",
    ]


def test_plain_progress_is_throttled_but_for_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    messages: list[Message] = [progress(n * 10_000, 1.0) for n in range(101)]
    lines = plain_lines(messages, 0.25, capsys)
    assert len(lines) == 100 // 20
    assert lines[-1].startswith("shards: 1,000,000 of 1,000,000 spectra (100%)")


def screen(messages: list[Message], width: int) -> list[str]:
    console = Console(
        file=io.StringIO(), width=width, height=30, force_terminal=True, no_color=True
    )
    display = LiveDisplay(console, Ticks(0.001))
    with console.capture() as captured:
        for message in messages:
            display.view.apply(message, 0.0)
        console.print(display)
    return captured.get().splitlines()


def test_the_live_display() -> None:
    lines = [console_text(line).rstrip() for line in screen(A_RUN, 100)]
    assert "build           12 s" in lines[0]
    assert "cell 1 of 4  import os" in lines[1]
    assert lines[2].startswith("  shards")
    assert lines[2].endswith("61%")
    assert "612,000 of 1,000,000 spectra  85,300/s  4.5 s left" in lines[3]
    assert "written 612,000  errors 2" in lines[4]
    assert "memory    812 MB of 2.15 GB  peak 901 MB" in lines[5]


def test_what_a_step_does_is_shown_while_it_does_it() -> None:
    assert "numpy==2.4.6" in screen(A_RUN[:2], 100)[0]
    assert "numpy==2.4.6" not in screen(A_RUN[:3], 100)[0]


@given(st.integers(20, 200), st.text(max_size=80))
def test_no_line_is_wider_than_the_terminal(width: int, title: str) -> None:
    messages = [*A_RUN, record("cell_started", cell=1, of=4, title=title)]
    plain = [console_text(line) for line in screen(messages, width)]
    assert len(plain) == 6
    assert all(len(line.rstrip()) <= width for line in plain)


def console_text(line: str) -> str:
    from rich.text import Text

    return Text.from_ansi(line).plain


def test_live_notices_are_printed_once_above(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    console = Console(file=out, width=80, force_terminal=True)
    with LiveDisplay(console) as display:
        for message in A_RUN:
            display(message)
    assert out.getvalue().count("generating a sample") == 1


events = st.sampled_from(["cell_started", "progress", "memory", "notice", "finished", "other"])
values = st.none() | st.integers() | st.text(max_size=3) | st.floats() | st.booleans()
fields = st.sampled_from(["cell", "of", "title", "stage", "done", "total", "rate", "text"])


@given(st.lists(st.tuples(events, st.dictionaries(fields, values, max_size=5)), max_size=6))
def test_records_of_any_form_do_no_harm(records: list[tuple[str, dict[str, Any]]]) -> None:
    view = View()
    for event, extra in records:
        view.apply(RunRecord({**extra, "event": event}), 0.0)
    assert view.steps == []


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "2 kB"), (812_000_000, "812 MB"), (2 << 30, "2.15 GB")],
)
def test_sizes(count: int, text: str) -> None:
    assert figures.size(count) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.7, "1 min 0 s"), (7500, "2 h 5 min")],
)
def test_seconds(count: float, text: str) -> None:
    assert figures.seconds(count) == text


@pytest.mark.parametrize(
    ("done", "total", "text"),
    [
        (12_000_000, 40_000_000, "12 of 40 MB"),
        (400_000_000, 2_040_000_000, "0.4 of 2.04 GB"),
        (0, 0, "0 of 0 B"),
        (20, 5_000, "0 of 5 kB"),
    ],
)
def test_parts_of_sizes(done: int, total: int, text: str) -> None:
    assert figures.part(done, total) == text


def test_one_and_several() -> None:
    assert (figures.plural(1, "layer"), figures.plural(1200, "layer")) == (
        "1 layer",
        "1,200 layers",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    source = "def f(x):\n    return 1 / x\n\nprint('hi')\nf(0)\n"
    cells = [{"source": "x = 1"}, {"source": source.splitlines(keepends=True)}]
    (tmp_path / "executed.ipynb").write_text(json.dumps({"cells": cells}))
    return tmp_path


TRACEBACK = [
    "ZeroDivisionError   Traceback (most recent call last)",
    "Cell In[2], line 5",
    "----> 5 f(0)",
    "Cell In[2], line 2, in f(x)",
    "ZeroDivisionError: division by zero",
]


def sealed(folder: Path, state: RunState, code: int, **details: Any) -> SealedRun:
    return SealedRun(folder, "10_x_20250423_143022", Outcome(state, code, details), ("a\nb",))


def test_a_good_end_is_one_line(folder: Path) -> None:
    run = sealed(folder, RunState.SUCCEEDED, 0, seconds=14.2, peak_memory_bytes=812_000_000)
    assert ending.lines(run) == [
        "10_x_20250423_143022 succeeded in 14 s, peak memory 812 MB",
        "left out of the result folder: 'a\\nb' (run.json says why)",
    ]


def test_a_failed_cell_is_shown_where_it_failed(folder: Path) -> None:
    error = {
        "kind": "NotebookFailed",
        "problem": "cell 1 raised",
        "hint": "look at it",
        "cell": 1,
        "ename": "ZeroDivisionError",
        "evalue": "division by zero",
        "traceback": TRACEBACK,
    }
    run = sealed(folder, RunState.FAILED, 1, seconds=3.0, error=error)
    assert ending.lines(run)[:-1] == [
        "error: 10_x_20250423_143022 failed in cell 2 after 3.0 s",
        "        1  def f(x):",
        "  -->   2      return 1 / x",
        "        3",
        "        4  print('hi')",
        "  ZeroDivisionError: division by zero",
        "look at it",
        f"The notebook as it ran, with its outputs: {folder / 'executed.ipynb'}",
    ]
    assert ending.as_json(run)["error"] == error
    assert ending.as_json(run)["exit_code"] == 1


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (RunState.CANCELLED, "was stopped"),
        (RunState.INTERRUPTED, "was interrupted"),
        (RunState.OUT_OF_MEMORY, "ran out of memory"),
    ],
)
def test_other_ends(folder: Path, state: RunState, says: str) -> None:
    (folder / "executed.ipynb").unlink()
    error = {"kind": "X", "problem": "two\nlines", "hint": ""}
    lines = ending.lines(sealed(folder, state, 5, error=error))
    assert lines[0] == f"error: 10_x_20250423_143022 {says}"
    assert lines[1] == "  two\n  lines"


@pytest.mark.parametrize("error", [None, {}, {"cell": 7, "traceback": ["x"]}, {"cell": 1}])
def test_a_meagre_outcome_is_told_all_the_same(folder: Path, error: object) -> None:
    lines = ending.lines(sealed(folder, RunState.FAILED, 70, error=error))
    assert "  it left no word about the reason" in lines


def test_an_interrupt_says_what_is_true_then(capsys: pytest.CaptureFixture[str]) -> None:
    def said_after(*messages: Message) -> str:
        def interrupted(listener: Listener) -> SealedRun:
            for message in messages:
                listener(message)
            raise KeyboardInterrupt

        assert watched(interrupted, as_json=False) == 130
        return capsys.readouterr().err

    assert "nothing is left of it" in said_after(StepStarted("build"))
    started = StepStarted("run", "10_x_20250423_143022")
    assert "remote stop 10_x_20250423_143022" in said_after(started)
    ended = said_after(started, StepFinished("run", 1.0), StepStarted("collect"))
    assert "has ended" in ended
    assert "remote collect 10_x_20250423_143022" in ended
