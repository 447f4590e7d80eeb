"""The command `remote`: one module per verb, imported when it is asked for."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import click

from remote import __version__


class Verb(NamedTuple):
    """Where a verb's command lives. `summary` is its line in `remote --help`."""

    module: str
    attribute: str
    summary: str


VERBS = {
    "run": Verb("remote.cli.run", "run", "Run a notebook; ends with a sealed result folder."),
    "ps": Verb("remote.cli.ps", "ps", "List the runs that the host has."),
    "attach": Verb("remote.cli.attach", "attach", "Watch a run, then collect and seal it."),
    "logs": Verb("remote.cli.logs", "logs", "Print what a run's kernel printed."),
    "stop": Verb("remote.cli.stop", "stop", "Stop a run; what it has written is kept."),
    "collect": Verb("remote.cli.collect", "collect", "Collect and seal runs that have ended."),
    "results": Verb("remote.cli.results", "results", "List, show and verify result folders."),
    "hosts": Verb("remote.cli.hosts", "hosts", "Add, list and check the machines for runs."),
    "image": Verb("remote.cli.image", "image", "Build the environment that runs use."),
    "completion": Verb("remote.cli.completion", "completion", "Print a shell completion script."),
}


class LazyGroup(click.Group):
    """A group that imports a verb's module when the verb is used; help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - the signature is click's
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        verb = VERBS.get(cmd_name)
        if verb is None:
            return None
        command = getattr(importlib.import_module(verb.module), verb.attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0] if args else ""
        if name not in VERBS and not name.startswith("-"):
            from remote.schema import nearest

            ctx.fail(f'there is no command "{name}"{nearest(name, VERBS)}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.summary) for name, verb in VERBS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="remote")
def app() -> None:
    """Run notebooks in containers on the machine next to you.

    \b
    Example:
      remote run notebooks/10_build_shards.ipynb
    """
