"""msms ready"""

from __future__ import annotations

import json
from pathlib import Path

import click

from remote.errors import NotReady
from remote.workloads.shards.cli.bounds import FILE, ROWS, SEED


@click.command("ready")
@click.argument("dataset", type=FILE)
@click.option("--sample", type=ROWS, help="Read only so many row groups, drawn.")
@click.option("--seed", type=SEED, default=42, show_default=True, help="Draws them.")
@click.option("--strict", is_flag=True, help="A warning is a no, too.")
@click.option("--json", "as_json", is_flag=True, help="The verdict as JSON on stdout.")
def ready(dataset: Path, sample: int | None, seed: int, strict: bool, as_json: bool) -> None:
    """Is DATASET fit to train on? Exit code 0 if it is, 33 if it is not.

    \b
    msms ready shards/c9 && python train.py
    msms ready shards/c9 --sample 200

    Reads it as a training would: as Arrow, as NumPy arrays, as padded and as ragged batches,
    and looks for every bad value.
    """
    from remote.workloads.shards.reading.ready import ready as look

    verdict = look(dataset, sample=sample, seed=seed)
    if as_json:
        click.echo(json.dumps(verdict.to_json(), indent=2))
    else:
        for line in verdict.lines():
            click.echo(line)
    if verdict.status == "FAIL" or (strict and verdict.status == "WARN"):
        failed = [check for check in verdict.checks if check.status != "PASS"]
        listing = "\n".join(
            f"  {check.name}: {check.reason}"
            for check in failed
            if strict or check.status == "FAIL"
        )
        advice = "What to do is said below each check" if not as_json else "See `advice`"
        raise NotReady(f"{dataset} is not ready to train on:\n{listing}", hint=f"{advice}.")
    if not as_json:
        click.echo("ready")
