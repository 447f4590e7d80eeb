"""`remote logs`: what a run's kernel printed."""

from __future__ import annotations

import sys

import click

from remote.cli.options import host_option, places, project, run_argument


@click.command()
@run_argument
@host_option
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended.")
def logs(run: str, host: str | None, follow: bool) -> None:
    """Print RUN's kernel.log, as the kernel wrote it.

    A run that was sealed keeps it as kernel.log in its result folder.

    \b
    Example:
      remote logs -f 10_build_shards_20250423_143022
    """
    from remote.run import here

    root = project().root / "results"
    for piece in here.log(run, root, follow=follow, places=places(host)):
        sys.stdout.buffer.write(piece)
        sys.stdout.buffer.flush()
