"""Run ids and the names under `results/`.

A run id is `NAME_YYYYMMDD_HHMMSS` in UTC. Ids of one notebook sort as text in the order in which
they were claimed. This module is part of the reading side: standard library only.

    results/ID                    sealed, succeeded
    results/.failed/ID.attemptN   sealed, ended otherwise
    results/.incoming/ID          claimed, not sealed yet; ID.json beside it holds the claim
    results/.incoming/ID.early    copies of files that looked finished while the run went on
    results/ledger.jsonl          one line for every sealed folder
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

INCOMING = ".incoming"
FAILED = ".failed"
LEDGER = "ledger.jsonl"

RUN_JSON = "run.json"
MANIFEST = "manifest-sha256.txt"
CRATE = "ro-crate-metadata.json"
EXECUTED = "executed.ipynb"
KERNEL_LOG = "kernel.log"
EVENTS = "events.jsonl"
OUTCOME = "outcome.json"

_TWO = "([0-9]{2})"
_ID = re.compile(rf"(.+)_([0-9]{{4}}){_TWO}{_TWO}_{_TWO}{_TWO}{_TWO}")
_ATTEMPT = re.compile(r"(?P<id>.+)\.attempt(?P<number>[1-9][0-9]{0,5})")


@dataclass(frozen=True, slots=True)
class RunId:
    """A notebook's name and a second in UTC; `str()` gives the id."""

    notebook: str
    moment: datetime

    def __str__(self) -> str:
        # Not strftime("%Y"), which does not pad years before 1000 on every platform.
        return f"{self.notebook}_{self.moment.year:04d}{self.moment.strftime('%m%d_%H%M%S')}"


def parse_id(text: str) -> RunId | None:
    """The parts of a run id, or None where `text` is none (no such date, other form)."""
    match = _ID.fullmatch(text)
    if match is None:
        return None
    try:
        year, month, day, hour, minute, second = (int(number) for number in match.groups()[1:])
        moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None
    return RunId(match[1], moment)


def parse_attempt(text: str) -> tuple[RunId, int] | None:
    """The parts of `ID.attemptN`, the name of a folder under `.failed/`, or None."""
    match = _ATTEMPT.fullmatch(text)
    run_id = parse_id(match["id"]) if match else None
    return (run_id, int(match["number"])) if match and run_id else None


def attempt_name(run_id: str, attempt: int) -> str:
    """The folder's name under `.failed/`."""
    return f"{run_id}.attempt{attempt}"
