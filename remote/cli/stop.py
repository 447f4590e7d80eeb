"""`remote stop`: end a run."""

from __future__ import annotations

import click

from remote.cli.options import command, host_option, places, run_argument


@click.command()
@run_argument
@host_option
def stop(run: str, host: str | None) -> None:
    """Stop RUN: it saves its notebook and writes its outcome, within seconds.

    What it has written is kept; `remote collect RUN` seals it under results/.failed/.

    \b
    Example:
      remote stop 10_build_shards_20250423_143022
    """
    from remote.cli.watching import now
    from remote.run import here

    where = places(host)
    state = here.stop(run, clock=now, places=where)
    there = where.named.argument if where.named else ""
    click.echo(f"{run} is {state.value}; its result: {command()} collect {run}{there}", err=True)
