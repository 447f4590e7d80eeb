"""msms validate-shards"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from remote.errors import IntegrityFailure


@click.command("validate-shards")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--quick", is_flag=True, help="Digests and counts only; do not decode the pages.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
def validate_shards(dataset: Path, quick: bool, as_json: bool) -> None:
    """Check every shard of DATASET against its manifest.

    \b
    msms validate-shards shards/c9
    """
    from remote.workloads.shards.validate import validate

    found = validate(dataset, decode=not quick)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2))
    if found.problems:
        listing = "\n".join(f"  {problem}" for problem in found.problems)
        raise IntegrityFailure(
            f"{dataset} is damaged:\n{listing}", hint="Build it again, or fetch it again."
        )
    if not as_json:
        click.echo(f"{found.num_samples:,} spectra in {found.num_shards} shards: all as recorded")
        if found.damaged:
            click.echo(
                f"marked as damaged: {found.damaged:,} spectra of the input could not be read "
                "and are not in it (damaged_ranges in the dataset manifest)"
            )
