"""The outermost edge: every error becomes a message and an exit code here, and nowhere else."""

from __future__ import annotations

import os
import platform
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from remote import __version__
from remote.errors import InternalError, WorkhorseError

INTERRUPTED_BY_USER = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line; returns the exit code."""
    from remote.cli.app import app

    args = sys.argv[1:] if arguments is None else list(arguments)
    try:
        code = app.main(args, prog_name="remote", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (KeyboardInterrupt, click.Abort):
        click.echo("interrupted", err=True)
        return INTERRUPTED_BY_USER
    except BrokenPipeError:
        # Whoever read our output has gone; what Python still wants to flush goes nowhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except WorkhorseError as error:
        show(error)
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the outermost edge
        show(_internal(error, args))
        return InternalError.exit_code
    return code if isinstance(code, int) else 0


def show(error: WorkhorseError) -> None:
    """The problem, then the hint, on stderr."""
    click.echo(click.style("error: ", fg="red", bold=True) + error.problem, err=True)
    if error.hint:
        click.echo(error.hint, err=True)


def _internal(error: Exception, args: list[str]) -> InternalError:
    report = _report(error, args)
    try:
        log = _write(report)
    except (OSError, WorkhorseError):
        click.echo(report, err=True)
        where = "The report above says where."
    else:
        where = f"Traceback and versions: {log}"
    first = str(error).splitlines()
    return InternalError(
        f"a defect in Workhorse: {type(error).__name__}: {first[0] if first else ''}", hint=where
    )


def _report(error: Exception, args: list[str]) -> str:
    from importlib.metadata import distributions

    packages = sorted(f"{d.metadata['Name']} {d.version}" for d in distributions())
    facts = [
        f"remote {__version__}",
        f"python {platform.python_version()} on {platform.platform()}",
        f"arguments: {args!r}",
        f"directory: {Path.cwd()}",
    ]
    return "\n".join([*facts, "", *traceback.format_exception(error), *packages, ""])


def _write(report: str) -> Path:
    from remote.config import state_dir

    directory = state_dir() / "logs"
    directory.mkdir(parents=True, exist_ok=True)
    stamp = datetime.now(UTC).strftime("%Y%m%d_%H%M%S")
    path = directory / f"error_{stamp}_{os.getpid()}.log"
    path.write_text(report, encoding="utf-8")
    return path
