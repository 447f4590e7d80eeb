"""What a doctor asks and finds. A check is data: its name, what it needs, whom it asks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from remote.errors import WorkhorseError

Subject = TypeVar("Subject")
_NAME_WIDTH = 19


class Level(StrEnum):
    """How good or bad a finding is."""

    OK = "ok"
    NOTE = "note"
    WARN = "warn"
    FAIL = "FAIL"
    NOT_ASKED = "not asked"


LEVEL_WIDTH = max(map(len, Level))
COLOURS = {Level.OK: "green", Level.WARN: "yellow", Level.FAIL: "red"}


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
    return Finding(Level.FAIL, error.problem, error.hint, error.exit_code)


def examine(
    checks: Sequence[Check[Subject]],
    subject: Subject,
    failed: Callable[[WorkhorseError], Finding] = fail,
) -> Iterator[Finding]:
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
            finding = failed(error)
        if finding is None:
            continue
        if finding.level is Level.FAIL:
            missing[check.name] = check.name
        yield replace(finding, check=check.name)


def exit_code(findings: Sequence[Finding]) -> int:
    """That of the first failure; 0 where there is none."""
    return next((one.exit_code for one in findings if one.level is Level.FAIL), 0)


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would not print as it stands."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def lines(finding: Finding, level: str) -> Iterator[str]:
    """A finding for people.

    Args:
        level: its level as it is shown, LEVEL_WIDTH wide.
    """
    first, *more = finding.found.splitlines() or [""]
    yield f"  {level}  {finding.check:<{_NAME_WIDTH}}  {printable(first)}"
    indent = " " * (2 + LEVEL_WIDTH + 2 + _NAME_WIDTH + 2)
    for line in more:
        yield f"{indent}{printable(line)}"
    if finding.fix:
        yield f"{indent}to mend it: {printable(finding.fix)}"


def summary(found: Sequence[Finding]) -> str:
    """How many there are of each level."""
    counts = {level: sum(one.level is level for one in found) for level in Level}
    parts = [f"{counts[Level.OK]} ok"]
    for level, word in (
        (Level.NOTE, "to note"),
        (Level.WARN, "to look at"),
        (Level.FAIL, "failed"),
        (Level.NOT_ASKED, "not asked"),
    ):
        parts += [f"{counts[level]} {word}"] if counts[level] else []
    return ", ".join(parts)
