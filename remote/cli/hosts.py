"""`remote hosts`: add, list, default, remove, doctor."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from remote.cli.options import complete_host, json_option, project

if TYPE_CHECKING:
    from pathlib import Path

    from remote.config import Config


def _config() -> Config:
    from remote.config import load

    return load(project().root)


def _shown(path: Path) -> str:
    """The file, as somebody in the checkout would name it."""
    root = project().root
    return str(path.relative_to(root) if path.is_relative_to(root) else path)


@click.group()
def hosts() -> None:
    """The machines that notebooks run on: add, list, check and remove them.

    \b
    Example:
      remote hosts add mini ana@mini.local
    """


@hosts.command()
@click.argument("name")
@click.argument("destination", required=False)
@click.option(
    "--fingerprint",
    "--yes-fingerprint",
    "fingerprints",
    multiple=True,
    metavar="SHA256:...",
    help="Record the host key without a question if it is this one. May be given for several "
    "servers, where others lead to the host.",
)
@click.option("--default", is_flag=True, help="Also make it the default host.")
@click.option("--docker-binary", metavar="PATH", help="Where docker is on it.")
@click.option("--base-image", metavar="IMAGE", help="What its environments are built on.")
@click.option("--state-dir", metavar="PATH", help="Where it keeps runs; by default ~/.workhorse.")
@click.option("--runtime", type=click.Choice(["docker", "process"]), help="By default docker.")
@click.option("--no-check", is_flag=True, help="Neither log in nor look at it.")
def add(
    name: str,
    destination: str | None,
    fingerprints: tuple[str, ...],
    default: bool,
    no_check: bool,
    **keys: str | None,
) -> int:
    """Make the host at DESTINATION known as NAME.

    Shows its host key, records it after a yes, logs in, checks the host, and writes it into
    configs/hosts.yaml. DESTINATION is user@host[:port] or a Host of ~/.ssh/config. Leave it out
    for a host that the file has already: all but the writing is done.

    What a check finds does not keep the host out of the file; the exit code is then that of the
    first failure. A refused key or login does.

    \b
    Examples:
      remote hosts add mini ana@mini.local
      remote hosts add box ana@box:2222 --default --state-dir /data/workhorse
      remote hosts add mini
    """
    from remote.cli.hosts_view import key_question, show_findings
    from remote.hosts.adding import candidate, configured, greet
    from remote.hosts.hosts_file import add_host, check_new_name

    config = _config()
    entry = None
    if destination is None:
        host = configured(config, name, {**keys, "default": default})
    else:
        check_new_name(config, name)
        host, entry = candidate(name, destination, keys)
    question = key_question(fingerprints)
    server = greet(host, question, fingerprints=question.fingerprints, login=not no_check)
    click.echo(f"{server.shown}: its host key {server.fingerprint} is known", err=True)
    code = 0 if no_check else show_findings(host)
    if entry is not None:
        add_host(config.path, name, entry, default=default)
    click.echo(f"{name} is in {_shown(config.path)}" + ("; it is the default" if default else ""))
    if code:
        click.echo(f"what failed is to be mended; then: remote hosts doctor {name}", err=True)
    return code


@hosts.command(name="list")
@json_option
def list_hosts(as_json: bool) -> None:
    """List the hosts of configs/hosts.yaml; the default one has a star.

    \b
    Example:
      remote hosts list --json
    """
    from remote.cli.hosts_view import as_rows, show_hosts

    config = _config()
    if as_json:
        click.echo(json.dumps(as_rows(config), indent=1))
    else:
        show_hosts(config)


@hosts.command()
@click.argument("name", required=False, shell_complete=complete_host)
@click.option("--unset", is_flag=True, help="No host is the default: runs go to this machine.")
def default(name: str | None, unset: bool) -> None:
    """Print the default host, or make NAME it.

    \b
    Example:
      remote hosts default mini
    """
    from remote.errors import UsageError
    from remote.hosts.hosts_file import set_default
    from remote.hosts.select import LOCAL

    if name and unset:
        raise UsageError(f"`--unset` and {name!r} contradict each other", hint="give one of them")
    config = _config()
    if name or unset:
        set_default(config.path, name)
        click.echo(f"runs go to {name or 'this machine'} where no host is named", err=True)
        return
    if config.default_host is None:
        click.echo("no host is the default: runs go to this machine", err=True)
    click.echo(config.default_host or LOCAL)


@hosts.command()
@click.argument("name", shell_complete=complete_host)
def remove(name: str) -> None:
    """Take NAME out of configs/hosts.yaml; nothing on the host itself changes.

    \b
    Example:
      remote hosts remove mini
    """
    from remote.hosts.hosts_file import check_known_name, remove_host

    config = _config()
    check_known_name(config, name)
    where = config.hosts[name].destination
    was_default = remove_host(config.path, name)
    click.echo(f"{name} is no longer in {_shown(config.path)}", err=True)
    if was_default:
        click.echo("it was the default: runs go to this machine now", err=True)
    if where:
        click.echo(
            f"nothing on the host was deleted; its runs are still found: remote ps --host {where}",
            err=True,
        )


@hosts.command()
@click.argument("name", required=False, shell_complete=complete_host)
@json_option
def doctor(name: str | None, as_json: bool) -> int:
    """Check all that a run needs of NAME: the default host, else this machine.

    Each failing line says how to mend it. The exit code is that of the first failure.

    \b
    Example:
      remote hosts doctor mini
    """
    from remote.cli.hosts_view import findings_as_json, show_findings
    from remote.hosts.select import to_examine

    host = to_examine(_config(), name)
    if not as_json:
        return show_findings(host)
    document = findings_as_json(host)
    click.echo(json.dumps(document, indent=1))
    return int(document["exit_code"])
