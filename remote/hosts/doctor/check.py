"""A check is data: what it is called, what it needs, whom it asks. A finding is what came of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from remote.errors import HostRefused, WorkhorseError
from remote.hosts.command import CommandFailed

Subject = TypeVar("Subject")


class Level(StrEnum):
    """How good or bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found, how to mend it, and the exit code of a failure."""

    level: Level
    found: str
    fix: str = ""
    exit_code: int = 0
    check: str = ""


@dataclass(frozen=True, slots=True)
class Check(Generic[Subject]):
    """One question. `ask` raises a `WorkhorseError` for what fails; None: there is nothing to say.

    `needs` names the earlier checks without which it cannot be asked.
    """

    name: str
    ask: Callable[[Subject], Finding | None]
    needs: tuple[str, ...] = ()


def ok(found: str) -> Finding:
    return Finding(Level.OK, found)


def note(found: str) -> Finding:
    return Finding(Level.NOTE, found)


def warn(found: str, fix: str) -> Finding:
    return Finding(Level.WARN, found, fix)


def fail(error: WorkhorseError) -> Finding:
    """What a refusal says, as a finding."""
    # A command that ends badly on a host is the host's, not a defect of ours.
    kind = HostRefused if isinstance(error, CommandFailed) else type(error)
    fix = error.hint or "look at it on the host by hand"
    return Finding(Level.FAIL, error.problem, fix, kind.exit_code)


def examine(checks: Sequence[Check[Subject]], subject: Subject) -> Iterator[Finding]:
    """Ask one check after the other; those that need what failed are not asked."""
    missing: dict[str, str] = {}
    for check in checks:
        lacking = next((missing[need] for need in check.needs if need in missing), None)
        if lacking is not None:
            missing[check.name] = lacking
            yield Finding(Level.NOT_ASKED, f"because of: {lacking}", check=check.name)
            continue
        try:
            finding = check.ask(subject)
        except WorkhorseError as error:
            finding = fail(error)
        if finding is None:
            continue
        if finding.level is Level.FAIL:
            missing[check.name] = check.name
        yield replace(finding, check=check.name)


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the first failure; 0 where there is none."""
    return next((one.exit_code for one in findings if one.level is Level.FAIL), 0)
