"""msms reshard"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from remote.workloads.shards.cli.bounds import FILE, TEXT, of
from remote.workloads.shards.cli.live import Live
from remote.workloads.shards.settings import BuildSettings


@click.command("reshard")
@click.argument("dataset", type=FILE)
@click.option("--output-root", type=FILE, required=True, help="Where the new shards go.")
@click.option(
    "--shard-size",
    type=of(BuildSettings, "max_shard_size_bytes"),
    required=True,
    help="Greatest size in bytes.",
)
@click.option("--run-id", type=TEXT, help="What shard names carry.")
@click.option("--resume", is_flag=True, help="Go on with an unfinished resharding.")
@click.option("--dry-run", is_flag=True, help="Show what would be written.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on stdout.")
def reshard(
    dataset: Path,
    output_root: Path,
    shard_size: int,
    run_id: str | None,
    resume: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make shards of another size of those of DATASET, by copying their row groups.

    \b
    msms reshard shards/c9 --output-root shards/c9-small --shard-size 100000000

    Nothing is decoded or built again: the same spectra in the same order, verified on the way.
    DATASET stays as it is.
    """
    from remote.workloads.shards import reshard as resharding

    if dry_run:
        planned = resharding.preview(dataset, output_root, shard_size=shard_size)
        click.echo(json.dumps(planned.to_json(), indent=2) if as_json else repr(planned))
        return
    live = Live(sys.stderr)
    try:
        result = resharding.reshard(
            dataset,
            output_root,
            shard_size=shard_size,
            run_id=run_id,
            resume=resume,
            watch=live,
        )
    finally:
        live.close()
    click.echo(json.dumps(result.to_json(), indent=2) if as_json else repr(result))
