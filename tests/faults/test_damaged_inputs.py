"""Damaged inputs: each ends in a right result or one clear error, and never in anything else."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.damaged import Case, everything, selection

ROOT = Path(__file__).parents[2]
WORKERS = 2
SECONDS = 20.0
STARTING_SECONDS = 120.0
# What one case may add to the most that the process ever had.
MOST_MEGABYTES = 400


class Silent(Exception):
    """The process died, or said nothing in time."""


@dataclass
class Worker:
    """A process that runs cases."""

    process: subprocess.Popen[str]
    lines: queue.Queue[str]

    def said(self, seconds: float) -> str:
        """The next line.

        Raises:
            Silent: there is none.
        """
        try:
            line = self.lines.get(timeout=seconds)
        except queue.Empty:
            raise Silent(f"hangs: nothing after {seconds:.0f} s") from None
        if not line:
            self.process.wait()
            raise Silent(f"the process died: {self.process.returncode}")
        return line

    def run(self, tier: str, case: int) -> dict[str, Any]:
        """A case's verdict."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"tier": tier, "case": case}) + "\n")
        self.process.stdin.flush()
        answer: dict[str, Any] = json.loads(self.said(SECONDS))
        return answer


@contextmanager
def worker() -> Iterator[Worker]:
    """A process that is ready; gone afterwards."""
    command = [sys.executable, "-m", "tests.faults.damaged_worker"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        found = Worker(process, queue.Queue())
        listener = threading.Thread(target=_listen, args=(process, found.lines), daemon=True)
        listener.start()
        try:
            assert found.said(STARTING_SECONDS) == "ready\n"
            yield found
        finally:
            process.kill()
            listener.join()


def _listen(process: subprocess.Popen[str], lines: queue.Queue[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        lines.put(line)
    lines.put("")


class Campaign:
    """Runs all cases of a tier; a process that dies of one is replaced for the next."""

    def __init__(self, tier: str, count: int) -> None:
        self.tier = tier
        self.verdicts: list[dict[str, Any]] = [{"verdict": "wrong", "detail": "not run"}] * count
        self._waiting: queue.SimpleQueue[int] = queue.SimpleQueue()
        for index in range(count):
            self._waiting.put(index)

    def run(self) -> None:
        """Run them."""
        threads = [threading.Thread(target=self._serve) for _ in range(WORKERS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _serve(self) -> None:
        with suppress(queue.Empty):
            while True:
                index = self._waiting.get_nowait()
                with worker() as process, suppress(Silent):
                    while True:
                        self._judge(process, index)
                        index = self._waiting.get_nowait()

    def _judge(self, process: Worker, index: int) -> None:
        try:
            answer = process.run(self.tier, index)
        except Silent as silence:
            self.verdicts[index] = {"verdict": "wrong", "detail": str(silence)}
            raise
        if answer["grown"] > MOST_MEGABYTES:
            answer |= {"verdict": "wrong", "detail": f"took {answer['grown']} MB"}
        self.verdicts[index] = answer


def check(tier: str, cases: tuple[Case, ...]) -> None:
    """No case may end badly."""
    assert len({case.name for case in cases}) == len(cases)
    campaign = Campaign(tier, len(cases))
    campaign.run()
    answers = list(zip(cases, campaign.verdicts, strict=True))
    wrong = [
        f"{case.name} [{case.oracle}]: {x['detail']}"
        for case, x in answers
        if x["verdict"] == "wrong"
    ]
    assert not wrong, f"{len(wrong)} of {len(cases)}:\n" + "\n".join(wrong)
    # So that neither kind of end is all there is.
    for verdict in ("same", "refused"):
        assert any(x["verdict"] == verdict for _, x in answers)


def test_a_selection() -> None:
    check("selection", selection())


@pytest.mark.slow
def test_everything() -> None:
    check("everything", everything())
