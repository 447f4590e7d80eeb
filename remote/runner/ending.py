"""How a run ended, before it is written down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remote.errors import WorkhorseError
from remote.model import RunState


@dataclass(frozen=True, slots=True)
class Failure:
    """What outcome.json says under `error`. `traceback` is plain text, one line an element."""

    kind: str
    problem: str
    hint: str = ""
    cell: int | None = None
    ename: str | None = None
    evalue: str | None = None
    traceback: tuple[str, ...] = ()

    def as_json(self) -> Mapping[str, Any]:
        return {
            "kind": self.kind,
            "problem": self.problem,
            "hint": self.hint,
            "cell": self.cell,
            "ename": self.ename,
            "evalue": self.evalue,
            "traceback": list(self.traceback),
        }


@dataclass(frozen=True, slots=True)
class Ending:
    """State, exit code and, unless it succeeded, why."""

    state: RunState
    exit_code: int
    failure: Failure | None = None
    cells: int = 0
    cells_run: int = 0
    signal: str | None = field(default=None)


def of_error(error: WorkhorseError, state: RunState = RunState.FAILED) -> Ending:
    """An ending from an error that the runner itself raised."""
    failure = Failure(type(error).__name__, error.problem, error.hint)
    return Ending(state, error.exit_code, failure)
