"""`remote attach`: come back to a run."""

from __future__ import annotations

import click

from remote.cli.options import host_option, json_option, places, project, run_argument


@click.command()
@run_argument
@host_option
@json_option
def attach(run: str, host: str | None, as_json: bool) -> int:
    """Watch RUN until it ends, then collect and seal it.

    A run that is sealed already gives its folder at once.

    \b
    Example:
      remote attach 10_build_shards_20250423_143022
    """
    from remote.cli.watching import now, watched
    from remote.run import here

    root = project().root / "results"
    where = places(host)
    return watched(
        lambda listener: here.attach(run, root, listener, clock=now, places=where),
        as_json=as_json,
        host=where.named,
    )
