"""msms validate-shards"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from remote.errors import IntegrityFailure
from remote.workloads.shards.cli.bounds import FILE, WORKERS
from remote.workloads.shards.cli.live import Live, counted
from remote.workloads.shards.cli.several import one_dataset

if TYPE_CHECKING:
    from remote.workloads.shards.validate import Findings, Looked


@click.command("validate-shards")
@click.argument("dataset", type=FILE, required=False)
@click.option("--output", type=FILE, help="The same as DATASET.")
@click.option("--full", is_flag=True, help="Look at every value as well.")
@click.option("--num-workers", type=WORKERS, help="Threads; by default one a core.")
@click.option("--json", "as_json", is_flag=True, help="The findings as JSON on stdout.")
def validate_shards(
    dataset: Path | None,
    output: Path | None,
    full: bool,
    num_workers: int | None,
    as_json: bool,
) -> None:
    """Check every shard of DATASET: manifests, digests, columns, page checksums.

    \b
    msms validate-shards shards/c9
    msms validate-shards shards/c9 --full

    --full unpacks everything: values finite, sorted and normalised as recorded, each source row
    there once, statistics right. Nothing is changed. Exit code 8 where anything is wrong.
    """
    from remote.workloads.shards.validate import validate

    root = one_dataset(dataset, output, "validate-shards", "--output")
    live = Live(sys.stderr, line=_line)
    try:
        found = validate(root, full=full, workers=num_workers, watch=live)
    finally:
        live.close()
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    if found.problems:
        listing = "\n".join(f"  {problem}" for problem in found.problems)
        raise IntegrityFailure(
            f"{root} is damaged, {found.count:,} problems:\n{listing}",
            hint="Build it again, or fetch it again.",
        )
    if not as_json:
        for text in _lines(found):
            click.echo(text)


def _line(now: Looked, rate: float) -> str:
    return counted(now, rate, f"shards {now.shards}  problems {now.problems:,}")


def _lines(found: Findings) -> list[str]:
    looked = "every value looked at" if found.full else "values not looked at (--full does)"
    lines = [
        f"{found.num_samples:,} spectra in {found.num_shards} shards: all as recorded, {looked}"
    ]
    if found.damaged:
        lines.append(
            f"marked as damaged: {found.damaged:,} spectra of the input could not be read "
            "and are not in it (damaged_ranges in the dataset manifest)"
        )
    return lines
