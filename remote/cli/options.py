"""Arguments that several verbs share."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click
from click.shell_completion import CompletionItem

from remote.errors import WorkhorseError
from remote.model import BuildPlace, Project

if TYPE_CHECKING:
    from remote.run.here import Places

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

json_option: Decorator = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


def project() -> Project:
    """The checkout that this package belongs to."""
    return Project(Path(__file__).absolute().parents[2])


def command() -> str:
    """How to call `remote` from here: by name where it is on PATH, else the checkout's script."""
    found = shutil.which("remote")
    if found and Path(found).parent == Path(sys.executable).parent:
        return "remote"
    return shlex.quote(os.path.relpath(project().root / "scripts" / "remote"))


def _complete_run(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    from remote.config import state_dir

    runs = state_dir() / "runs"
    names = sorted(path.name for path in runs.iterdir()) if runs.is_dir() else []
    return [CompletionItem(name) for name in reversed(names) if name.startswith(incomplete)]


def complete_host(
    _context: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The names that a host can have here."""
    from remote.config import load
    from remote.hosts.select import BUILT_IN

    try:
        names = [*load(project().root).hosts, *BUILT_IN]
    except WorkhorseError:
        names = list(BUILT_IN)
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


host_option: Decorator = click.option(
    "--host",
    metavar="NAME",
    shell_complete=complete_host,
    help="The host that has the run: a name from configs/hosts.yaml, or user@host. "
    "By default this machine, then every host of configs/hosts.yaml.",
)


build_on_option: Decorator = click.option(
    "--build-on",
    type=click.Choice(get_args(BuildPlace)),
    help="Where an image that the host lacks is built: here and pushed, or on the host's own "
    "engine. By default here, where both engines are of one architecture.",
)


def places(name: str | None) -> Places:
    """Where a command looks for runs.

    Raises:
        UsageError: no host has that name.
    """
    from remote.config import load
    from remote.hosts.select import choose, is_this_machine
    from remote.run.here import Places

    config = load(project().root)
    if name is None:
        others = [host for host in config.hosts.values() if host.transport == "ssh"]
        return Places(others=tuple(others))
    if is_this_machine(config, name):
        return Places()
    return Places(this_machine=False, others=(choose(config, name),))


def cannot_ask(error: WorkhorseError) -> None:
    """Say that a host could not be asked; it hides no other."""
    click.echo(f"not asked: {error.problem}", err=True)


run_argument: Decorator = click.argument("run", shell_complete=_complete_run)
optional_run_argument: Decorator = click.argument(
    "run", required=False, shell_complete=_complete_run
)


class Size(click.ParamType[int]):
    """A size such as 12GiB or 500MB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from remote.schema import parse_size

        if isinstance(value, int):
            return value
        try:
            return parse_size(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
