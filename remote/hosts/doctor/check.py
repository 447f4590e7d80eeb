"""Checks of hosts: those of `remote.findings`, where a command that ends badly is the host's."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from remote import findings
from remote.errors import HostRefused, WorkhorseError
from remote.findings import Check, Finding, Level, Subject, exit_code, note, ok, warn
from remote.hosts.command import CommandFailed

__all__ = ["Check", "Finding", "Level", "examine", "exit_code", "fail", "note", "ok", "warn"]


def fail(error: WorkhorseError) -> Finding:
    """What a refusal says, as a finding."""
    # A command that ends badly on a host is the host's, not a defect of ours.
    kind = HostRefused if isinstance(error, CommandFailed) else type(error)
    fix = error.hint or "look at it on the host by hand"
    return Finding(Level.FAIL, error.problem, fix, kind.exit_code)


def examine(checks: Sequence[Check[Subject]], subject: Subject) -> Iterator[Finding]:
    """Ask one check after the other; those that need what failed are not asked."""
    return findings.examine(checks, subject, fail)
