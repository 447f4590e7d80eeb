"""`remote collect`: seal what has ended."""

from __future__ import annotations

import click

from remote.cli.options import (
    cannot_ask,
    host_option,
    json_option,
    optional_run_argument,
    places,
    project,
)


@click.command()
@optional_run_argument
@host_option
@json_option
def collect(run: str | None, host: str | None, as_json: bool) -> int:
    """Collect and seal RUN, or every run that has ended.

    The exit code is 0 where everything was sealed, whatever the runs' own outcome.

    \b
    Example:
      remote collect
    """
    from remote.cli.watching import display, now, tell
    from remote.run import here

    root = project().root / "results"
    where = places(host)
    wanted = (
        [run] if run else [one.id for one in here.list_runs(where, cannot_ask) if one.state.ended]
    )
    if not wanted:
        click.echo("nothing to collect", err=True)
    for run_id in wanted:
        with display() as listener:
            sealed = here.collect(run_id, root, listener, clock=now, places=where)
        tell(sealed, as_json=as_json)
    return 0
