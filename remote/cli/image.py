"""`remote image`: the software that runs use."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from remote.cli.options import build_on_option, complete_host, json_option, project

if TYPE_CHECKING:
    from remote.model import BuildPlace


@click.group()
def image() -> None:
    """Build the software that runs use, and bring it to a host, ahead of a run.

    \b
    Example:
      remote image build
    """


@image.command()
@click.option(
    "--host",
    metavar="NAME",
    shell_complete=complete_host,
    help="Where; by default where a run would go.",
)
@build_on_option
@json_option
def build(host: str | None, build_on: BuildPlace | None, as_json: bool) -> None:
    """Build what the host lacks of environment and code, and print its name.

    \b
    Example:
      remote image build --host local+docker
    """
    _place(host, build_on, as_json=as_json)


@image.command()
@click.argument("host", shell_complete=complete_host)
@build_on_option
@json_option
def push(host: str, build_on: BuildPlace | None, as_json: bool) -> None:
    """Bring environment and code to HOST: the layers that it lacks, and nothing else.

    \b
    Example:
      remote image push mini
    """
    _place(host, build_on, as_json=as_json)


def _place(name: str | None, build_on: BuildPlace | None, *, as_json: bool) -> None:
    from remote.cli.watching import display
    from remote.config import adjusted, load
    from remote.hosts.connect import connect
    from remote.hosts.select import choose
    from remote.image.place import place
    from remote.steps import Steps

    chosen = adjusted(choose(load(project().root), name), build=build_on)
    with display() as listener, connect(chosen) as opened:
        placed = place(opened, project(), Steps(listener))
    facts = {
        "runtime": chosen.runtime,
        "environment": placed.environment,
        "code": placed.code,
        "image_digest": placed.image_digest,
        "pushed": asdict(placed.pushed) if placed.pushed else None,
    }
    click.echo(json.dumps(facts, indent=1) if as_json else placed.code)
