"""`remote ps`: the runs that the host has."""

from __future__ import annotations

import json
from datetime import datetime

import click

from remote.cli.options import cannot_ask, host_option, json_option, places
from remote.errors import WorkhorseError


@click.command()
@host_option
@json_option
def ps(host: str | None, as_json: bool) -> None:
    """List the runs that hosts have: under way, or ended and not collected yet.

    A run that was collected is listed by `remote results list`.

    \b
    Example:
      remote ps
    """
    from remote.run.here import list_runs

    where = places(host)
    unasked: list[WorkhorseError] = []

    def tell(error: WorkhorseError) -> None:
        unasked.append(error)
        cannot_ask(error)

    # A host that was named and cannot be asked is this command's failure.
    found = list_runs(where, None if where.named else tell)
    if as_json:
        rows = [
            {
                "id": run.id,
                "state": run.state.value,
                "created_at": run.created_at,
                "notebook": run.notebook,
                "host": run.host,
                "runtime": run.runtime,
                "directory": str(run.directory),
            }
            for run in found
        ]
        click.echo(json.dumps(rows, indent=1))
        return
    if not found and not unasked:
        click.echo("no runs here; what was collected: remote results list", err=True)
    width = max((len(run.id) for run in found), default=0)
    for run in found:
        started = datetime.fromisoformat(run.created_at).astimezone()
        state = f"{run.state.value:<13}"
        click.echo(f"{run.id:<{width}}  {state}  {started:%Y-%m-%d %H:%M:%S}  {run.host}")
