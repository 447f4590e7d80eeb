"""Flags of earlier pipelines: accepted, ignored, and told."""

from __future__ import annotations

from collections.abc import Collection

import click

from remote.workloads.progress import notice
from remote.workloads.shards.obsolete import INSTEAD, told

OBSOLETE = (
    click.option("--use-rust", is_flag=True, hidden=True),
    click.option("--use-rust-batch/--no-use-rust-batch", hidden=True),
    click.option("--parallel-writers", hidden=True),
    click.option("--processes/--no-processes", hidden=True),
    click.option("--memory-limit", hidden=True),
)


def tell_obsolete(given: Collection[str]) -> None:
    """One line for each of the parameters' names that has no meaning here."""
    for name in given:
        if name in INSTEAD:
            notice(told(name, f"--{name.replace('_', '-')}"))
