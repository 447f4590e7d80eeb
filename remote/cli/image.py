"""`remote image`: the environment that runs use."""

from __future__ import annotations

import json

import click

from remote.cli.options import json_option, project


@click.group()
def image() -> None:
    """Build the environment that runs use, ahead of a run.

    \b
    Example:
      remote image build
    """


@image.command()
@click.option("--host", metavar="NAME", help="Where; by default where a run would go.")
@json_option
def build(host: str | None, as_json: bool) -> None:
    """Build what the host lacks of environment and code, and print its name.

    \b
    Example:
      remote image build --host local+docker
    """
    from remote.cli.watching import display
    from remote.config import load
    from remote.hosts.connect import connect
    from remote.hosts.select import choose
    from remote.image.place import place
    from remote.steps import Steps

    chosen = choose(load(project().root), host)
    with display() as listener, connect(chosen) as opened:
        placed = place(opened, project(), Steps(listener))
    facts = {
        "runtime": chosen.runtime,
        "environment": placed.environment,
        "code": placed.code,
        "image_digest": placed.image_digest,
    }
    click.echo(json.dumps(facts, indent=1) if as_json else placed.code)
