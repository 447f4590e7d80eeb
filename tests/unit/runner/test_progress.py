"""Records that workloads leave."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest

from remote.workloads.progress import EVENTS_VARIABLE, Meter, append_record, emit, notice, progress


def records(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_without_a_run_nothing_is_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(EVENTS_VARIABLE, raising=False)
    monkeypatch.chdir(tmp_path)
    notice("nobody hears this")
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told_with_its_counts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    monkeypatch.setenv(EVENTS_VARIABLE, str(path))
    progress("test-counts", 0, 10, unit="spectra")
    progress("test-counts", np.int64(10), 10, unit="spectra", written=np.int64(9), dropped=1)  # type: ignore[arg-type]
    first, last = records(path)
    assert first["done"] == 0
    assert (last["done"], last["written"], last["dropped"], last["unit"]) == (10, 9, 1, "spectra")


def test_at_most_four_a_second_and_the_last_always() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    told = []
    for done in range(1001):
        now[0] = done * 0.01
        if (rate := meter.due("s", done, 1000)) is not None:
            told.append((now[0], rate))
    assert len(told) <= 10 * 4 + 2
    assert told[-1][0] == 10.0
    assert told[-1][1] == pytest.approx(100)


def test_what_a_resumed_stage_skipped_is_not_taken_for_speed() -> None:
    now = [0.0]
    meter = Meter(clock=lambda: now[0])
    meter.due("s", 900, 1000)
    now[0] = 1.0
    assert meter.due("s", 950, 1000) == 50.0


def test_lines_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"

    def tell(thread: int) -> None:
        for n in range(200):
            append_record(path, "notice", {"text": f"{thread}:{n}" * 20})

    threads = [threading.Thread(target=tell, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(records(path)) == 1600


def test_a_file_that_cannot_be_written_does_not_break_the_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "no" / "such" / "folder"))
    emit("notice", text="lost")
