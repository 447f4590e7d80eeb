"""Watching a run from a command line: the display, Ctrl-C, and the words in the end."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from remote.cli import ending
from remote.cli.edge import INTERRUPTED_BY_USER
from remote.cli.options import command
from remote.cli.view import View
from remote.model import HostConfig, Listener, SealedRun

if TYPE_CHECKING:
    from remote.cli.live import LiveDisplay
    from remote.cli.plain import PlainDisplay


def now() -> datetime:
    """The clock of every command: UTC, timezone-aware."""
    return datetime.now(UTC)


def display() -> LiveDisplay | PlainDisplay:
    """Live on a terminal, plain lines elsewhere."""
    if sys.stderr.isatty():
        from rich.console import Console

        console = Console(stderr=True)
        if console.is_terminal and not console.is_dumb_terminal:
            from remote.cli.live import LiveDisplay

            return LiveDisplay(console)
    from remote.cli.plain import PlainDisplay

    return PlainDisplay()


def watched(
    action: Callable[[Listener], SealedRun], *, as_json: bool, host: HostConfig | None = None
) -> int:
    """Do `action` under a display and say how the run ended; returns the exit code.

    Ctrl-C leaves a run that is under way alone, and says how to come back to it.
    """
    shown = display()
    try:
        with shown as listener:
            sealed = action(listener)
    except KeyboardInterrupt:
        for line in _goes_on(shown.view, host):
            click.echo(line, err=True)
        return INTERRUPTED_BY_USER
    tell(sealed, as_json=as_json)
    return sealed.outcome.exit_code


def tell(sealed: SealedRun, *, as_json: bool) -> None:
    """How a run ended: words on stderr, the folder (or JSON) on stdout."""
    for line in ending.lines(sealed):
        click.echo(line, err=True)
    click.echo(json.dumps(ending.as_json(sealed)) if as_json else str(sealed.path))


def how_to_return(run_id: str, host: HostConfig | None = None) -> list[str]:
    """The commands for a run that goes on without us."""
    there = host.argument if host else ""
    return [
        f"  watch it, and get its result:  {command()} attach {run_id}{there}",
        f"  end it:                        {command()} stop {run_id}{there}",
    ]


def _goes_on(view: View, host: HostConfig | None) -> list[str]:
    if view.run_id is None:
        return ["", "interrupted before the run was started; nothing is left of it"]
    if view.run_ended:
        there = host.argument if host else ""
        collecting = f"{command()} collect {view.run_id}{there}"
        return ["", f"{view.run_id} has ended; its result: {collecting}"]
    return ["", f"{view.run_id} goes on without you", *how_to_return(view.run_id, host)]
