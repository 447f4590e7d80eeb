"""`remote run`: from a notebook to a sealed result folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remote.cli.options import Size, build_on_option, complete_host, json_option, project

if TYPE_CHECKING:
    from remote.model import BuildPlace, RunRequest


@click.command()
@click.argument("notebook", type=click.Path(path_type=Path))
@click.option(
    "--host",
    metavar="NAME",
    shell_complete=complete_host,
    help="Where to run: a name from configs/hosts.yaml, user@host, local+docker, local+process. "
    "By default the config's default_host, else this machine.",
)
@click.option(
    "-p",
    "--parameters",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter, converted by its declared type.",
)
@click.option(
    "-r",
    "--parameters_raw",
    nargs=2,
    multiple=True,
    metavar="NAME VALUE",
    help="A parameter whose value is a string as it stands.",
)
@click.option("-y", "--parameters_yaml", multiple=True, metavar="YAML", help="Parameters as YAML.")
@click.option(
    "-b", "--parameters_base64", multiple=True, metavar="TEXT", help="The same in base64."
)
@click.option(
    "-f",
    "--parameters_file",
    multiple=True,
    type=click.Path(path_type=Path),
    help="The same in a file.",
)
@click.option("--memory", type=Size(), help="Memory limit, as 12GiB.")
@click.option("--cpus", type=click.FloatRange(min=0.1), help="CPU limit.")
@build_on_option
@click.option("--detach", is_flag=True, help="Return once the run is launched.")
@click.option("--dry-run", is_flag=True, help="Check everything, print the plan, start nothing.")
@json_option
def run(
    notebook: Path,
    host: str | None,
    memory: int | None,
    cpus: float | None,
    build_on: BuildPlace | None,
    detach: bool,
    dry_run: bool,
    as_json: bool,
    **letters: Any,
) -> int:
    """Run NOTEBOOK and bring back a sealed result folder.

    The last line on stdout is the folder. Ctrl-C leaves the run alive.

    \b
    Examples:
      remote run notebooks/10_build_shards.ipynb
      remote run notebooks/10_build_shards.ipynb -p max_spectra 20000 --detach
    """
    from remote.cli.watching import watched
    from remote.config import adjusted, load
    from remote.hosts.select import choose
    from remote.run.check import examine, request

    config = load(project().root)
    checked = examine(notebook, _given(letters), project(), config.data)
    chosen = adjusted(choose(config, host), memory=memory, cpus=cpus, build=build_on)
    asked = request(checked, chosen)
    if dry_run:
        _show_plan(asked, as_json=as_json)
        return 0
    click.echo(where_and_why(asked), err=True)
    if detach:
        return _detach(asked, as_json=as_json)

    from remote.cli.watching import now
    from remote.run.flow import execute

    return watched(
        lambda listener: execute(asked, listener, clock=now), as_json=as_json, host=chosen
    )


def where_and_why(request: RunRequest) -> str:
    """The first line of every run."""
    host = request.host
    place = host.destination or "this machine"
    how = "in a container" if host.runtime == "docker" else "as a process, without a container"
    return f"{request.notebook_name} runs on {place}, {how}: {host.reason}"


def _given(letters: dict[str, Any]) -> Any:
    from remote.run.parameters import Given

    return Given(
        parameters=letters["parameters"],
        raw=letters["parameters_raw"],
        yaml=letters["parameters_yaml"],
        base64=letters["parameters_base64"],
        files=letters["parameters_file"],
    )


def _detach(request: RunRequest, *, as_json: bool) -> int:
    from remote.cli.watching import display, how_to_return, now
    from remote.hosts.connect import connect
    from remote.run.flow import start

    with display() as listener, connect(request.host) as host:
        launched = start(host, request, listener, now)
    for line in (f"{launched.id} is under way", *how_to_return(launched.id, request.host)):
        click.echo(line, err=True)
    click.echo(json.dumps({"id": launched.id}) if as_json else launched.id)
    return 0


def _show_plan(request: RunRequest, *, as_json: bool) -> None:
    from remote.run.plan import as_json as plan_as_json
    from remote.run.plan import lines, plan

    planned = plan(request)
    if as_json:
        click.echo(json.dumps(plan_as_json(planned), indent=1))
        return
    click.echo(where_and_why(request))
    for line in lines(planned):
        click.echo(line)
