"""`remote completion`: a script for the shell."""

from __future__ import annotations

import click


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    \b
    Example:
      eval "$(remote completion zsh)"
    """
    from click.shell_completion import get_completion_class

    from remote.cli.app import app

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(app, {}, "remote", "_REMOTE_COMPLETE").source())
