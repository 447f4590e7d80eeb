"""Every case of the corpus in processes of their own; counts by kind and outcome.

python -m tests.faults.damaged_campaign [--seed N] [--tier selection|damage|everything] [--skip]
"""

from __future__ import annotations

import argparse
import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.damaged import SEED, TIERS, Case

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

    def run(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A case's verdict."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(asked) + "\n")
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

    def __init__(self, tier: str, seed: int, count: int, *, skip: bool) -> None:
        self._asked = {"tier": tier, "seed": seed, "skip": skip}
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

    def wrong(self, cases: Sequence[Case]) -> Iterator[str]:
        """The cases that ended badly, and how."""
        for case, x in zip(cases, self.verdicts, strict=True):
            if x["verdict"] == "wrong":
                yield f"{case.name} [{case.oracle}]: {x['detail']}"

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
            answer = process.run({**self._asked, "case": index})
        except Silent as silence:
            self.verdicts[index] = {"verdict": "wrong", "detail": str(silence)}
            raise
        if answer["grown"] > MOST_MEGABYTES:
            answer |= {"verdict": "wrong", "detail": f"took {answer['grown']} MB"}
        self.verdicts[index] = answer


def table(cases: Sequence[Case], verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Cases by kind and outcome."""
    counts: dict[str, Counter[str]] = {}
    for case, x in zip(cases, verdicts, strict=True):
        counts.setdefault(case.kind, Counter())[x["verdict"]] += 1
    outcomes = ("same", "skipped", "refused", "wrong")
    lines = [f"{'':24}" + "".join(f"{name:>9}" for name in outcomes)]
    total = sum(counts.values(), Counter())
    for kind, found in (*counts.items(), ("together", total)):
        lines.append(f"{kind:24}" + "".join(f"{found[name]:9}" for name in outcomes))
    return "\n".join(lines)


def main() -> int:
    """Run a tier; the exit code is 1 where a case ended badly."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--tier", choices=[*TIERS], default="everything")
    parser.add_argument("--skip", action="store_true", help="with skip_damaged")
    given = parser.parse_args()
    cases = TIERS[given.tier](given.seed)
    began = time.monotonic()
    campaign = Campaign(given.tier, given.seed, len(cases), skip=given.skip)
    campaign.run()
    wrong = list(campaign.wrong(cases))
    say = sys.stdout.write
    say(f"seed {given.seed}, {len(cases)} cases, {time.monotonic() - began:.0f} s\n")
    say(table(cases, campaign.verdicts) + "\n")
    say("".join(f"wrong: {line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
