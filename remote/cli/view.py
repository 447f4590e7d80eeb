"""What there is to see of a run: messages folded into one state that any display can draw.

What a run says of itself is not trusted: control characters never reach the terminal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote.findings import printable
from remote.model import Message, Notice, RunRecord, StepDetail, StepFinished, StepStarted

RUN = "run"
# The order in which a progress record's totals are shown; 0 errors are worth a word, too.
COUNTS = ("written", "dropped", "errors", "shards")


@dataclass(slots=True)
class Step:
    """A controller step. `seconds` is None while it is under way.

    `doing` is what it does at the moment; once it has ended that is no longer of interest.
    """

    name: str
    detail: str
    started: float
    seconds: float | None = None
    doing: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """The cell under way, counted from 1."""

    number: int
    of: int
    title: str


@dataclass(frozen=True, slots=True)
class Progress:
    """The newest progress record of one stage. `rate` is per second."""

    stage: str
    done: int
    total: int | None
    unit: str
    rate: float
    counts: Mapping[str, int]

    @property
    def share(self) -> float | None:
        """0 to 1, None where the total is not known."""
        return None if not self.total else min(1.0, self.done / self.total)

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or self.rate <= 0 or self.done >= self.total:
            return None
        return (self.total - self.done) / self.rate


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes; `limit` None where there is none."""

    current: int
    peak: int
    limit: int | None


@dataclass(slots=True)
class View:
    """The state. `now` is any steady clock's seconds, the same for every call."""

    steps: list[Step] = field(default_factory=list)
    cell: Cell | None = None
    stages: dict[str, Progress] = field(default_factory=dict)
    memory: Memory | None = None
    run_id: str | None = None
    notices: list[str] = field(default_factory=list)

    def apply(self, message: Message, now: float) -> None:
        """Take in one message; records this version does not know change nothing."""
        match message:
            case StepStarted(step=name, detail=detail):
                self.steps.append(Step(name, detail, now))
                if name == RUN:
                    self.run_id = detail
            case StepDetail(step=name, detail=detail):
                self._step(name).doing = detail
            case StepFinished(step=name, seconds=seconds, detail=detail):
                step = self._step(name)
                step.seconds = seconds
                step.detail, step.doing = detail or step.detail, ""
            case Notice(text=text):
                self.notices.append(text)
            case RunRecord(record=record):
                self._record(record)

    @property
    def run_ended(self) -> bool:
        """The run itself is over; its result may still be on its way."""
        return any(step.name == RUN and step.seconds is not None for step in self.steps)

    def _step(self, name: str) -> Step:
        for step in reversed(self.steps):
            if step.name == name:
                return step
        self.steps.append(Step(name, "", 0.0))
        return self.steps[-1]

    def _record(self, record: Mapping[str, Any]) -> None:
        match record:
            case {"event": "cell_started", "cell": int(index), "of": int(of)}:
                self.cell = Cell(index + 1, of, printable(str(record.get("title") or "")))
            case {"event": "progress", "stage": str(stage), "done": int(done)}:
                self.stages[stage] = _progress(printable(stage), done, record)
            case {"event": "memory", "current_bytes": int(current)}:
                peak = _whole(record.get("peak_bytes")) or current
                self.memory = Memory(current, peak, _whole(record.get("limit_bytes")))
            case {"event": "notice", "text": str(text)}:
                self.notices.append(printable(text))


def _progress(stage: str, done: int, record: Mapping[str, Any]) -> Progress:
    counts = {name: record[name] for name in COUNTS if isinstance(record.get(name), int)}
    rate = record.get("rate")
    return Progress(
        stage,
        done,
        _whole(record.get("total")),
        printable(str(record.get("unit") or "")),
        float(rate) if isinstance(rate, int | float) else 0.0,
        counts,
    )


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
